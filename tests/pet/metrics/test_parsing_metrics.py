"""APp and PCP against a plain calculation over whole images, and by hand."""

import math

import numpy as np
import pytest

from pet.metrics.parsing import ParsingMetrics, PartPiece, PartTruth, average_precision, paint
from petlib import distributed

PARTS = 4
SIZE = (12, 16)


def scene(seed: int, ignored: float = 0.0) -> tuple[list[PartPiece], PartTruth]:
    """Return an image with up to three objects and detections that resemble them, more or less, in a shuffled order."""
    rng = np.random.default_rng(seed)
    parsing, instances = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint16)
    pieces: list[PartPiece] = []
    windows = []
    count = int(rng.integers(0, 4))
    for number in range(1, count + 1):
        top, left = int(rng.integers(0, 6)), int(rng.integers(0, 10))
        parts = rng.integers(0, PARTS, (3, 3)).astype(np.uint8).repeat(2, 0).repeat(2, 1)
        window = slice(top, top + 6), slice(left, left + 6)
        parsing[window], instances[window] = parts, number
        windows.append(window)
    for number, window in enumerate(windows, 1):
        for _ in range(int(rng.integers(0, 3))):
            own = np.where(instances[window] == number, parsing[window], 0)
            wrong = rng.random((6, 6)) < rng.random() * 0.5
            parts = np.where(wrong, rng.integers(0, PARTS), own).astype(np.uint8)
            pieces.append(PartPiece(0, float(rng.random()), window[0].start, window[1].start, parts))
    parsing[rng.random(SIZE) < ignored] = 255
    return pieces, PartTruth(parsing, instances, list(range(1, count + 1)), [0] * count)


def expected_metrics(scenes: list[tuple[list[PartPiece], PartTruth]]) -> dict[str, float]:
    """Return the figures from images of single objects, as the definitions put it."""
    objects = {}
    for image, (_, truth) in enumerate(scenes):
        for number in truth.instance_ids:
            own = np.where((truth.instances == number) & (truth.parsing != 255), truth.parsing, 0)
            if own.any():
                objects[image, number] = own
    found = []
    for image, (pieces, truth) in enumerate(scenes):
        for piece in pieces:
            drawn = np.zeros(SIZE, np.uint8)
            drawn[piece.window] = piece.parts
            counted = truth.parsing != 255
            best = (-1.0, None, 0.0)
            for key, own in objects.items():
                if key[0] != image:
                    continue
                pairs = [((drawn == part) & counted, (own == part) & counted) for part in range(PARTS)]
                ious = [(ours & theirs).sum() / (ours | theirs).sum() if (ours | theirs).any() else np.nan for ours, theirs in pairs]
                share = np.nansum(np.array(ious[1:]) > 0.5) / len(set(own[own > 0].tolist()))
                if np.nanmean(ious) > best[0]:
                    best = (float(np.nanmean(ious)), key, share)
            found.append((piece.score, *best))
    found.sort(key=lambda entry: -entry[0])
    values = []
    for threshold in range(1, 10):
        taken, right, shares = set(), [], []
        for _, iou, key, share in found:
            right.append(iou > threshold / 10 and key not in taken)
            if right[-1]:
                taken.add(key)
                shares.append(share)
        precision = [sum(right[: place + 1]) / (place + 1) for place in range(len(right))]
        area = sum(max(precision[place:]) for place, is_right in enumerate(right) if is_right) / len(objects)
        values.append((area, sum(shares) / len(objects)))
    return {"parsing/APp": float(np.mean([value[0] for value in values])), "parsing/APp50": values[4][0], "parsing/PCP50": values[4][1]}


def measure(scenes: list[tuple[list[PartPiece], PartTruth]], indices: range) -> dict[str, float]:
    metrics = ParsingMetrics(PARTS)
    for index in indices:
        metrics.update(index, *scenes[index])
    return metrics.compute()


def measure_share() -> dict[str, float]:
    scenes = [scene(seed) for seed in range(12)]
    return measure(scenes, (range(0, 12, 2), range(1, 12, 2))[distributed.rank()])


@pytest.mark.parametrize("ignored", [0.0, 0.2])
def test_figures_are_those_of_a_plain_calculation(ignored: float) -> None:
    scenes = [scene(seed, ignored) for seed in range(30)]
    measured = measure(scenes, range(30))
    assert measured == pytest.approx(expected_metrics(scenes))
    assert 0.05 < measured["parsing/PCP50"] < 0.95


def test_perfect_detections_give_one_and_a_second_one_of_the_same_object_is_wrong() -> None:
    _, truth = next(value for value in map(scene, range(50)) if len(value[1].labels) == 1)
    perfect = PartPiece(0, 0.9, 0, 0, truth.parsing)
    assert measure([([perfect], truth)], range(1)) == {"parsing/APp": 1.0, "parsing/APp50": 1.0, "parsing/PCP50": 1.0}
    better = PartPiece(0, 0.95, 0, 0, np.zeros((1, 1), np.uint8))
    assert measure([([better, perfect], truth)], range(1))["parsing/APp50"] == 0.5
    assert measure([([perfect, perfect], truth)], range(1))["parsing/APp50"] == 1.0


def test_average_precision_by_hand() -> None:
    # precision 1, 1/2, 2/3, 2/4, 3/5 at recalls of 1/4, 1/4, 2/4, 2/4, 3/4
    right = np.array([True, False, True, False, True])
    assert average_precision(right, 4) == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)


def test_nothing_found_gives_zeros_and_nothing_to_find_is_undefined() -> None:
    zeros = {"parsing/APp": 0.0, "parsing/APp50": 0.0, "parsing/PCP50": 0.0}
    undefined = pytest.approx(dict.fromkeys(zeros, math.nan), nan_ok=True)
    assert ParsingMetrics(PARTS).compute() == undefined
    pieces, truth = next(value for value in map(scene, range(50)) if value[0])
    no_one = PartTruth(np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint16), [], [])
    assert measure([([], truth)], range(1)) == zeros
    assert measure([(pieces, no_one)], range(1)) == undefined


def test_classes_without_parts_do_not_count() -> None:
    pieces, truth = next(value for value in map(scene, range(50)) if value[0] and len(value[1].labels) == 1)
    expected = measure([(pieces, truth)], range(1))
    assert expected["parsing/APp"] > 0
    others = [PartPiece(3, 1.0, 0, 0, np.ones((4, 4), np.uint8))]
    with_other = PartTruth(truth.parsing, truth.instances, [*truth.instance_ids, 0], [*truth.labels, 3])
    assert measure([(pieces + others, with_other)], range(1)) == expected
    same_class = [PartPiece(0, 1.0, 0, 0, np.ones((1, 1), np.uint8))]
    assert measure([(pieces + same_class, with_other)], range(1))["parsing/APp"] < expected["parsing/APp"]


def test_better_detections_are_painted_in_front() -> None:
    below = PartPiece(0, 0.4, 0, 0, np.array([[1, 1], [1, 0]], np.uint8))
    above = PartPiece(0, 0.8, 0, 1, np.array([[2, 0], [0, 3]], np.uint8))
    expected = [[1, 2, 0], [1, 0, 3]]
    assert paint([below, above], (2, 3)).tolist() == expected
    assert paint([above, below], (2, 3)).tolist() == expected
    assert not paint([], (2, 3)).any()


def test_ranks_are_joined_exactly(run_ranks) -> None:
    scenes = [scene(seed) for seed in range(12)]
    assert run_ranks(measure_share, 2) == [measure(scenes, range(12))] * 2
