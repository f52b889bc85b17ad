"""What detectors learn and find."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pet.models.detection.detector import build_box_head
from pet.models.features import FeatureInfo, Features
from pet.vision.config import get_base_cfg
from petlib.config import CfgNode
from petlib.errors import ConfigError

CHANNELS = 32
SIZES = [(64, 96), (50, 70)]
LOSSES = {
    "faster_rcnn": {"loss_rpn_objectness", "loss_rpn_box", "loss_box_class", "loss_box_regression"},
    "cascade_rcnn": {
        "loss_rpn_objectness",
        "loss_rpn_box",
        *(f"loss_box_{kind}_stage{stage}" for kind in ("class", "regression") for stage in (1, 2, 3)),
    },
    "retinanet": {"loss_class", "loss_box"},
    "fcos": {"loss_class", "loss_box", "loss_centerness"},
    "centernet": {"loss_heatmap", "loss_size", "loss_offset"},
}
TWO_STAGES = ["faster_rcnn", "cascade_rcnn"]
NO_BOXES = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
SOME_BOXES = {"boxes": torch.tensor([[8.0, 8, 40, 40], [50, 20, 90, 60]]), "labels": torch.tensor([0, 2])}


def make_cfg(detector: str, **values: Any) -> CfgNode:
    cfg = get_base_cfg()
    for name, value in {
        "MODEL.HAS_BOX": True,
        "MODEL.NECK": "fpn",
        "MODEL.NUM_CLASSES": 3,
        "MODEL.BOX.DETECTOR": detector,
        "MODEL.BOX.ROI.HIDDEN": 32,
        "MODEL.BOX.ROI.BATCH_SIZE": 64,
        "MODEL.BOX.CONVOLUTIONS": 2,
        "MODEL.BOX.RPN.PRE_NMS_TRAIN": 100,
        "MODEL.BOX.RPN.POST_NMS_TRAIN": 50,
        "MODEL.BOX.RPN.POST_NMS_TEST": 50,
        **{name.replace("__", "."): value for name, value in values.items()},
    }.items():
        cfg.set(name, value)
    return cfg


def strides_of(detector: str) -> tuple[int, ...]:
    if detector == "centernet":
        return (4,)
    return (4, 8, 16, 32, 64) if detector in TWO_STAGES else (8, 16, 32, 64, 128)


def make_head(detector: str, **values: Any) -> nn.Module:
    torch.manual_seed(0)
    info = FeatureInfo((16, 32), (2, 4), CHANNELS, strides_of(detector))
    return build_box_head(make_cfg(detector, **values), info)


def make_features(detector: str) -> Features:
    generator = torch.Generator().manual_seed(1)
    names = ["0", "1", "2", "3", "pool"] if detector in TWO_STAGES else ["0", "1", "2", "p6", "p7"]
    maps = {
        name: torch.randn(2, CHANNELS, max(1, 64 // stride), max(1, 96 // stride), generator=generator)
        for name, stride in zip(names, strides_of(detector), strict=False)
    }
    return Features(torch.zeros(2, 3, 64, 96), SIZES, [], maps)


def make_batch(*images: dict[str, Tensor]) -> dict[str, Any]:
    return {name: [image[name] for image in images] for name in ("boxes", "labels")}


@pytest.mark.parametrize("detector", LOSSES)
@pytest.mark.parametrize("images", [(SOME_BOXES, SOME_BOXES), (SOME_BOXES, NO_BOXES), (NO_BOXES, NO_BOXES)])
def test_losses_are_finite_and_reach_the_head(detector: str, images: tuple[dict[str, Tensor], ...]) -> None:
    head = make_head(detector).train()
    output = head(make_features(detector), make_batch(*images), None)
    assert set(output.losses) == LOSSES[detector]
    total = sum(output.losses.values())
    assert torch.isfinite(total)
    total.backward()
    gradients = [parameter.grad for parameter in head.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("detector", TWO_STAGES)
def test_regions_of_training_name_their_objects(detector: str) -> None:
    head = make_head(detector, MODEL__BOX__ROI__BATCH_SIZE=4096, MODEL__BOX__ROI__POSITIVE_FRACTION=0.5).train()
    regions = head(make_features(detector), make_batch(SOME_BOXES, NO_BOXES), None).regions
    first, second = regions.labels
    assert set(first.tolist()) == {-1, 0, 2}
    assert set(second.tolist()) == {-1}
    objects = first >= 0
    assert torch.equal(SOME_BOXES["labels"][regions.matched[0]][objects], first[objects])
    assert regions.scores == []
    for boxes, labels, matched in zip(regions.boxes, regions.labels, regions.matched, strict=True):
        assert (boxes.shape, boxes.dtype) == ((len(labels), 4), torch.float32)
        assert not boxes.requires_grad
        assert len(matched) == len(labels)
    for truth, label in zip(SOME_BOXES["boxes"], SOME_BOXES["labels"], strict=True):
        itself = (regions.boxes[0] == truth).all(dim=1)
        assert regions.labels[0][itself].unique().tolist() == [label]


@pytest.mark.parametrize("detector", LOSSES)
@pytest.mark.parametrize("method", ["never", "linear", "gaussian"])
def test_detections_keep_the_rules(detector: str, method: str) -> None:
    rules = {"TEST__SCORE_THRESHOLD": 0.003, "TEST__DETECTIONS_PER_IMAGE": 7, "TEST__SOFT_NMS__METHOD": method}
    output = make_head(detector, **rules).eval()(make_features(detector), {}, None)
    for place, (image, (height, width)) in enumerate(zip(output.predictions, SIZES, strict=True)):
        boxes, scores, labels = image["boxes"], image["scores"], image["labels"]
        assert (boxes.shape, scores.shape, labels.shape) == ((7, 4), (7,), (7,))
        assert (boxes.dtype, scores.dtype, labels.dtype) == (torch.float32, torch.float32, torch.int64)
        assert bool((scores.diff() <= 0).all()) and scores.min() > 0.003
        assert bool((boxes >= 0).all()) and boxes[:, 2].max() <= width and boxes[:, 3].max() <= height
        assert 0 <= labels.min() and labels.max() < 3
        assert torch.equal(output.regions.boxes[place], boxes)
        assert torch.equal(output.regions.labels[place], labels)
        assert torch.equal(output.regions.scores[place], scores)


@pytest.mark.parametrize("detector", LOSSES)
@pytest.mark.parametrize("method", ["never", "gaussian"])
def test_no_detections_are_empty_tensors(detector: str, method: str) -> None:
    head = make_head(detector, TEST__SCORE_THRESHOLD=1.0, TEST__SOFT_NMS__METHOD=method).eval()
    for image in head(make_features(detector), {}, None).predictions:
        assert {name: tuple(value.shape) for name, value in image.items()} == {"boxes": (0, 4), "scores": (0,), "labels": (0,)}


@pytest.mark.parametrize("detector", TWO_STAGES)
def test_no_proposals_give_no_detections_and_objects_are_learned_alone(detector: str) -> None:
    head = make_head(detector, TEST__SCORE_THRESHOLD=0.0)
    head.rpn.score_thresh = 2.0
    for image in head.eval()(make_features(detector), {}, None).predictions:
        assert image["boxes"].shape == (0, 4)
    for images in ((SOME_BOXES, NO_BOXES), (NO_BOXES, NO_BOXES)):
        losses = head.train()(make_features(detector), make_batch(*images), None).losses
        assert all(torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("detector", LOSSES)
def test_a_detector_learns_two_images_by_heart(detector: str) -> None:
    head = make_head(detector, TEST__SCORE_THRESHOLD=0.3, TEST__DETECTIONS_PER_IMAGE=2).train()
    features, batch = make_features(detector), make_batch(SOME_BOXES, SOME_BOXES)
    features.image_sizes = [(64, 96)] * 2
    optimizer = torch.optim.AdamW(head.parameters(), lr=5e-3)
    for _ in range(60):
        loss = sum(head(features, batch, None).losses.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for image in head.eval()(features, {}, None).predictions:
        order = image["labels"].argsort()
        assert image["labels"][order].tolist() == [0, 2]
        torch.testing.assert_close(image["boxes"][order], SOME_BOXES["boxes"], rtol=0, atol=5.0)


@pytest.mark.parametrize("detector", LOSSES)
def test_boxes_are_float32_under_mixed_precision(detector: str) -> None:
    head, features = make_head(detector, TEST__SCORE_THRESHOLD=0.0), make_features(detector)
    features.maps = {name: value.bfloat16() for name, value in features.maps.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = head.train()(features, make_batch(SOME_BOXES, NO_BOXES), None)
        found = head.eval()(features, {}, None)
    assert all(loss.dtype == torch.float32 for loss in output.losses.values())
    boxes = found.regions.boxes[0]
    assert boxes.dtype == torch.float32
    assert not torch.equal(boxes, boxes.bfloat16().float())


def test_soft_suppression_keeps_what_the_hard_one_drops() -> None:
    def scores(method: str) -> Tensor:
        settings = {"TEST__SOFT_NMS__METHOD": method, "TEST__SCORE_THRESHOLD": 0.0, "TEST__DETECTIONS_PER_IMAGE": 10000}
        found = make_head("faster_rcnn", **settings).eval()(make_features("faster_rcnn"), {}, None).predictions[0]
        return found["scores"]

    hard, soft = scores("never"), scores("gaussian")
    assert len(soft) > len(hard)
    assert torch.equal(soft[0], hard[0])


def test_the_cascade_asks_for_more_in_each_stage() -> None:
    head = make_head("cascade_rcnn")
    assert [stage.proposal_matcher.high_threshold for stage in head.stages] == [0.5, 0.6, 0.7]
    assert [stage.box_coder.weights for stage in head.stages] == [(10, 10, 5, 5), (20, 20, 10, 10), (30, 30, 15, 15)]
    assert [stage.box_predictor.bbox_pred.out_features for stage in head.stages] == [4, 4, 4]


def test_scores_of_the_cascade_are_the_mean_of_its_stages() -> None:
    head = make_head("cascade_rcnn", TEST__SCORE_THRESHOLD=0.0).eval()
    with torch.no_grad():
        for stage, wanted in zip(head.stages, ([2.0, 1, 0, 0], [0.0, 3, 0, 0], [0.0, 0, 0, 1]), strict=True):
            stage.box_predictor.cls_score.weight.zero_()
            stage.box_predictor.cls_score.bias.copy_(torch.tensor(wanted))
    expected = torch.tensor([[2.0, 1, 0, 0], [0, 3, 0, 0], [0, 0, 0, 1]]).softmax(dim=1).mean(dim=0)[1:]
    found = head(make_features("cascade_rcnn"), {}, None).predictions[0]
    for score, label in zip(found["scores"], found["labels"], strict=True):
        assert score.item() == pytest.approx(expected[label].item(), abs=1e-6)


def test_one_stage_detectors_begin_with_the_prior() -> None:
    for detector in ("retinanet", "fcos"):
        logits = make_head(detector, MODEL__BOX__PRIOR=0.2).head.classification_head.cls_logits
        assert torch.allclose(logits.bias.sigmoid(), torch.tensor(0.2))
    tower = make_head("retinanet", MODEL__BOX__CONVOLUTIONS=5).head.regression_head.conv
    assert len(tower) == 5


@pytest.mark.parametrize(
    ("detector", "values", "text"),
    [
        ("faster_rcnn", {"MODEL__BOX__ANCHOR_SIZES": [[8], [16]]}, "ANCHOR_SIZES: sizes for 2 levels, but the neck gives 5 maps"),
        ("retinanet", {"MODEL__BOX__ANCHOR_SIZES": [[8], [16, 20], [8], [8], [8]]}, "every level needs the same number of sizes"),
        ("retinanet", {"MODEL__BOX__ASPECT_RATIOS": []}, "numbers above 0 expected"),
        ("cascade_rcnn", {"MODEL__BOX__ROI__CASCADE_IOUS": [0.5]}, r"CASCADE_IOUS: \[0.5\] given; the cascade has 3 stages"),
        ("faster_rcnn", {"MODEL__BOX__RPN__NEGATIVE_IOU": 0.8}, "NEGATIVE_IOU: 0.8 given, at most POSITIVE_IOU"),
        ("fcos", {"MODEL__BOX__PRIOR": 0.0}, "MODEL.BOX.PRIOR: 0 given"),
        ("fcos", {"TEST__SOFT_NMS__METHOD": "gaussian", "TEST__SOFT_NMS__SIGMA": 0.0}, "TEST.SOFT_NMS.SIGMA: 0 given"),
    ],
)
def test_mistakes(detector: str, values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_head(detector, **values)


def test_maps_that_a_detector_cannot_take() -> None:
    with pytest.raises(ConfigError, match="MODEL.NECK: empty, but faster_rcnn looks at the maps of a neck; set it to fpn"):
        build_box_head(make_cfg("faster_rcnn"), FeatureInfo((16, 32), (2, 4), 0, ()))
    with pytest.raises(ConfigError, match="MODEL.FPN.CHANNELS: 48 given, for fcos a multiple of 32 expected"):
        build_box_head(make_cfg("fcos"), FeatureInfo((16, 32), (2, 4), 48, strides_of("fcos")))
    with pytest.raises(ConfigError, match="MODEL.NECK: fpn gives 2 maps, but centernet looks at one, .*; set it to dla_up"):
        build_box_head(make_cfg("centernet"), FeatureInfo((16, 32), (2, 4), 32, (4, 8)))
    with pytest.raises(ConfigError, match=r"sizes for 5 levels \(the default\), but the neck gives 3 maps, of the strides 8, 16, 32"):
        build_box_head(make_cfg("retinanet"), FeatureInfo((16, 32), (2, 4), 32, (8, 16, 32)))
