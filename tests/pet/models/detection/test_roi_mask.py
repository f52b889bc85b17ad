"""Masks of regions, compared with torchvision's Mask R-CNN."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models.detection import maskrcnn_resnet50_fpn

from pet.models.detection.roi_heads import MaskHead, build_mask_head
from pet.models.features import FeatureInfo, Features, Regions
from pet.vision import config
from petlib.errors import ConfigError

SIZES = [(64, 96), (60, 80)]


def features_of(channels: int, size: tuple[int, int] = (64, 96), images: int = 2) -> Features:
    generator = torch.Generator().manual_seed(1)
    maps = {
        str(level): torch.randn(images, channels, size[0] // 2 ** (level + 2), size[1] // 2 ** (level + 2), generator=generator)
        for level in range(4)
    }
    maps["pool"] = maps["3"][..., ::2, ::2]
    return Features(torch.zeros(images, 3, *size), SIZES[:images], [], maps)


def tiny_head(**changes: Any) -> MaskHead:
    torch.manual_seed(0)
    return MaskHead(**{"strides": (4, 8, 16, 32), "in_channels": 8, "channels": [8, 8], "num_classes": 2, "pool": 7, **changes})


def batch_of() -> dict[str, Any]:
    masks = torch.zeros(2, 64, 96, dtype=torch.uint8)
    masks[0, 10:30, 10:25] = 1
    masks[1, 20:60, 30:50] = 1
    return {"labels": [torch.tensor([0, 1]), torch.zeros(0, dtype=torch.int64)], "masks": [masks, masks[:0]]}


def regions_of(*, labels: list[int]) -> Regions:
    boxes = torch.tensor([[8.0, 8.0, 30.0, 34.0], [28.0, 18.0, 55.0, 62.0], [50.0, 5.0, 90.0, 40.0]])
    background = torch.tensor([[0.0, 0.0, 20.0, 20.0]])
    matched = [torch.tensor([0, 1, 0]), torch.tensor([0])]
    return Regions([boxes, background], [torch.tensor(labels), torch.tensor([-1])], matched)


@pytest.fixture(scope="module")
def torchvision_heads() -> Any:
    torch.manual_seed(0)
    return maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3, box_detections_per_img=6).roi_heads


@pytest.fixture(scope="module")
def loaded(torchvision_heads: Any) -> MaskHead:
    head = MaskHead(strides=(4, 8, 16, 32), in_channels=256, channels=[256] * 4, num_classes=2, pool=14)
    state = torchvision_heads.state_dict()
    renamed = {name.removeprefix("mask_"): value for name, value in state.items() if name.startswith("mask_")}
    assert {"head.0.0.weight", "predictor.conv5_mask.weight", "predictor.mask_fcn_logits.bias"} <= set(renamed)
    head.load_state_dict(renamed, strict=True)
    return head


def proposals() -> list[Tensor]:
    return [
        torch.tensor([[8.0, 8.0, 30.0, 34.0], [50.0, 5.0, 90.0, 40.0], [0.0, 0.0, 96.0, 64.0]]),
        torch.tensor([[5.0, 9.0, 70.0, 50.0]]),
    ]


def test_probabilities_are_those_of_torchvision(torchvision_heads: Any, loaded: MaskHead) -> None:
    features = features_of(256)
    with torch.no_grad():
        results, _ = torchvision_heads.eval()(features.maps, proposals(), SIZES)
        boxes, labels = [r["boxes"] for r in results], [r["labels"] - 1 for r in results]
        output = loaded.eval()(features, {}, Regions(boxes, labels, scores=[r["scores"] for r in results]))
    assert sum(map(len, boxes)) > 4
    for ours, theirs in zip(output.predictions, results, strict=True):
        assert ours["masks"].shape == (len(theirs["boxes"]), 28, 28)
        torch.testing.assert_close(ours["masks"], theirs["masks"][:, 0], atol=1e-5, rtol=0)


def test_loss_is_that_of_torchvision(torchvision_heads: Any, loaded: MaskHead) -> None:
    features, batch = features_of(256), batch_of()
    objects = [torch.tensor([[10.0, 10.0, 25.0, 30.0], [30.0, 20.0, 50.0, 60.0]]), torch.zeros(0, 4)]
    targets = [
        {"boxes": boxes, "labels": labels + 1, "masks": masks}
        for boxes, labels, masks in zip(objects, batch["labels"], batch["masks"], strict=True)
    ]
    torchvision_heads.train()
    torch.manual_seed(3)
    _, losses = torchvision_heads(features.maps, proposals(), SIZES, targets)
    torch.manual_seed(3)
    boxes, matched, labels, _ = torchvision_heads.select_training_samples(proposals(), targets)
    output = loaded.train()(features, batch, Regions(boxes, [label - 1 for label in labels], matched))
    assert losses["loss_mask"] > 0
    torch.testing.assert_close(output.losses["loss_mask"], losses["loss_mask"], atol=1e-5, rtol=0)


def test_loss_without_objects_is_zero_and_reaches_all_parameters() -> None:
    head = tiny_head()
    loss = head(features_of(8), batch_of(), regions_of(labels=[-1, -1, -1])).losses["loss_mask"]
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in head.parameters())


def test_objects_without_an_outline_do_not_count() -> None:
    head, features = tiny_head(), features_of(8)
    unknown = batch_of()
    unknown["masks"][0][1] = 255
    every, first = regions_of(labels=[0, 1, 0]), regions_of(labels=[0, -1, 0])
    losses = [head(features, batch, regions).losses["loss_mask"] for batch, regions in ((unknown, every), (batch_of(), first))]
    assert losses[0] > 0
    torch.testing.assert_close(*losses)
    unknown["masks"][0][:] = 255
    loss = head(features, unknown, every).losses["loss_mask"]
    loss.backward()
    assert loss.item() == 0


def test_background_does_not_count() -> None:
    head, features = tiny_head(), features_of(8)
    both = regions_of(labels=[0, -1, -1])
    alone = Regions(
        [both.boxes[0][:1], both.boxes[1][:0]], [both.labels[0][:1], both.labels[1][:0]], [both.matched[0][:1], both.matched[1][:0]]
    )
    losses = [head(features, batch_of(), regions).losses["loss_mask"] for regions in (both, alone)]
    assert losses[0] > 0
    torch.testing.assert_close(*losses)


def test_no_detections_give_no_masks() -> None:
    none = Regions([torch.zeros(0, 4)] * 2, [torch.zeros(0, dtype=torch.int64)] * 2, scores=[torch.zeros(0)] * 2)
    output = tiny_head().eval()(features_of(8), {}, none)
    assert [prediction["masks"].shape for prediction in output.predictions] == [(0, 14, 14)] * 2


def test_two_objects_are_learnt() -> None:
    head, features, batch, regions = tiny_head(), features_of(8), batch_of(), regions_of(labels=[0, 1, -1])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(80):
        loss = head(features, batch, regions).losses["loss_mask"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2  # targets between 0 and 1 at the edges keep it above 0
    masks = head.eval()(features, batch, regions_of(labels=[0, 1, 0])).predictions[0]["masks"]
    # the box (8, 8, 30, 34) of the first region holds the object (10, 10, 25, 30)
    columns = (masks[0, 7] > 0.5).nonzero().squeeze(1)
    assert abs(columns[0].item() - 2 / 22 * 14) <= 1
    assert abs(columns[-1].item() + 1 - 17 / 22 * 14) <= 1


def test_evaluation_decodes_what_predict_gives() -> None:
    head, features = tiny_head().eval(), features_of(8)
    regions = Regions([torch.tensor([[8.0, 8.0, 30.0, 34.0]])] * 2, [torch.tensor([1])] * 2, scores=[torch.ones(1)] * 2)
    raw = head.predict(features, regions.boxes, regions.labels)
    assert raw[0].shape == (1, 14, 14)
    for once, twice in zip(head.decode(raw, regions), head(features, {}, regions).predictions, strict=True):
        assert torch.equal(once["masks"], twice["masks"])


def test_padding_does_not_change_where_features_are_read() -> None:
    """The scale of a map comes from its stride, not from the size of the unpadded image."""
    regions = Regions([torch.tensor([[8.0, 8.0, 30.0, 34.0]])] * 2, [torch.tensor([1])] * 2, scores=[torch.ones(1)] * 2)
    features = features_of(8)
    expected = tiny_head().eval()(features, {}, regions).predictions
    features.image_sizes = [(40, 40), (36, 40)]
    for ours, reference in zip(tiny_head().eval()(features, {}, regions).predictions, expected, strict=True):
        assert torch.equal(ours["masks"], reference["masks"])


def test_built_from_a_config() -> None:
    cfg = config.get_base_cfg()
    for name, value in {"MODEL.NUM_CLASSES": 5, "MODEL.MASK.CHANNELS": [12], "MODEL.MASK.POOL": 5}.items():
        cfg.set(name, value)
    head = build_mask_head(cfg, FeatureInfo((8, 16, 32, 64), (4, 8, 16, 32), 8, (4, 8, 16, 32, 64))).eval()
    assert head.state_dict()["predictor.mask_fcn_logits.weight"].shape == (6, 12, 1, 1)
    regions = Regions([torch.tensor([[8.0, 8.0, 30.0, 34.0]])] * 2, [torch.tensor([4])] * 2, scores=[torch.ones(1)] * 2)
    assert head(features_of(8), {}, regions).predictions[1]["masks"].shape == (1, 10, 10)


def test_a_model_without_neck_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"MODEL\.HAS_MASK: True needs the maps of a neck.*the model has none; set build_neck\.name to fpn"
    ):
        build_mask_head(config.get_base_cfg(), FeatureInfo((8, 16), (4, 8), 0, ()))


def test_maps_on_top_of_the_pyramid_are_not_looked_into() -> None:
    cfg = config.get_base_cfg()
    cfg.set("MODEL.NUM_CLASSES", 2)
    head = build_mask_head(cfg, FeatureInfo((8, 16), (4, 8), 8, (4, 8, 16, 32), 2))
    assert head.pooling.names == ["0", "1"]
