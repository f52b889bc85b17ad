"""Whole networks with the heads that look for objects, alone and together."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pet.data.datasets.shapes_writing import write_shapes
from pet.vision import TASK, GeneralizedCNN, config
from pet.vision.test_time import build_test_model
from petlib.config import CfgNode, ConfigError
from petlib.errors import DataError

EDGE = 96
SMALL = {
    "MODEL.BACKBONE": "torchvision/resnet18",
    "MODEL.NUM_CLASSES": 4,
    "MODEL.NECK": "fpn",
    "MODEL.FPN.CHANNELS": 32,
    "MODEL.BOX.CONVOLUTIONS": 1,
    "MODEL.BOX.RPN.POST_NMS_TRAIN": 40,
    "MODEL.BOX.RPN.POST_NMS_TEST": 20,
    "MODEL.BOX.RPN.BATCH_SIZE": 32,
    "MODEL.BOX.ROI.BATCH_SIZE": 16,
    "MODEL.BOX.ROI.HIDDEN": 32,
    "MODEL.MASK.CHANNELS": [8],
    "MODEL.KEYPOINTS.CHANNELS": [8],
    "MODEL.KEYPOINTS.NUM_KEYPOINTS": 5,
    "MODEL.PARSING.CHANNELS": [8],
    "MODEL.PARSING.NUM_PARTS": 7,
    "MODEL.PARSING.POOL": 8,
    "TEST.DETECTIONS_PER_IMAGE": 5,
}
ONE_STAGE = ("retinanet", "fcos", "centernet")
MODELS = {
    "faster": ("faster_rcnn", ("BOX",)),
    "cascade": ("cascade_rcnn", ("BOX",)),
    "retinanet": ("retinanet", ("BOX",)),
    "fcos": ("fcos", ("BOX",)),
    "centernet": ("centernet", ("BOX",)),
    "faster-all": ("faster_rcnn", ("BOX", "MASK", "KEYPOINTS", "SEMSEG")),
    "cascade-all": ("cascade_rcnn", ("BOX", "MASK", "KEYPOINTS", "SEMSEG")),
    "retinanet-semseg": ("retinanet", ("BOX", "SEMSEG")),
    "fcos-semseg": ("fcos", ("BOX", "SEMSEG")),
    "faster-parsing": ("faster_rcnn", ("BOX", "PARSING")),
    "cascade-parsing": ("cascade_rcnn", ("BOX", "PARSING")),
}
RPN_LOSSES = {"loss_rpn_objectness", "loss_rpn_box"}
BOX_LOSSES = {
    "faster_rcnn": RPN_LOSSES | {"loss_box_class", "loss_box_regression"},
    "cascade_rcnn": RPN_LOSSES | {f"loss_box_{what}_stage{stage}" for what in ("class", "regression") for stage in (1, 2, 3)},
    "retinanet": {"loss_class", "loss_box"},
    "fcos": {"loss_class", "loss_box", "loss_centerness"},
    "centernet": {"loss_heatmap", "loss_size", "loss_offset"},
}
HEAD_LOSSES = {
    "MASK": {"loss_mask"},
    "KEYPOINTS": {"loss_keypoints"},
    "PARSING": {"loss_parsing", "loss_parsing_iou"},
    "SEMSEG": {"loss_semseg"},
}
FIELDS = {
    "BOX": {"boxes", "scores", "labels"},
    "MASK": {"masks"},
    "KEYPOINTS": {"keypoints"},
    "PARSING": {"parsing", "parsing_scores"},
    "SEMSEG": {"semseg"},
}


def make_cfg(detector: str, heads: Sequence[str], **values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    switches = {f"MODEL.HAS_{head}": True for head in heads}
    # the pyramid of the one-stage detectors has other levels
    sizes: dict[str, Any] = {} if detector in ONE_STAGE else {"MODEL.BOX.ANCHOR_SIZES": [[12], [24], [40], [64], [96]]}
    if detector == "centernet":
        sizes = {"MODEL.NECK": "dla_up", "MODEL.DLA_UP.CHANNELS": 16}
    for name, value in {**SMALL, **switches, **sizes, "MODEL.BOX.DETECTOR": detector, **values}.items():
        cfg.set(name, value)
    config.infer_cfg(cfg)
    return cfg


def build(detector: str, heads: Sequence[str], seed: int = 0, **values: Any) -> GeneralizedCNN:
    torch.manual_seed(seed)
    return GeneralizedCNN(make_cfg(detector, heads, **values))


def make_batch(counts: Sequence[int] = (2, 1)) -> dict[str, Any]:
    """Return images with some squares each, and all targets that heads learn from."""
    generator = torch.Generator().manual_seed(7)
    boxes = [torch.tensor([[8.0, 8, 40, 40], [44, 30, 90, 90]])[:count] for count in counts]
    masks = [torch.zeros(count, EDGE, EDGE, dtype=torch.uint8) for count in counts]
    parsing = torch.zeros(len(counts), EDGE, EDGE, dtype=torch.uint8)
    instances = torch.zeros(len(counts), EDGE, EDGE, dtype=torch.uint16)
    for image, (image_boxes, image_masks) in enumerate(zip(boxes, masks, strict=True)):
        for number, ((left, top, right, bottom), mask) in enumerate(zip(image_boxes.int().tolist(), image_masks, strict=True)):
            mask[top:bottom, left:right] = 1
            parsing[image, top:bottom, left:right] = number + 1
            instances[image, top:bottom, left:right] = number + 1
    points = [torch.tensor([[0.2, 0.2], [0.8, 0.2], [0.5, 0.5], [0.2, 0.8], [0.8, 0.8]]) for _ in counts]
    places = [one[:, None, :2] + share * (one[:, None, 2:] - one[:, None, :2]) for one, share in zip(boxes, points, strict=True)]
    return {
        "image": torch.randn(len(counts), 3, EDGE, EDGE, generator=generator),
        "image_sizes": [(EDGE, EDGE), (EDGE - 8, EDGE - 2)][: len(counts)],
        "boxes": boxes,
        "labels": [torch.tensor([1, 3])[:count] for count in counts],
        "masks": masks,
        "keypoints": [torch.cat([xy, torch.full_like(xy[..., :1], 2)], dim=-1) for xy in places],
        "semseg": parsing,
        "parsing": parsing,
        "instances": instances,
        "instance_ids": [torch.arange(1, count + 1) for count in counts],
        "meta": [{"id": number, "size": (EDGE, EDGE)} for number in range(len(counts))],
    }


def learn(model: nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    losses: dict[str, torch.Tensor] = model(batch)["losses"]
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    return losses


@pytest.mark.parametrize("counts", [(2, 1), (0, 1), (0, 0)], ids=["objects", "one-empty", "all-empty"])
@pytest.mark.parametrize("name", MODELS)
def test_losses_are_finite_and_reach_every_parameter(name: str, counts: tuple[int, ...]) -> None:
    """Also without objects: a parameter without any gradient would stop a training on several devices."""
    detector, heads = MODELS[name]
    model = build(detector, heads)
    losses = learn(model, make_batch(counts))
    assert set(losses) == BOX_LOSSES[detector].union(*(HEAD_LOSSES[head] for head in heads[1:]))
    for loss_name, loss in losses.items():
        assert loss.shape == (), loss_name
        assert torch.isfinite(loss), loss_name
    lacking = [name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None]
    assert not lacking
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)
    if all(counts):
        assert all(loss > 0 for loss in losses.values())
        assert all(parameter.grad.any() for parameter in model.backbone.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_those_of_all_heads(name: str) -> None:
    detector, heads = MODELS[name]
    with torch.no_grad():
        predictions = build(detector, heads, **{"TEST.SCORE_THRESHOLD": 0.0}).eval()(make_batch())
    assert len(predictions) == 2
    for prediction, (height, width) in zip(predictions, [(96, 96), (88, 94)], strict=True):
        assert set(prediction) == set().union(*(FIELDS[head] for head in heads))
        count = len(prediction["boxes"])
        assert count == 5
        assert {len(value) for field, value in prediction.items() if field != "semseg"} == {count}
        assert (prediction["boxes"] >= 0).all()
        assert (prediction["boxes"] <= torch.tensor([width, height, width, height])).all()
        assert (prediction["scores"].diff() <= 0).all()
        assert ((prediction["labels"] >= 0) & (prediction["labels"] < 4)).all()
        assert (prediction["boxes"].dtype, prediction["scores"].dtype, prediction["labels"].dtype) == (
            torch.float32,
            torch.float32,
            torch.int64,
        )


@pytest.mark.parametrize("name", MODELS)
def test_an_image_without_detections(name: str) -> None:
    detector, heads = MODELS[name]
    with torch.no_grad():
        predictions = build(detector, heads, **{"TEST.SCORE_THRESHOLD": 0.9999}).eval()(make_batch())
    shapes = {"boxes": (0, 4), "scores": (0,), "labels": (0,), "masks": (0, 28, 28), "keypoints": (0, 5, 3)}
    shapes |= {"parsing": (0, 7, 32, 32), "parsing_scores": (0,), "semseg": (96, 96)}
    for prediction in predictions:
        assert {field: tuple(value.shape) for field, value in prediction.items()} == {field: shapes[field] for field in prediction}


def test_predictions_come_in_coordinates_of_the_files() -> None:
    model = build("faster_rcnn", ("BOX", "KEYPOINTS", "SEMSEG")).eval()
    batch = make_batch()
    small = {"matrix": [[2.0, 0, 0], [0, 2, 0], [0, 0, 1]], "size": (48, 48)}
    with torch.no_grad():
        plain = model(batch)
        halved = model({**batch, "meta": [{**small, "matrix": torch.tensor(small["matrix"]).double().numpy()}] * 2})
    for one, other in zip(plain, halved, strict=True):
        torch.testing.assert_close(other["boxes"], one["boxes"] / 2)
        torch.testing.assert_close(other["keypoints"][..., :2], one["keypoints"][..., :2] / 2)
        torch.testing.assert_close(other["keypoints"][..., 2], one["keypoints"][..., 2])
        assert other["semseg"].shape == (48, 48)


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_below_the_names_of_their_parts(name: str) -> None:
    detector, heads = MODELS[name]
    names = build(detector, heads).state_dict().keys()
    parts = {"backbone.", "neck.", *(f"heads.{head.lower()}." for head in heads)}
    assert not [key for key in names if not key.startswith(tuple(parts))]
    assert not [part for part in parts if not any(key.startswith(part) for key in names)]


@pytest.mark.parametrize("name", ["faster-all", "cascade-parsing", "retinanet", "fcos"])
def test_weights_follow_from_the_seed(name: str) -> None:
    first, second, other = (build(*MODELS[name], seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    # some layers begin with zeros
    drawn = [key for key, value in first.items() if key.endswith("weight") and value.dim() > 1 and value.any()]
    assert not [key for key in drawn if torch.equal(first[key], other[key])]


def test_a_head_that_is_added_leaves_the_weights_before_it_alone() -> None:
    alone, together = build("faster_rcnn", ("BOX",)).state_dict(), build("faster_rcnn", ("BOX", "MASK")).state_dict()
    assert all(torch.equal(value, together[key]) for key, value in alone.items())


def test_frozen_parts_do_not_learn() -> None:
    model = build("faster_rcnn", ("BOX",), **{"MODEL.FREEZE_AT": 2, "MODEL.FROZEN_BN": True})
    learn(model, make_batch())
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen
    assert all(name.startswith(("backbone.conv1", "backbone.layer1")) for name in frozen)
    assert {name for name, parameter in model.named_parameters() if parameter.grad is None} == frozen
    assert not [module for module in model.backbone.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("name", ["faster", "fcos"])
def test_a_few_steps_lower_the_loss(name: str) -> None:
    model = build(*MODELS[name], **{"MODEL.FROZEN_BN": True})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batch = make_batch()
    totals = []
    for _ in range(8):
        optimizer.zero_grad()
        totals.append(float(sum(loss.detach() for loss in learn(model, batch).values())))
        optimizer.step()
    assert totals[-1] < 0.8 * totals[0]


# with data and evaluators

EVERYTHING = ("BOX", "MASK", "KEYPOINTS", "PARSING", "SEMSEG")
METRICS = {"bbox/AP", "segm/AP", "keypoints/AP", "parsing/mIoU", "semseg/mIoU"}


def make_drawn_cfg(folder: Path, **values: Any) -> CfgNode:
    """Return the config of a model with all heads on drawn images of two sizes."""
    for split, size in (("first", 128), ("second", 100)):
        write_shapes(folder, split=split, count=2, size=size)
    names = ["first", "second"]
    catalog = {name: {"type": "coco", "path": f"{name}/images", "annotations": f"{name}/annotations.json"} for name in names}
    settings = {"MISC.DATA_ROOT": str(folder), "MISC.DEVICE": "cpu", "DATA.CATALOG": catalog, "MODEL.SEMSEG.NUM_CLASSES": 5}
    settings |= {"TRAIN.BATCH_SIZE": 4, "TEST.IMS_PER_GPU": 4, "TEST.SCORE_THRESHOLD": 0.0}
    for section in ("TRAIN", "TEST"):
        settings |= {f"{section}.DATASETS": names, f"{section}.NUM_WORKERS": 0, f"{section}.RESIZE.SCALES": [96]}
        settings[f"{section}.TRANSFORMS"] = (
            ["ResizeShortestEdge", "RandomHorizontalFlip", "Normalize"] if section == "TRAIN" else ["Normalize"]
        )
    return make_cfg("faster_rcnn", EVERYTHING, **{**settings, **values})


@pytest.mark.parametrize("views", [{}, {"TEST.VIEWS.FLIP": True, "TEST.VIEWS.SCALES": [0.75, 1.0]}], ids=["plain", "views"])
def test_all_heads_together_from_data_to_metrics(tmp_path: Path, views: dict[str, Any]) -> None:
    cfg = make_drawn_cfg(tmp_path, **views)
    torch.manual_seed(0)
    model = GeneralizedCNN(cfg)
    batch = next(iter(TASK.build_training_data(cfg, torch.device("cpu")).batches(0, 1)))
    assert all(torch.isfinite(loss) for loss in learn(model, batch).values())
    metrics = TASK.build_evaluation(cfg, torch.device("cpu"))(build_test_model(model.eval(), cfg))
    assert set(metrics) >= METRICS
    # the images are too small for large objects
    assert {name.split("/")[1] for name, value in metrics.items() if math.isnan(value)} <= {"APl", "ARl"}
    assert all(-1 <= value <= 1 for value in metrics.values() if not math.isnan(value))


def test_an_evaluation_needs_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"TEST.DATASETS: nothing given; name the data to test on"):
        TASK.build_evaluation(make_drawn_cfg(tmp_path, **{"TEST.DATASETS": []}), torch.device("cpu"))


def test_test_data_that_do_not_fit_the_model_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the data have 4 classes .*, the model has 3: set MODEL.NUM_CLASSES to 4"):
        TASK.build_evaluation(make_drawn_cfg(tmp_path, **{"MODEL.NUM_CLASSES": 3}), torch.device("cpu"))
