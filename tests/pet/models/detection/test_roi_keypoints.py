"""Keypoints of regions, compared with torchvision's Keypoint R-CNN."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models.detection import keypointrcnn_resnet50_fpn

from pet.models.detection.roi_heads import KeypointHead, build_keypoint_head
from pet.models.features import FeatureInfo, Features, Regions
from pet.vision import config
from petlib.errors import ConfigError

SIZES = [(64, 96), (60, 80)]


def features_of(channels: int) -> Features:
    generator = torch.Generator().manual_seed(1)
    maps = {str(level): torch.randn(2, channels, 64 // 2 ** (level + 2), 96 // 2 ** (level + 2), generator=generator) for level in range(4)}
    return Features(torch.zeros(2, 3, 64, 96), SIZES, [], maps)


def tiny_head(**changes: Any) -> KeypointHead:
    torch.manual_seed(0)
    return KeypointHead(**{"strides": (4, 8, 16, 32), "in_channels": 8, "channels": [16, 16], "num_keypoints": 3, "pool": 6, **changes})


def batch_of() -> dict[str, Any]:
    keypoints = torch.tensor(
        [
            [[12.0, 12.0, 2.0], [20.0, 28.0, 1.0], [0.0, 0.0, 0.0]],
            [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        ]
    )
    return {"keypoints": [keypoints, keypoints[:0]]}


def regions_of(*, matched: list[int], labels: list[int]) -> Regions:
    boxes = torch.tensor([[8.0, 8.0, 32.0, 34.0], [28.0, 18.0, 55.0, 62.0]])
    return Regions([boxes, boxes[:1]], [torch.tensor(labels), torch.tensor([-1])], [torch.tensor(matched), torch.tensor([0])])


def proposals() -> list[Tensor]:
    return [
        torch.tensor([[8.0, 8.0, 30.0, 34.0], [50.0, 5.0, 90.0, 40.0], [0.0, 0.0, 96.0, 64.0]]),
        torch.tensor([[5.0, 9.0, 70.0, 50.0]]),
    ]


@pytest.fixture(scope="module")
def torchvision_heads() -> Any:
    torch.manual_seed(0)
    return keypointrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=3, num_keypoints=3, box_detections_per_img=3
    ).roi_heads


@pytest.fixture(scope="module")
def loaded(torchvision_heads: Any) -> KeypointHead:
    head = KeypointHead(strides=(4, 8, 16, 32), in_channels=256, channels=[512] * 8, num_keypoints=3, pool=14)
    state = torchvision_heads.state_dict()
    renamed = {name.removeprefix("keypoint_"): value for name, value in state.items() if name.startswith("keypoint_")}
    assert {"head.0.weight", "predictor.kps_score_lowres.weight"} <= set(renamed)
    head.load_state_dict(renamed, strict=True)
    return head


def test_keypoints_are_those_of_torchvision(torchvision_heads: Any, loaded: KeypointHead) -> None:
    features = features_of(256)
    with torch.no_grad():
        results, _ = torchvision_heads.eval()(features.maps, proposals(), SIZES)
        boxes, labels = [r["boxes"] for r in results], [r["labels"] - 1 for r in results]
        output = loaded.eval()(features, {}, Regions(boxes, labels, scores=[r["scores"] for r in results]))
    assert sum(map(len, boxes)) > 2
    for ours, theirs in zip(output.predictions, results, strict=True):
        assert ours["keypoints"].shape == (len(theirs["boxes"]), 3, 3)
        torch.testing.assert_close(ours["keypoints"][..., :2], theirs["keypoints"][..., :2], atol=1e-5, rtol=0)
        torch.testing.assert_close(ours["keypoints"][..., 2], theirs["keypoints_scores"], atol=1e-5, rtol=0)


def test_loss_is_that_of_torchvision(torchvision_heads: Any, loaded: KeypointHead) -> None:
    features, batch = features_of(256), batch_of()
    objects = [torch.tensor([[10.0, 10.0, 25.0, 30.0], [30.0, 20.0, 50.0, 60.0]]), torch.zeros(0, 4)]
    targets = [
        {"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64), "keypoints": keypoints}
        for boxes, keypoints in zip(objects, batch["keypoints"], strict=True)
    ]
    torchvision_heads.train()
    torch.manual_seed(3)
    _, losses = torchvision_heads(features.maps, proposals(), SIZES, targets)
    torch.manual_seed(3)
    boxes, matched, labels, _ = torchvision_heads.select_training_samples(proposals(), targets)
    output = loaded.train()(features, batch, Regions(boxes, [label - 1 for label in labels], matched))
    assert losses["loss_keypoint"] > 0
    torch.testing.assert_close(output.losses["loss_keypoints"], losses["loss_keypoint"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("matched", "labels"),
    [([1, 1], [0, 0]), ([0, 0], [-1, -1]), ([0, 0], [-1, 0])],
    ids=["objects without keypoints", "background", "keypoints outside of the region"],
)
def test_loss_without_keypoints_is_zero_and_reaches_all_parameters(matched: list[int], labels: list[int]) -> None:
    head = tiny_head()
    loss = head(features_of(8), batch_of(), regions_of(matched=matched, labels=labels)).losses["loss_keypoints"]
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in head.parameters())


def test_objects_without_keypoints_do_not_count() -> None:
    head, features, batch = tiny_head(), features_of(8), batch_of()
    losses = [head(features, batch, regions_of(matched=[0, 1], labels=labels)).losses["loss_keypoints"] for labels in ([0, 0], [0, -1])]
    assert losses[0] > 0
    torch.testing.assert_close(*losses)


def test_no_detections_give_no_keypoints() -> None:
    none = Regions([torch.zeros(0, 4)] * 2, [torch.zeros(0, dtype=torch.int64)] * 2, scores=[torch.zeros(0)] * 2)
    output = tiny_head().eval()(features_of(8), {}, none)
    assert [prediction["keypoints"].shape for prediction in output.predictions] == [(0, 3, 3)] * 2


def test_keypoints_of_an_object_are_learnt() -> None:
    head, features, batch = tiny_head(), features_of(8), batch_of()
    regions = regions_of(matched=[0, 1], labels=[0, 0])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(60):
        loss = head(features, batch, regions).losses["loss_keypoints"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1.0
    found = head.eval()(features, {}, regions).predictions[0]["keypoints"][0]
    # a pixel of the heatmap is 24 / 24 and 26 / 24 pixels of the image
    torch.testing.assert_close(found[:2, :2], batch["keypoints"][0][0, :2, :2], atol=1.5, rtol=0)


def test_evaluation_decodes_what_predict_gives_and_views_can_be_averaged() -> None:
    head, features = tiny_head().eval(), features_of(8)
    box = torch.tensor([[8.0, 8.0, 32.0, 34.0]])
    regions = Regions([box, box], [torch.tensor([0])] * 2, scores=[torch.ones(1)] * 2)
    raw = head.predict(features, regions.boxes, regions.labels)
    assert raw[0].shape == (1, 3, 24, 24)
    expected = head(features, {}, regions).predictions
    averaged = [torch.stack([heatmaps, heatmaps]).mean(dim=0) for heatmaps in raw]
    for ours, reference in zip(head.decode(averaged, regions), expected, strict=True):
        torch.testing.assert_close(ours["keypoints"], reference["keypoints"])


def test_built_from_a_config() -> None:
    cfg = config.get_base_cfg()
    for name, value in {"MODEL.KEYPOINTS.NUM_KEYPOINTS": 5, "MODEL.KEYPOINTS.CHANNELS": [12], "MODEL.KEYPOINTS.POOL": 7}.items():
        cfg.set(name, value)
    head = build_keypoint_head(cfg, FeatureInfo((8, 16, 32, 64), (4, 8, 16, 32), 8, (4, 8, 16, 32, 64))).eval()
    regions = Regions([torch.tensor([[8.0, 8.0, 30.0, 34.0]])] * 2, [torch.tensor([0])] * 2, scores=[torch.ones(1)] * 2)
    assert head.predict(features_of(8), regions.boxes, regions.labels)[1].shape == (1, 5, 28, 28)


def test_a_model_without_neck_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"MODEL\.HAS_KEYPOINTS: True needs the maps of a neck"):
        build_keypoint_head(config.get_base_cfg(), FeatureInfo((8, 16), (4, 8), 0, ()))
