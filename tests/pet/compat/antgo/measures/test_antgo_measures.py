"""The built-in measures against hand calculations, the document's own class and pycocotools' rules."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pet.compat.antgo.measures.boxes import COCOBoxAP
from pet.compat.antgo.measures.classes import SegMIOU, TopKAccuracy
from pet.compat.antgo.measures.keypoints import OKSKeypointAP
from petlib.errors import ConfigError, DataError

Values = dict[str, Any]


def miou_of_the_document(class_num: int, preds: list[Values], gts: list[Values], ignore_val: int = 255) -> float:
    """Return what the document's SegMIOU gives, with numpy's present name of int."""
    confusion = np.zeros((class_num, class_num))
    for pred, gt in zip(preds, gts, strict=True):
        taken, true = np.array(pred["pred_segments"]).flatten(), np.array(gt["segments"]).flatten()
        mask = (true >= 0) & (true < class_num) & (true != ignore_val)
        cells = class_num * true[mask].astype(int) + taken[mask].astype(int)
        confusion += np.bincount(cells, minlength=class_num**2).reshape(class_num, class_num)
    iou = np.diag(confusion) / np.maximum(1.0, confusion.sum(axis=1) + confusion.sum(axis=0) - np.diag(confusion))
    return float(np.nanmean(iou))


def test_miou_of_a_hand_calculation() -> None:
    preds = [{"pred_segments": torch.tensor([[0, 0, 1], [1, 1, 0]])}, {"pred_segments": np.array([[1, 1]])}]
    gts = [{"segments": torch.tensor([[[0, 1, 1], [1, 255, 9]]])}, {"segments": np.array([[[1, 0]]])}]
    # class 0: 1 of 3, class 1: 3 of 5, class 2 nowhere
    measure = SegMIOU(class_num=3)
    assert measure.keys() == {"pred": ["pred_segments"], "gt": ["segments"]}
    assert measure(preds, gts) == {"miou": pytest.approx((1 / 3 + 3 / 5 + 0) / 3)}


@pytest.mark.parametrize("ignore_val", [255, 0])
def test_miou_is_that_of_the_document(ignore_val: int) -> None:
    rng = np.random.default_rng(0)
    gts = [{"segments": rng.choice([0, 1, 2, 3, 7, 255], (1, 9, 9)).astype(np.uint8)} for _ in range(5)]
    preds = [{"pred_segments": rng.integers(0, 6, (9, 9))} for _ in gts]
    expected = miou_of_the_document(6, preds, gts, ignore_val)
    assert SegMIOU(6, ignore_val=ignore_val)(preds, gts)["miou"] == pytest.approx(expected)


def coco_figures(truth: Values, found: list[Values], kind: str, sigmas: Any = None) -> np.ndarray:
    """Return pycocotools' own figures."""
    expected = COCO()
    expected.dataset = truth
    expected.createIndex()
    evaluation = COCOeval(expected, expected.loadRes(found), kind)
    if sigmas is not None:
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return np.asarray(evaluation.stats)


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.uniform(0, 150, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(10, 140, (count, 2))], axis=1)


def xywh(box: np.ndarray) -> list[float]:
    left, top, right, bottom = box.tolist()
    return [left, top, right - left, bottom - top]


def test_box_precision_is_that_of_pycocotools() -> None:
    rng = np.random.default_rng(3)
    gts, preds = [], []
    for _ in range(6):
        boxes, labels = random_boxes(rng, 5), rng.integers(0, 3, 5)
        gts.append({"bboxes": boxes, "labels": labels})
        moved = np.concatenate([boxes + rng.uniform(-8, 8, boxes.shape), random_boxes(rng, 3)])
        wrong = np.where(rng.random(5) < 0.3, (labels + 1) % 3, labels)
        preds.append({"box": moved, "label": np.concatenate([wrong, rng.integers(0, 3, 3)]), "score": rng.random(8)})
    rows = [(image, box, label) for image, gt in enumerate(gts) for box, label in zip(gt["bboxes"], gt["labels"], strict=True)]
    truth = {
        "images": [{"id": image} for image in range(6)],
        "categories": [{"id": label} for label in range(3)],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": int(label),
                "bbox": xywh(box),
                "area": xywh(box)[2] * xywh(box)[3],
                "iscrowd": 0,
            }
            for number, (image, box, label) in enumerate(rows, start=1)
        ],
    }
    found = [
        {"image_id": image, "category_id": int(label), "bbox": xywh(box), "score": float(score)}
        for image, pred in enumerate(preds)
        for box, label, score in zip(pred["box"], pred["label"], pred["score"], strict=True)
    ]
    figures = COCOBoxAP(class_num=3)(preds, gts)
    expected = coco_figures(truth, found, "bbox")
    assert list(figures.values()) == pytest.approx(np.maximum(expected, 0).tolist(), abs=1e-6)
    assert 0.1 < figures["AP"] < figures["AP50"] < 1
    in_box = [{"box": np.concatenate([pred["box"], pred["score"][:, None]], axis=1), "label": pred["label"]} for pred in preds]
    assert COCOBoxAP(3, scores_in_box=True)(in_box, gts) == pytest.approx(figures)


def test_box_precision_of_a_hand_calculation() -> None:
    gts = [{"bboxes": torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]]), "labels": torch.tensor([0, 0])}]
    preds = [{"box": torch.tensor([[0.0, 0, 10, 10]]), "label": torch.tensor([0]), "score": torch.tensor([0.9])}]
    measure = COCOBoxAP(class_num=2)
    assert measure.keys() == {"pred": ["box", "label", "score"], "gt": ["bboxes", "labels"]}
    figures = measure(preds, gts)
    # recalls 0, 0.01, ..., 0.50 of 101 are reached, with precision 1
    assert figures["AP"] == figures["AP50"] == pytest.approx(51 / 101)
    assert figures["AR100"] == 0.5
    nothing = [{"box": np.zeros((0, 4)), "label": np.zeros(0), "score": np.zeros(0)}]
    assert measure(nothing, gts)["AP"] == 0


def test_keypoint_precision_is_that_of_pycocotools() -> None:
    rng = np.random.default_rng(4)
    sigmas = (0.05, 0.08, 0.1)
    gts, preds = [], []
    for _ in range(5):
        joints = np.concatenate([rng.uniform(0, 120, (4, 3, 2)), rng.integers(0, 3, (4, 3, 1))], axis=2)
        gts.append({"joints2d": joints, "area": rng.uniform(1500, 20000, 4)})
        moved = joints[..., :2] + rng.normal(0, 6, (4, 3, 2))
        preds.append({"pred_joints2d": np.concatenate([moved, rng.random((4, 3, 1))], axis=2)})
    annotations = []
    for image, gt in enumerate(gts):
        for joints, area in zip(gt["joints2d"], gt["area"], strict=True):
            seen = joints[joints[:, 2] > 0]
            box = [0.0] * 4 if not len(seen) else [*seen[:, :2].min(axis=0).tolist(), *np.ptp(seen[:, :2], axis=0).tolist()]
            row = {"id": len(annotations) + 1, "image_id": image, "category_id": 1, "iscrowd": 0, "area": float(area), "bbox": box}
            annotations.append({**row, "keypoints": joints.ravel().tolist(), "num_keypoints": len(seen)})
    truth = {"images": [{"id": image} for image in range(5)], "categories": [{"id": 1}], "annotations": annotations}
    found = [
        {"image_id": image, "category_id": 1, "keypoints": joints.ravel().tolist(), "score": float(joints[:, 2].mean())}
        for image, pred in enumerate(preds)
        for joints in pred["pred_joints2d"]
    ]
    figures = OKSKeypointAP(joint_num=3, sigmas=sigmas, scale="area")(preds, gts)
    expected = coco_figures(truth, found, "keypoints", sigmas)
    assert list(figures.values()) == pytest.approx(np.maximum(expected, 0).tolist(), abs=1e-6)
    assert 0.1 < figures["AP"] < figures["AP50"]


def test_keypoint_precision_of_a_hand_calculation() -> None:
    # one object of 100 by 100 pixels; an error of e pixels gives exp(-e^2 / (2 * 10000 * (2 * 0.05)^2)) = exp(-e^2 / 200)
    joints = np.array([[0.0, 0.0], [100.0, 100.0]])
    measure = OKSKeypointAP(joint_num=2)
    assert measure.keys() == {"pred": ["pred_joints2d"], "gt": ["joints2d"]}

    def precision(error: float) -> dict[str, float]:
        return measure([{"pred_joints2d": joints + (error, 0)}], [{"joints2d": joints}])

    assert precision(0)["AP"] == 1.0
    # exp(-50 / 200) = 0.7788: above 0.50, 0.55, ..., 0.75, which are 6 of the 10 thresholds
    figures = precision(50**0.5)
    assert figures["AP"] == pytest.approx(0.6) and figures["AP75"] == 1.0
    assert precision(12)["AP50"] == 0.0


def test_the_scale_of_keypoints_may_come_from_boxes() -> None:
    joints = np.array([[40.0, 40.0], [60.0, 60.0]])
    gts = [{"joints2d": joints, "bboxes": np.array([[0.0, 0.0, 100.0, 100.0]])}]
    preds = [{"pred_joints2d": joints + (50**0.5, 0)}]
    measure = OKSKeypointAP(joint_num=2, scale="bboxes")
    assert measure.keys()["gt"] == ["joints2d", "bboxes"]
    assert measure(preds, gts)["AP"] == pytest.approx(0.6)
    assert OKSKeypointAP(joint_num=2)(preds, gts)["AP"] == 0.0


@pytest.mark.parametrize("scale", ["joints", "bboxes", "area"])
def test_samples_without_objects_have_no_keypoints(scale: str) -> None:
    joints = np.array([[[0.0, 0.0], [100.0, 100.0]]])
    nothing = {"joints2d": np.zeros((0, 2, 3)), "bboxes": np.zeros((0, 4)), "area": np.zeros(0)}
    gts = [{"joints2d": joints, "bboxes": np.array([[0.0, 0, 100, 100]]), "area": np.array([9e3])}, nothing]
    measure = OKSKeypointAP(joint_num=2, scale=scale)
    assert measure([{"pred_joints2d": joints}, {"pred_joints2d": np.zeros(0)}], gts)["AP"] == 1.0
    assert measure([{"pred_joints2d": np.zeros((0, 2, 2))}] * 2, gts)["AR"] == 0.0
    assert math.isnan(measure([{"pred_joints2d": joints}], [nothing])["AP"])


def test_top_k_of_a_hand_calculation() -> None:
    preds = [{"pred": torch.tensor(scores)} for scores in ([0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.1, 0.2, 0.7], [0.4, 0.4, 0.2])]
    gts = [{"label": torch.tensor(1)}, {"label": 1}, {"label": np.array([0])}, {"label": 1}]
    measure = TopKAccuracy(topk=[1, 2, 5])
    assert measure.keys() == {"pred": ["pred"], "gt": ["label"]}
    assert measure(preds, gts) == {"top1": 0.25, "top2": 0.5, "top5": 1.0}
    assert TopKAccuracy(topk=1)([{"pred": torch.tensor(2)}, {"pred": 1}], [{"label": 2}, {"label": 2}]) == {"top1": 0.5}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SegMIOU(class_num=0), "SegMIOU: class_num: 0 given"),
        (lambda: COCOBoxAP(class_num=0), "COCOBoxAP: class_num: 0 given"),
        (lambda: OKSKeypointAP(joint_num=0), "joint_num: 0 given"),
        (lambda: OKSKeypointAP(joint_num=2, sigmas=[0.1]), "sigmas: [0.1] given, 2 numbers above 0"),
        (lambda: OKSKeypointAP(joint_num=2, scale="box"), "scale: 'box' given, one of joints, bboxes, area"),
        (lambda: TopKAccuracy(topk=[0]), "topk: [0] given"),
    ],
)
def test_wrong_settings_are_reported(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build()
    assert message in str(caught.value)


BOX: Values = {"bboxes": np.zeros((1, 4)), "labels": np.zeros(1)}


@pytest.mark.parametrize(
    ("measure", "pred", "gt", "message"),
    [
        (SegMIOU(2), {"segments": [[0]]}, {"segments": [[0]]}, "prediction 0 has no 'pred_segments'; did you mean segments?"),
        (SegMIOU(2), {"pred_segments": [[0, 1]]}, {"segments": [[0]]}, "has 2 pixels and its segments 1"),
        (SegMIOU(2), {"pred_segments": [[2]]}, {"segments": [[0]]}, "the classes 2 to 2, 0 to 1 expected"),
        (SegMIOU(2), {"pred_segments": [["a"]]}, {"segments": [[0]]}, "numbers expected"),
        (COCOBoxAP(2), {"box": np.zeros((1, 5)), "label": [0], "score": [1]}, BOX, "box has the shape (1, 5), (boxes, 4) expected"),
        (COCOBoxAP(2), {"box": np.zeros((1, 4)), "label": [0], "score": []}, BOX, "score has 0 elements and box 1 rows"),
        (COCOBoxAP(2), {"box": np.zeros((1, 4)), "label": [2], "score": [1]}, BOX, "label has the classes 2 to 2, 0 to 1 expected"),
        (COCOBoxAP(2), {"box": np.zeros((1, 4)), "label": [0, 1], "score": [1]}, BOX, "label has 2 elements for 1 boxes"),
        (OKSKeypointAP(3), {"pred_joints2d": np.zeros((2, 2))}, {"joints2d": np.zeros((3, 2))}, "(3, 2 or 3) or (objects, 3, 2 or 3)"),
        (
            OKSKeypointAP(1, scale="bboxes"),
            {"pred_joints2d": np.zeros((1, 2))},
            {"joints2d": np.zeros((2, 1, 2)), "bboxes": np.zeros((1, 4))},
            "bboxes has 1 rows for 2 objects",
        ),
        (TopKAccuracy(1), {"pred": [0.5, 0.5]}, {"label": 2}, "a score for each class expected"),
        (TopKAccuracy(), {"pred": 1}, {"label": 1}, "is one class; give the scores of all classes, or set topk=[1]"),
        (TopKAccuracy(1), {"pred": [0.5, 0.5]}, {"label": [0, 1]}, "label has the shape (2,), one class expected"),
    ],
)
def test_what_cannot_be_measured_is_reported(measure: Any, pred: Values, gt: Values, message: str) -> None:
    with pytest.raises(DataError) as caught:
        measure([pred], [gt])
    assert message in str(caught.value)


def test_nothing_is_no_accuracy() -> None:
    with pytest.raises(DataError, match="there are no samples"):
        TopKAccuracy()([], [])
