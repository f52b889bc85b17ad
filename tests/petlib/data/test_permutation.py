import itertools
import tracemalloc

import numpy as np
import pytest

from petlib.data.samplers import SeededPermutation


@pytest.mark.parametrize("length", [*range(1, 40), 97, 100, 255, 256, 257, 1437, 65_537])
def test_every_number_comes_once(length):
    for seed in range(3):
        numbers = SeededPermutation(length, seed=seed)(np.arange(length))
        assert numbers.dtype == np.int64
        assert np.array_equal(np.sort(numbers), np.arange(length))


def test_length_zero_gives_nothing():
    assert SeededPermutation(0, seed=1)(np.arange(0)).tolist() == []


def test_positions_can_be_asked_for_in_any_shape_and_one_by_one():
    permutation = SeededPermutation(1001, seed=5)
    numbers = permutation(np.arange(1001))
    assert np.array_equal(permutation(np.array([[1000, 3], [3, 0]])), numbers[[[1000, 3], [3, 0]]])
    assert [permutation[position] for position in (0, 17, -1)] == numbers[[0, 17, -1]].tolist()
    assert len(permutation) == 1001
    with pytest.raises(IndexError, match="position 1001 of a permutation of 1001 numbers"):
        permutation[1001]


def test_the_seed_decides():
    positions = np.arange(1000)
    orders = {tuple(SeededPermutation(1000, seed=seed)(positions)) for seed in range(50)}
    assert len(orders) == 50
    assert np.array_equal(SeededPermutation(1000, seed=7)(positions), SeededPermutation(1000, seed=7)(positions))


def chi_square_per_degree(counts):
    expected = counts.sum() / counts.size
    return ((counts - expected) ** 2 / expected).sum() / (counts.size - 1)


@pytest.mark.parametrize("length", [3, 4, 5])
def test_all_orders_of_few_numbers_are_equally_likely(length):
    places = {order: place for place, order in enumerate(itertools.permutations(range(length)))}
    counts = np.zeros(len(places))
    for seed in range(40 * len(places)):
        counts[places[tuple(SeededPermutation(length, seed=seed)(np.arange(length)))]] += 1
    assert chi_square_per_degree(counts) < 1.5


@pytest.mark.parametrize("length", [10, 37])
def test_every_number_is_equally_likely_at_every_position(length):
    counts = np.zeros((length, length))
    for seed in range(1500):
        counts[np.arange(length), SeededPermutation(length, seed=seed)(np.arange(length))] += 1
    assert chi_square_per_degree(counts) < 1.3


def test_neighbours_do_not_stay_together():
    numbers = SeededPermutation(100_000, seed=1)(np.arange(100_000))
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(numbers, np.arange(100_000))[0, 1]) < 0.01
    assert (np.abs(np.diff(numbers)) == 1).sum() < 10


def test_a_billion_numbers_take_no_memory():
    tracemalloc.start()
    numbers = SeededPermutation(10**9, seed=3)(np.arange(1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert len(set(numbers.tolist())) == 1000
    assert numbers.min() >= 0
    assert 9e8 < numbers.max() < 10**9
