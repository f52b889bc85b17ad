"""Density normalised average precision of dots, by hand and by a plain restatement of its rules."""

import numpy as np
import pytest

from pet.metrics.dot_precision import THRESHOLDS, average_precisions, rank_dots

SIZE = (100, 100)
ROW = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0], [30.0, 0.0], [40.0, 0.0]])


def test_the_unit_of_a_dot_is_the_mean_distance_to_its_three_neighbours() -> None:
    # the first dot's neighbours are 10, 20 and 30 pixels away, those of the middle one 10, 10 and 20
    found = np.array([[0.0, 4.9], [20.0, 4.9]])
    ranked = rank_dots(found, np.array([0.9, 0.8]), ROW, SIZE)
    least = [THRESHOLDS[int(own.argmax())] for own in ranked.right.T]
    assert least == [0.25, 0.4]
    assert ranked.truth == 5


def test_each_true_dot_is_taken_once_by_the_highest_score() -> None:
    found = np.array([[1.0, 0.0], [0.0, 0.0], [60.0, 60.0]])
    ranked = rank_dots(found, np.array([0.9, 0.8, 0.95]), ROW[:1], SIZE)
    assert ranked.scores.tolist() == [0.95, 0.9, 0.8]
    # alone, its unit is the edge of the image; 0.05 of it are five pixels
    assert ranked.right[0].tolist() == [False, True, False]
    assert average_precisions([ranked])[0] == pytest.approx(1 / 2)


def test_images_without_dots_and_without_found_ones_are_ordinary() -> None:
    none, scores = np.zeros((0, 2)), np.zeros(0)
    assert np.isnan(average_precisions([rank_dots(none, scores, none, SIZE)])).all()
    assert average_precisions([rank_dots(none, scores, ROW, SIZE)]).tolist() == [0.0] * 10
    images = [rank_dots(ROW, np.full(5, 0.6), ROW, SIZE), rank_dots(ROW[:2], np.array([0.9, 0.9]), none, SIZE)]
    # the two of the empty image come first: 1/3, 2/4, ... 5/7, and none smaller than what follows
    assert average_precisions(images) == pytest.approx([5 / 7] * 10)
    same_place = np.array([[5.0, 5.0]] * 4)
    assert average_precisions([rank_dots(same_place, np.ones(4), same_place, SIZE)]).tolist() == [1.0] * 10


def test_crowds_are_ranked_as_the_rules_say() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((80, 2)) * 100
    found = truth[:60] + rng.normal(size=(60, 2)) * 3
    scores = rng.random(60)
    distances = np.sqrt(((truth[:, None] - truth) ** 2).sum(-1))
    units = np.sort(distances, axis=1)[:, 1:4].mean(axis=1)
    order = np.argsort(-scores)
    for threshold, right in zip(THRESHOLDS, rank_dots(found, scores, truth, SIZE).right, strict=True):
        free = np.ones(80, bool)
        for place, one in enumerate(found[order]):
            shares = np.where(free, np.sqrt(((one - truth) ** 2).sum(-1)) / units, np.inf)
            assert right[place] == (shares.min() <= threshold)
            if right[place]:
                free[shares.argmin()] = False
