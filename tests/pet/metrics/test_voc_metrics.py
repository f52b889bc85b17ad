"""VOC metrics against hand calculation and against a plain implementation with loops."""

import math

import numpy as np
import pytest

from pet.metrics.voc import VocDetections, VocTruth, voc_precision

BOX = [0.0, 0.0, 10.0, 10.0]


def make_truth(*objects: tuple[int, list[float], int, bool]) -> VocTruth:
    images, boxes, labels, difficult = zip(*objects, strict=True) if objects else ((), (), (), ())
    return VocTruth(
        np.array(images, dtype=np.int64),
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(labels, dtype=np.int64),
        np.array(difficult, dtype=bool),
    )


def make_detections(*found: tuple[int, list[float], float, int]) -> VocDetections:
    images, boxes, scores, labels = zip(*found, strict=True) if found else ((), (), (), ())
    return VocDetections(
        np.array(images, dtype=np.int64),
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(scores, dtype=np.float32),
        np.array(labels, dtype=np.int64),
    )


def shifted(x: float) -> list[float]:
    return [x, 0.0, x + 10.0, 10.0]


def loop_iou(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def loop_area_precision(truth: VocTruth, detections: VocDetections, label: int) -> float:
    """Return the area below the curve with one detection after another."""
    wanted = sum(1 for own, difficult in zip(truth.labels, truth.difficult, strict=True) if own == label and not difficult)
    taken: set[int] = set()
    hits: list[bool] = []
    for place in sorted(np.flatnonzero(detections.labels == label), key=lambda number: -detections.scores[number]):
        best, best_iou = -1, 0.0
        for number in range(len(truth.labels)):
            if truth.labels[number] == label and truth.images[number] == detections.images[place]:
                iou = loop_iou(detections.boxes[place].astype(float), truth.boxes[number].astype(float))
                if iou > best_iou:
                    best, best_iou = number, iou
        if best_iou >= 0.5 and truth.difficult[best]:
            continue
        hits.append(best_iou >= 0.5 and best not in taken)
        if hits[-1]:
            taken.add(best)
    curve = [(sum(hits[: count + 1]) / wanted, sum(hits[: count + 1]) / (count + 1)) for count in range(len(hits))]
    area, previous = 0.0, 0.0
    for recall in sorted({recall for recall, _ in curve}):
        area += (recall - previous) * max(precision for other, precision in curve if other >= recall)
        previous = recall
    return area


def test_both_ways_by_hand() -> None:
    truth = make_truth(*((image, BOX, 0, False) for image in range(4)))
    # right, wrong, right, wrong, right: recall 1/4, 1/4, 1/2, 1/2, 3/4; precision 1, 1/2, 2/3, 1/2, 3/5
    found = make_detections(
        (0, BOX, 0.9, 0), (0, shifted(40), 0.8, 0), (1, shifted(1), 0.7, 0), (1, shifted(0.5), 0.6, 0), (2, shifted(-2), 0.5, 0)
    )
    area = voc_precision(truth, found)
    assert area.per_class == {0: pytest.approx(0.25 * (1 + 2 / 3 + 3 / 5))}
    assert area.mean == area.per_class[0]
    eleven = voc_precision(truth, found, way="11point")
    # 0, 0.1, 0.2 | 0.3, 0.4, 0.5 | 0.6, 0.7 | none beyond
    assert eleven.per_class == {0: pytest.approx((3 * 1 + 3 * 2 / 3 + 2 * 3 / 5) / 11)}


def test_a_recall_of_three_tenths_reaches_point_three() -> None:
    truth = make_truth(*((image, BOX, 0, False) for image in range(10)))
    found = make_detections(*((image, BOX, 0.9, 0) for image in range(3)))
    assert voc_precision(truth, found, way="11point").mean == pytest.approx(4 / 11)


def test_difficult_objects_count_neither_as_missed_nor_as_wrong() -> None:
    truth = make_truth((0, BOX, 0, False), (0, shifted(30), 0, True))
    twice = make_detections((0, shifted(30), 0.9, 0), (0, shifted(31), 0.8, 0), (0, BOX, 0.7, 0))
    assert voc_precision(truth, twice).mean == 1.0
    assert voc_precision(truth, make_detections((0, BOX, 0.7, 0))).mean == 1.0


def test_the_threshold_is_passed_at_exactly_one_half() -> None:
    truth = make_truth((0, [0, 0, 10, 10], 0, False))
    assert voc_precision(truth, make_detections((0, [0, 0, 10, 5], 1.0, 0))).mean == 1.0
    assert voc_precision(truth, make_detections((0, [0, 0, 10, 4.9], 1.0, 0))).mean == 0.0
    assert voc_precision(truth, make_detections((0, [0, 0, 10, 4.9], 1.0, 0)), iou=0.4).mean == 1.0


def test_the_mean_takes_classes_with_ground_truth() -> None:
    truth = make_truth((0, BOX, 0, False), (0, BOX, 1, False), (0, BOX, 2, True))
    found = make_detections((0, BOX, 0.9, 0), (0, BOX, 0.9, 2), (0, BOX, 0.9, 3))
    result = voc_precision(truth, found)
    assert result.per_class == {0: 1.0, 1: 0.0}
    assert result.mean == 0.5


@pytest.mark.parametrize("way", ["area", "11point"])
def test_nothing_found_and_nothing_to_find(way: str) -> None:
    found = make_detections((0, BOX, 0.9, 0))
    assert math.isnan(voc_precision(make_truth(), found, way=way).mean)
    assert voc_precision(make_truth(), found, way=way).per_class == {}
    assert math.isnan(voc_precision(make_truth(), make_detections(), way=way).mean)
    assert voc_precision(make_truth((0, BOX, 0, False)), make_detections(), way=way).per_class == {0: 0.0}
    assert voc_precision(make_truth((0, BOX, 0, True)), found, way=way).per_class == {}


@pytest.mark.parametrize("seed", range(4))
def test_the_area_is_that_of_the_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def boxes(count: int) -> np.ndarray:
        corners = rng.integers(0, 16, (count, 2))
        return np.concatenate([corners, corners + rng.integers(4, 20, (count, 2))], axis=1).astype(np.float32)

    truth = VocTruth(rng.integers(0, 12, 60), boxes(60), rng.integers(0, 3, 60), rng.random(60) < 0.2)
    copies = rng.integers(0, 60, 200)
    found = VocDetections(
        truth.images[copies], truth.boxes[copies] + rng.integers(-2, 3, (200, 4)), rng.integers(0, 50, 200) / 50, truth.labels[copies]
    )
    result = voc_precision(truth, found)
    for label, precision in result.per_class.items():
        assert precision == pytest.approx(loop_area_precision(truth, found, label), abs=1e-12)
    assert 0.1 < result.mean < 0.95
