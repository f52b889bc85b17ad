"""KITTI's metrics: truth as prediction, the published rules in plain loops, and what each figure reacts to."""

import dataclasses
import math
import time
from collections.abc import Sequence

import numpy as np
import pytest

from pet.metrics.box_errors import measure_errors
from pet.metrics.kitti import LEVELS, AveragePrecision, difficulty_flags, image_overlaps, measure, strict_overlap
from pet.metrics.ranked_matching import COUNTS, FrameOverlaps, measure_precisions, reach_recalls
from pet.structures.boxes3d import Boxes3D
from pet.structures.calibration import Calibration
from pet.structures.objects3d import Objects3D, boxes_in_image, found_objects

CALIBRATION = Calibration(
    np.array([[700.0, 0, 600, 45], [0, 700, 180, 0.2], [0, 0, 1, 0.003]]), Calibration.of_lidar_alone().lidar_to_camera
)
SIZE = (375, 1242)
CLASSES = ("Car", "Pedestrian", "Cyclist")
TYPES = (*CLASSES, "Van", "Person_sitting", "Truck", "DontCare")


def some_truth(rng: np.random.Generator, count: int) -> Objects3D:
    places = np.stack([rng.uniform(-12, 12, count), rng.uniform(1.4, 1.9, count), rng.uniform(6, 60, count)], axis=1)
    boxes = Boxes3D(np.concatenate([places, rng.uniform([1, 0.5, 1], [4, 2, 2], (count, 3)), rng.uniform(-3, 3, (count, 1))], 1), "camera")
    return Objects3D(
        types=rng.choice(TYPES, count, p=[0.4, 0.15, 0.1, 0.1, 0.05, 0.1, 0.1]),
        truncated=rng.choice([0.0, 0.2, 0.4, 0.6], count, p=[0.7, 0.1, 0.1, 0.1]),
        occluded=rng.integers(0, 4, count),
        alphas=boxes.observed_angles(),
        boxes2d=boxes_in_image(boxes, CALIBRATION, SIZE),
        boxes=boxes,
        scores=np.ones(count),
    )


def some_detections(rng: np.random.Generator, truth: Objects3D) -> Objects3D:
    """Most annotations, shaken, and others; scores are worse for what is shaken more."""
    places = rng.choice(len(truth), rng.integers(0, 2 * len(truth) + 1)) if len(truth) else np.zeros(0, int)
    shake = rng.exponential(0.15, len(places))
    values = truth.boxes.values[places] + rng.normal(size=(len(places), 7)) * shake[:, None] * [1, 0.3, 1, 0.3, 0.1, 0.1, 0.5]
    types = np.where(truth.types[places] == "DontCare", "Car", truth.types[places])
    types = np.where(rng.random(len(places)) < 0.1, "Pedestrian", types)
    boxes = Boxes3D(np.concatenate([values[:, :3], np.abs(values[:, 3:6]), values[:, 6:]], axis=1), "camera")
    return found_objects(types, boxes, np.round(1 / (1 + 5 * shake), 2), CALIBRATION, SIZE)


def some_frames(seed: int, count: int) -> list[tuple[Objects3D, Objects3D]]:
    rng = np.random.default_rng(seed)
    truths = [some_truth(rng, int(rng.integers(0, 9))) for _ in range(count)]
    return [(truth, some_detections(rng, truth)) for truth in truths]


def by_name(results: Sequence[AveragePrecision]) -> dict[tuple[str, str, str, float], AveragePrecision]:
    return {(found.view, found.name, found.part, found.overlap): found for found in results}


def development_kit(frame: FrameOverlaps, way: int, threshold: float | None, overlap: float) -> tuple[list[float], int, float]:
    """Scores of right detections, wrong ones and similarity by the loops of the development kit; no threshold: the first pass."""
    truth, found, scores = frame.truth_flags[way], frame.found_flags[way], frame.scores
    taken = [False] * len(scores)
    right: list[float] = []
    similarity = 0.0
    for row in range(len(truth)):
        if truth[row] == -1:
            continue
        chosen, best, chosen_ignored = -1, -1.0, False
        for column in range(len(scores)):
            common = frame.overlaps[row, column]
            if found[column] == -1 or taken[column] or not common > overlap:
                continue
            if threshold is None:
                if scores[column] > best:
                    chosen, best = column, scores[column]
            elif scores[column] >= threshold:
                if found[column] == 0 and (common > best or chosen_ignored):
                    chosen, best, chosen_ignored = column, common, False
                elif found[column] == 1 and chosen == -1:
                    chosen, chosen_ignored = column, True
        if chosen == -1:
            continue
        taken[chosen] = True
        if truth[row] == 0 and found[chosen] == 0:
            right.append(float(scores[chosen]))
            similarity += frame.similarity[row, chosen]
    wrong = sum(
        not taken[column] and found[column] == 0 and scores[column] >= (threshold or 0.0) and not frame.excused[column]
        for column in range(len(scores))
    )
    return right, wrong, similarity


def development_kit_thresholds(scores: list[float], count: int) -> list[float]:
    ordered, recall, chosen = sorted(scores, reverse=True), 0.0, []
    for place, score in enumerate(ordered):
        left, last = (place + 1) / count, place == len(ordered) - 1
        right = left if last else (place + 2) / count
        if right - recall < recall - left and not last:
            continue
        chosen.append(score)
        recall += 1 / 40
    return chosen


def test_truth_as_prediction_is_100_in_all_numbers() -> None:
    # where two objects cover each other in the image, equal scores do not say which detection is whose
    apart = [truth[np.triu(image_overlaps(truth.boxes2d, truth.boxes2d) > 0.3, 1).sum(axis=0) == 0] for truth, _ in some_frames(0, 80)]
    results = measure([(truth, truth[truth.types != "DontCare"]) for truth in apart], CLASSES)
    # three classes, six parts, in the image, direction, and two views at two overlaps
    assert len(results) == 3 * 6 * (1 + 1 + 2 * 2)
    assert all(found.r40 == 1.0 and found.r11 == 1.0 for found in results if found.count), [found for found in results if found.r40 != 1.0]
    assert sum(found.count > 0 for found in results) > 80


def test_one_object_that_is_found_is_100_too() -> None:
    rng = np.random.default_rng(1)
    truth = dataclasses.replace(some_truth(rng, 1), types=np.array(["Car"]), occluded=np.zeros(1, int), truncated=np.zeros(1))
    truth = dataclasses.replace(truth, boxes2d=np.array([[100.0, 100, 200, 200]]))
    assert {found.r40 for found in measure([(truth, truth)], ["Car"]) if found.count} == {1.0}


@pytest.mark.parametrize("seed", range(3))
def test_matching_and_precisions_equal_the_rules_in_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(120):
        rows, columns = int(rng.integers(0, 5)), int(rng.integers(0, 8))
        frames.append(
            FrameOverlaps(
                overlaps=np.round(rng.random((rows, columns)), 1),
                scores=np.round(rng.random(columns), 1 + seed),
                truth_flags=rng.choice([0, 1, -1], (2, rows), p=[0.7, 0.2, 0.1]),
                found_flags=rng.choice([0, 1, -1], (2, columns), p=[0.7, 0.2, 0.1]),
                excused=rng.random(columns) < 0.1,
                similarity=rng.random((rows, columns)),
            )
        )
    measured = measure_precisions(frames, min_overlap=0.5)
    for way in range(2):
        count = sum(int((frame.truth_flags[way] == COUNTS).sum()) for frame in frames)
        assert measured.counts[way] == count > 60
        scores = [score for frame in frames for score in development_kit(frame, way, None, 0.5)[0]]
        precision, similarity = np.zeros(41), np.zeros(41)
        for place, threshold in enumerate(development_kit_thresholds(scores, count)):
            totals = [development_kit(frame, way, threshold, 0.5) for frame in frames]
            true, false = sum(len(right) for right, _, _ in totals), sum(wrong for _, wrong, _ in totals)
            precision[place], similarity[place] = true / (true + false), sum(own for _, _, own in totals) / (true + false)
        expected = [np.maximum.accumulate(curve[::-1])[::-1] for curve in (precision, similarity)]
        np.testing.assert_allclose(measured.precision[way], expected[0], atol=1e-12)
        np.testing.assert_allclose(measured.similarity[way], expected[1], atol=1e-12)


def test_places_of_recall_equal_the_development_kit_for_more_than_60_annotations() -> None:
    rng = np.random.default_rng(0)
    for count in (61, 75, 100, 333, 5000):
        for found in (1, count // 3, count):
            scores = rng.random(found)
            assert reach_recalls(scores, count).tolist() == development_kit_thresholds(scores.tolist(), count)


def test_few_annotations_get_all_places_of_the_recall_that_they_reach() -> None:
    assert len(reach_recalls(np.ones(6), 6)) == 41
    assert len(reach_recalls(np.ones(3), 6)) == 21
    assert len(reach_recalls(np.zeros(0), 6)) == 0


def test_difficulty_follows_height_occlusion_and_truncation() -> None:
    rng = np.random.default_rng(0)
    truth = dataclasses.replace(
        some_truth(rng, 6),
        types=np.array(["Car", "Car", "Car", "Van", "Pedestrian", "car"]),
        occluded=np.array([0, 1, 0, 0, 0, 3]),
        truncated=np.array([0, 0, 0.4, 0, 0, 0]),
        boxes2d=np.array([[0, 0, 9, 40.5], [0, 0, 9, 40.0], [0, 0, 9, 60], [0, 0, 9, 60], [0, 0, 9, 60], [0, 0, 9, 60]]),
    )
    assert difficulty_flags(truth, "Car").tolist() == [[0, 1, 1, 1, -1, 1], [0, 0, 1, 1, -1, 1], [0, 0, 0, 1, -1, 1]]


def test_a_direction_off_by_half_a_turn_costs_similarity_alone() -> None:
    frames = [(truth, truth[truth.types != "DontCare"]) for truth, _ in some_frames(2, 60)]
    turned = [(truth, dataclasses.replace(found, alphas=found.alphas + np.pi)) for truth, found in frames]
    results = by_name(measure(turned, ["Car"]))
    assert results["2d", "Car", "moderate", 0.7].r40 == 1.0
    assert results["aos", "Car", "moderate", 0.7].r40 < 1e-9


def test_without_a_camera_heights_do_not_count_and_nothing_is_measured_in_the_image() -> None:
    frames = [
        (dataclasses.replace(truth, boxes2d=np.zeros((len(truth), 4))), dataclasses.replace(found, boxes2d=np.zeros((len(found), 4))))
        for truth, found in some_frames(3, 60)
    ]
    results = by_name(measure(frames, ["Car"]))
    assert {view for view, *_ in results} == {"bev", "3d"}
    assert results["3d", "Car", "hard", 0.7].count > 20 and results["3d", "Car", "hard", 0.5].r40 > 0.1


def test_what_lies_in_a_region_that_does_not_count_is_wrong_from_above_alone() -> None:
    rng = np.random.default_rng(5)
    truth = dataclasses.replace(
        some_truth(rng, 2),
        types=np.array(["Car", "DontCare"]),
        occluded=np.zeros(2, int),
        truncated=np.zeros(2),
        boxes2d=np.array([[0.0, 0, 100, 100], [300, 100, 500, 300]]),
    )
    wrong = dataclasses.replace(truth[np.array([0])], boxes2d=np.array([[350.0, 150, 400, 250]]), scores=np.array([2.0]))
    wrong = dataclasses.replace(wrong, boxes=wrong.boxes.shifted(np.array([30.0, 0, 0])))
    both = Objects3D(
        **{
            field.name: np.concatenate([getattr(truth[np.array([0])], field.name), getattr(wrong, field.name)])
            for field in dataclasses.fields(Objects3D)
            if field.name != "boxes"
        },
        boxes=Boxes3D.joined([truth.boxes[np.array([0])], wrong.boxes], "camera"),
    )
    results = by_name(measure([(truth, both)], ["Car"]))
    assert results["2d", "Car", "easy", 0.7].r40 == 1.0
    assert results["3d", "Car", "easy", 0.7].r40 == 0.5


def test_distance_splits_what_counts() -> None:
    frames = some_frames(4, 60)
    results = by_name(measure(frames, ["Car"]))
    parts = [results["3d", "Car", part, 0.7].count for part in ("0-20m", "20-40m", "40m-")]
    assert sum(parts) == results["3d", "Car", "hard", 0.7].count and all(parts)


def test_a_class_of_which_nothing_is_annotated_is_undefined() -> None:
    assert all(math.isnan(found.r40) and found.count == 0 for found in measure(some_frames(0, 5), ["Tram"]))


def test_image_overlaps() -> None:
    one, two = np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 15, 10], [20, 20, 30, 30]])
    np.testing.assert_allclose(image_overlaps(one, two), [[1 / 3, 0]])
    np.testing.assert_allclose(image_overlaps(one, two, of_second=True), [[0.5, 0]])


def test_errors_are_medians_in_metres_and_degrees() -> None:
    rng = np.random.default_rng(6)
    truth = dataclasses.replace(some_truth(rng, 5), types=np.array(["Car"] * 5), occluded=np.zeros(5, int), truncated=np.zeros(5))
    truth = dataclasses.replace(truth, boxes2d=np.tile([0.0, 0, 99, 99], (5, 1)))
    moved = truth.boxes.values + np.array([0.3, 0, 0.4, 0.1, 0.1, 0, 0.1])
    # the centre of a box lies above its reference point
    found = dataclasses.replace(truth, boxes=Boxes3D(moved, "camera"), scores=np.array([0.9, 0.9, 0.9, 0.9, 0.1]))
    (errors,) = measure_errors([(truth, found)], ["Car"], min_score=0.5)
    assert (errors.found, errors.count) == (4, 5)
    np.testing.assert_allclose([errors.place, errors.size, errors.yaw], [0.5, 0.2 / 3, np.degrees(0.1)], rtol=1e-6)
    (nothing,) = measure_errors([(truth, found)], ["Tram"], min_score=0.5)
    assert math.isnan(nothing.place) and nothing.found == 0


@pytest.mark.nightly
def test_validation_set_is_measured_in_a_minute() -> None:
    frames = some_frames(7, 3769)
    start = time.process_time()
    results = measure(frames, CLASSES)
    assert time.process_time() - start < 120, "CPU seconds: a minute on two cores"
    assert {found.part for found in results} >= set(LEVELS) and strict_overlap("Car") == 0.7
