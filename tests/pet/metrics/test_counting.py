import math

import numpy as np
import pytest
import torch

from pet.metrics.counting import (
    Interval,
    Positions,
    calibrate_interval,
    count_density,
    count_dots,
    count_errors,
    errors_by_level,
    grid_error,
    match_dots,
)


def test_errors_of_counts_by_hand():
    errors = count_errors(np.array([1.0, 12.0, 90.0]), np.array([0.0, 10.0, 100.0]))
    assert errors.mae == pytest.approx((1 + 2 + 10) / 3)
    assert errors.rmse == pytest.approx(math.sqrt((1 + 4 + 100) / 3))
    assert errors.nae == pytest.approx((0.2 + 0.1) / 2)
    assert errors.bias == pytest.approx((1 + 2 - 10) / 3)
    mean = 110 / 3
    assert errors.baseline == pytest.approx((mean + mean - 10 + 100 - mean) / 3)


def test_images_without_anything_have_no_nae_and_no_images_no_error_at_all():
    assert math.isnan(count_errors(np.array([1.0]), np.array([0.0])).nae)
    assert all(math.isnan(value) for value in count_errors(np.array([]), np.array([])))


def test_levels_are_those_of_nwpu():
    levels = errors_by_level(np.array([0.0, 99, 105, 499, 6000]), np.array([0.0, 100, 101, 500, 5001]))
    assert {name: (count, errors.mae) for name, (count, errors) in levels.items()} == {
        "0": (1, 0.0),
        "1-100": (1, 1.0),
        "101-500": (2, 2.5),
        ">5000": (1, 999.0),
    }


def test_game_counts_in_cells_and_is_the_absolute_error_at_level_0():
    dots = np.array([[5.0, 5.0], [35.0, 25.0], [40.0, 30.0]])
    assert count_dots(dots, (30, 40), 2).tolist() == [[1, 0], [0, 2]]
    density = torch.zeros(4, 5)
    density[0, 0], density[3, 4] = 2.0, 1.0
    found = count_density(density, (3.75, 5.0), 2)
    assert found.tolist() == [[2, 0], [0, 1]]
    assert grid_error(found.numpy(), count_dots(dots, (30, 40), 2)) == 2
    assert grid_error(count_density(density, (3.75, 5.0), 1).numpy(), count_dots(dots, (30, 40), 1)) == 0


def test_cells_that_cut_places_share_them_and_nothing_is_lost():
    density = torch.rand(7, 9, dtype=torch.float64)
    found = count_density(density, (6.6, 8.2), 4)
    assert found.sum().item() == pytest.approx(density.sum().item())
    assert count_density(torch.ones(2, 2), (2, 2), 4)[0].tolist() == pytest.approx([0.25] * 4)


def test_positions_are_matched_one_to_one_within_a_radius():
    truth = np.array([[0.0, 0.0], [10.0, 0.0]])
    assert match_dots(np.array([[1.0, 0.0], [0.0, 1.0]]), truth, 4.0) == 1
    assert match_dots(np.array([[5.0, 0.0], [1.0, 0.0]]), truth, 5.0) == 2
    assert match_dots(np.array([[5.0, 0.0]]), truth, np.array([1.0, 6.0])) == 1
    assert match_dots(np.zeros((0, 2)), truth, 4.0) == match_dots(truth, np.zeros((0, 2)), 4.0) == 0
    positions = Positions(paired=3, found=4, truth=6)
    assert (positions.precision, positions.recall, positions.f1) == (0.75, 0.5, 0.6)
    assert math.isnan(Positions(0, 0, 0).precision) and math.isnan(Positions(0, 0, 0).f1)


def test_intervals_hold_the_promised_share_of_other_images():
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(200):
        truth = np.exp(rng.uniform(1, 5, 200))
        found = truth + rng.standard_t(3, 200) * np.sqrt(truth)
        low, high = calibrate_interval(found[:100], truth[:100], 0.9).around(found[100:])
        shares.append(((low <= truth[100:]) & (truth[100:] <= high)).mean())
    assert np.mean(shares) == pytest.approx(0.9, abs=0.02)


def test_too_few_images_give_intervals_without_an_end_and_none_begins_below_0():
    assert calibrate_interval([1.0] * 8, [1.0] * 8, 0.9).width == math.inf
    low, high = Interval(2.0).around(np.array([0.0, 3.0]))
    assert low.tolist() == [0, 0] and high.tolist() == [2, 7]
