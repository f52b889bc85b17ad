import numpy as np
import pytest

from pet.metrics.box_matching import IGNORED, NOTHING, average_precision, box_overlaps, match_boxes


def test_the_highest_score_chooses_first_and_a_box_is_taken_once() -> None:
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], np.float32)
    found = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [21, 0, 30, 10], [40, 0, 50, 10], [41, 0, 51, 10], [70, 0, 80, 10]], np.float32)
    scores = np.array([0.5, 0.9, 0.8, 0.7, 0.6, 0.4])
    matches = match_boxes(truth, found, scores, ignored=np.array([False, False, True]))
    assert matches.places.tolist() == [NOTHING, 0, 1, IGNORED, IGNORED, NOTHING]
    assert matches.overlaps[:3].tolist() == pytest.approx([0, 1, 0.9])


def test_overlaps_are_shares_of_the_union() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 5, 5, 5]])
    assert box_overlaps(boxes, np.array([[5, 0, 15, 10]])).tolist() == [[pytest.approx(1 / 3)], [0]]


def test_average_precision_counts_what_is_missed() -> None:
    assert average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 4) == pytest.approx((1 + 2 / 3) / 4)
    assert average_precision(np.zeros(0), np.zeros(0, bool), 2) == 0
