"""COCO metrics against pycocotools."""

import contextlib
import copy
import io
import json
import math
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pet.metrics.coco import Kind, coco_precision

HEIGHT, WIDTH = 240, 320
FIGURES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
KEYPOINT_FIGURES = ["AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl"]
COCO_SIGMAS = [0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089]


def encoded(box: np.ndarray) -> dict[str, Any]:
    """Return the RLE of an ellipse that fills a box XYWH."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    x, y, width, height = box
    inside = ((columns - x - width / 2) / width) ** 2 + ((rows - y - height / 2) / height) ** 2 <= 0.25
    result = rle.encode(np.asfortranarray(inside, dtype=np.uint8))
    return {"size": result["size"], "counts": result["counts"].decode()}


def polygon(box: np.ndarray) -> list[list[float]]:
    x, y, width, height = box.tolist()
    return [[x, y, x + width, y + height / 4, x + width / 2, y + height]]


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    sizes = np.exp(rng.uniform(np.log(16), np.log(235), (count, 2)))
    corners = rng.uniform(0, 1, (count, 2)) * (np.array([WIDTH, HEIGHT]) - sizes)
    return np.concatenate([corners, sizes], axis=1)


def random_keypoints(rng: np.random.Generator, box: np.ndarray, count: int) -> np.ndarray:
    places = box[:2] + rng.uniform(0, 1, (count, 2)) * box[2:]
    visible = rng.integers(0, 3, (count, 1)) * (rng.random() < 0.8)
    return np.concatenate([places * (visible > 0), visible], axis=1)


def make_truth(rng: np.random.Generator, images: int = 16, num_keypoints: int = 17) -> dict[str, Any]:
    """Return objects of classes 3, 5 and 8 (and none of 9): crowds, polygons and RLEs, images without objects, invisible keypoints."""
    records = []
    for image in range(1, images + 1):
        for box in random_boxes(rng, 0 if image % 4 == 0 else int(rng.integers(1, 7))):
            points = random_keypoints(rng, box, num_keypoints)
            crowd = int(rng.random() < 0.15)
            records.append(
                {
                    "id": len(records) + 1,
                    "image_id": image,
                    "category_id": int(rng.choice([3, 5, 8])),
                    "bbox": box.tolist(),
                    "area": float(box[2] * box[3] * 0.7),
                    "iscrowd": crowd,
                    "segmentation": encoded(box) if crowd or rng.random() < 0.5 else polygon(box),
                    "keypoints": points.ravel().tolist(),
                    "num_keypoints": int((points[:, 2] > 0).sum()),
                }
            )
    return {
        "info": {},
        "images": [{"id": image, "height": HEIGHT, "width": WIDTH} for image in range(1, images + 1)],
        "categories": [{"id": number, "name": f"class {number}"} for number in (3, 5, 8, 9)],
        "annotations": records,
    }


def make_detections(rng: np.random.Generator, truth: dict[str, Any], kind: Kind, num_keypoints: int = 17) -> list[dict[str, Any]]:
    """Return shifted objects and false ones, more than 20 in some images, with scores that often tie."""
    records = []
    for image in truth["images"][:-1]:
        objects = [item for item in truth["annotations"] if item["image_id"] == image["id"]]
        for _ in range(int(rng.choice([0, 4, 30, 120], p=[0.1, 0.4, 0.4, 0.1]))):
            category, box = int(rng.choice([3, 5, 8, 9])), random_boxes(rng, 1)[0]
            points = random_keypoints(rng, box, num_keypoints)
            if objects and rng.random() < 0.7:
                item = objects[int(rng.integers(len(objects)))]
                category, box = item["category_id"], np.array(item["bbox"]) + rng.normal(0, 2, 4)
                box[2:] = np.maximum(box[2:], 2)
                points = np.array(item["keypoints"]).reshape(-1, 3) + rng.normal(0, 1.5, (num_keypoints, 3))
            record = {"image_id": image["id"], "category_id": category, "score": round(float(rng.random()), int(rng.choice([1, 5])))}
            if kind == "segm":
                record["segmentation"] = encoded(box)
            else:
                record[kind] = (box if kind == "bbox" else points.ravel()).tolist()
            records.append(record)
    return records


def reference(truth: dict[str, Any], detections: list[dict[str, Any]], kind: Kind, sigmas: list[float] | None = None) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        expected = COCO()
        expected.dataset = copy.deepcopy(truth)
        expected.createIndex()
        evaluation = COCOeval(expected, expected.loadRes(copy.deepcopy(detections)), kind)
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("kind", "num_keypoints"), [("bbox", 17), ("segm", 17), ("keypoints", 17), ("keypoints", 5)])
def test_all_numbers_are_those_of_pycocotools(kind: Kind, num_keypoints: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = make_truth(rng, num_keypoints=num_keypoints)
    detections = make_detections(rng, truth, kind, num_keypoints)
    sigmas = COCO_SIGMAS if num_keypoints == 17 else [0.03, 0.05, 0.08, 0.1, 0.06]
    before = json.dumps([truth, detections])
    result = coco_precision(truth, detections, kind, sigmas=sigmas)
    assert json.dumps([truth, detections]) == before, "the arguments were changed"
    expected = reference(truth, detections, kind, sigmas)
    assert list(result.figures) == (KEYPOINT_FIGURES if kind == "keypoints" else FIGURES)
    np.testing.assert_allclose(list(result.figures.values()), expected.stats, atol=1e-6)
    assert expected.stats.min() >= 0, "the test leaves a figure untested"
    precision = expected.eval["precision"]
    assert list(result.per_class) == ["class 3", "class 5", "class 8"]
    for place, (ap, ap50) in enumerate(result.per_class.values()):
        assert ap == pytest.approx(precision[:, :, place, 0, -1].mean(), abs=1e-6)
        assert ap50 == pytest.approx(precision[0, :, place, 0, -1].mean(), abs=1e-6)


@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
def test_no_detections_give_zeros(kind: Kind) -> None:
    truth = make_truth(np.random.default_rng(0))
    result = coco_precision(truth, [], kind, sigmas=COCO_SIGMAS)
    assert set(result.figures.values()) == {0.0}
    assert result.per_class == {f"class {number}": (0.0, 0.0) for number in (3, 5, 8)}


@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
@pytest.mark.parametrize("images", [0, 16])
def test_without_ground_truth_all_is_undefined(kind: Kind, images: int) -> None:
    rng = np.random.default_rng(0)
    truth = make_truth(rng, images)
    detections = make_detections(rng, truth, kind)
    result = coco_precision({**truth, "annotations": []}, detections, kind, sigmas=COCO_SIGMAS)
    assert list(result.figures) == (KEYPOINT_FIGURES if kind == "keypoints" else FIGURES)
    assert all(math.isnan(value) for value in result.figures.values())
    assert result.per_class == {}


@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
def test_a_class_with_crowds_alone_counts_nowhere(kind: Kind) -> None:
    rng = np.random.default_rng(1)
    truth = make_truth(rng)
    for item in truth["annotations"]:
        item["iscrowd"] = item["iscrowd"] or int(item["category_id"] == 5)
    detections = make_detections(rng, truth, kind)
    result = coco_precision(truth, detections, kind, sigmas=COCO_SIGMAS)
    assert list(result.per_class) == ["class 3", "class 8"]
    assert result.figures["AP"] == pytest.approx(np.mean([ap for ap, _ in result.per_class.values()]))
    assert result.figures["AP"] == pytest.approx(reference(truth, detections, kind).stats[0], abs=1e-6)


def test_one_box_by_hand() -> None:
    truth = make_truth(np.random.default_rng(0), images=1)
    truth["annotations"] = [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 10, 40, 40], "area": 1600.0, "iscrowd": 0}]
    # the intersection is 40 x 31, the union 40 x 40: IoU 0.775 passes 0.50, 0.55, ..., 0.75
    detections = [{"image_id": 1, "category_id": 3, "bbox": [10, 10, 40, 31], "score": 0.5}]
    result = coco_precision(truth, detections, "bbox")
    assert result.figures["AP"] == pytest.approx(0.6)
    assert result.figures["AP50"] == result.figures["AP75"] == pytest.approx(1.0)
    assert result.figures["APm"] == pytest.approx(0.6)
    assert all(math.isnan(result.figures[name]) for name in ("APs", "APl", "ARs", "ARl"))
    assert [name for name in FIGURES if math.isnan(result.figures[name])] == [
        name for name, value in zip(FIGURES, reference(truth, detections, "bbox").stats, strict=True) if value == -1
    ]
    assert result.figures["AR1"] == pytest.approx(0.6)


def test_nothing_is_printed_or_logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    truth = make_truth(rng)
    with caplog.at_level("DEBUG"):
        coco_precision(truth, make_detections(rng, truth, "bbox"), "bbox")
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_a_detection_of_an_unknown_image_is_a_mistake() -> None:
    truth = make_truth(np.random.default_rng(0))
    with pytest.raises(AssertionError, match="a detection is in image 77"):
        coco_precision(truth, [{"image_id": 77, "category_id": 3, "bbox": [0, 0, 1, 1], "score": 1.0}], "bbox")
