"""Embeddings of objects: what is learned, frames without identities, several processes, and weights without a classifier."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pet.models.detection.identity_head import IdentityHead
from pet.models.features import Features, Regions
from pet.vision import GeneralizedCNN, config
from pet.vision.model import add_training_parts, expected_test_data
from petlib.config import CfgNode, ConfigError
from petlib.distributed.process_group import rank, world_size

BOXES = [torch.tensor([[4.0, 6, 25, 41], [40, 10, 75, 30]]), torch.tensor([[50.0, 20, 96, 64]]), torch.zeros(0, 4)]
IDENTITIES = [torch.tensor([0, 2]), torch.tensor([1]), torch.zeros(0, dtype=torch.int64)]
NONE = [torch.full_like(of_image, -1) for of_image in IDENTITIES]


def make_head() -> IdentityHead:
    torch.manual_seed(0)
    head = IdentityHead(channels=8, stride=4, hidden=16, length=12)
    head.add_classifier(4)
    return head.train()


def make_features(count: int = 3) -> Features:
    maps = torch.randn(count, 8, 16, 24, generator=torch.Generator().manual_seed(1))
    return Features(torch.zeros(count, 3, 64, 96), [(64, 96)] * count, [], {"0": maps})


def test_embeddings_have_length_1_and_are_those_of_the_centres() -> None:
    head, features = make_head().eval(), make_features()
    regions = Regions(boxes=BOXES, labels=[torch.zeros(len(boxes), dtype=torch.int64) for boxes in BOXES])
    found = [image["embeddings"] for image in head(features, {}, regions).predictions]
    assert [tuple(one.shape) for one in found] == [(2, 12), (1, 12), (0, 12)]
    torch.testing.assert_close(found[0].norm(dim=1), torch.ones(2))
    at_center = head.embedding(features.maps["0"])[1, :, 10, 18]
    torch.testing.assert_close(found[1][0], at_center / at_center.norm())


def test_identities_are_learned() -> None:
    head, features = make_head(), make_features()
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        output = head(features, {"boxes": BOXES, "identities": IDENTITIES}, None)
        output.losses["loss_identity"].backward()
        optimizer.step()
    assert output.losses["loss_identity"].item() < 0.1
    assert output.metrics["identity_acc1"].item() == 1


@pytest.mark.parametrize("empty", [False, True])
def test_without_identities_the_loss_is_0_and_no_gradient_is_missing(empty: bool) -> None:
    head = make_head()
    boxes = [boxes[:0] for boxes in BOXES] if empty else BOXES
    identities = [of_image[:0] for of_image in NONE] if empty else NONE
    loss = head(make_features(), {"boxes": boxes, "identities": identities}, None).losses["loss_identity"]
    loss.backward()
    assert loss.item() == 0
    for parameter in head.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()


def gradients_of_rank() -> list[Tensor]:
    places = range(rank(), 3, world_size())
    head, features = make_head(), make_features()
    maps = {"0": features.maps["0"][list(places)]}
    batch = {"boxes": [BOXES[place] for place in places], "identities": [IDENTITIES[place] for place in places]}
    head(Features(features.images, features.image_sizes, [], maps), batch, None).losses["loss_identity"].backward()
    return [parameter.grad.clone() for parameter in head.parameters() if parameter.grad is not None]


def test_two_processes_learn_what_one_does(run_ranks: Any) -> None:
    alone = gradients_of_rank()
    together = [torch.stack(pair).mean(dim=0) for pair in zip(*run_ranks(gradients_of_rank, 2), strict=True)]
    assert len(alone) == len(together) == 6
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    settings = {"HAS_BOX": True, "HAS_IDENTITY": True, "BACKBONE": "timm/test_resnet", "NECK": "dla_up", "BOX__DETECTOR": "centernet"}
    settings |= {"NUM_CLASSES": 1, "DLA_UP__CHANNELS": 8, "DLA_UP__DEFORMABLE": False, **values}
    for name, value in settings.items():
        cfg.set(f"MODEL.{name.replace('__', '.')}", value)
    config.infer_cfg(cfg)
    return cfg


def test_classifier_and_learned_weights_belong_to_a_training_alone() -> None:
    cfg = make_cfg(IDENTITY__NUM_IDENTITIES=5, LOSS_WEIGHTING__METHOD="uncertainty", LOSS_WEIGHTING__START={"box": -1.85})
    model = GeneralizedCNN(cfg)
    own = set(model.state_dict())
    add_training_parts(cfg, model)
    added = set(model.state_dict()) - own
    assert added == {
        *("heads.identity.classifier.weight", "heads.identity.classifier.bias"),
        *("weighting.log_variances.box", "weighting.log_variances.identity"),
    }
    assert all(name.startswith(model.training_only) for name in added)
    outputs = model.train()(
        {
            "image": torch.zeros(2, 3, 64, 96),
            "boxes": BOXES[:2],
            "labels": [torch.zeros(2).long(), torch.zeros(1).long()],
            "identities": NONE[:2],
        }
    )
    assert set(outputs["losses"]) == {"loss_heatmap", "loss_size", "loss_offset", "loss_identity", "loss_uncertainty"}
    assert all(loss.isfinite() for loss in outputs["losses"].values())
    assert "identities" not in expected_test_data(cfg).counts


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "MODEL.IDENTITY.NUM_IDENTITIES: 0 given; set it to the number of identities of the training data, at least 3"),
        ({"LOSS_WEIGHTING__START": {"mask": 1.0}}, "MODEL.LOSS_WEIGHTING.START: mask given; the heads are box, identity"),
        ({"HAS_BOX": False}, "MODEL.HAS_IDENTITY: True looks into the boxes that MODEL.HAS_BOX finds"),
    ],
)
def test_mistakes(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        add_training_parts(cfg := make_cfg(**values), GeneralizedCNN(cfg))
