import numpy as np
import pytest

from petlib.data.repeat_factor import RepeatFactorSampler, repeat_factors
from petlib.errors import DataError


def epoch_counts(sampler, epoch, samples):
    indices = sampler.indices(epoch, np.arange(len(sampler)))
    return np.bincount(indices, minlength=samples)


def test_factors_follow_the_rarest_category_of_an_image():
    images = [[0], [0, 1], [0, 0, 2], [], *[[0]] * 96]
    factors = repeat_factors(images, threshold=0.04)
    share = 1 / 100
    assert factors.shape == (100,)
    assert factors[1] == pytest.approx(np.sqrt(0.04 / share))
    assert factors[2] == pytest.approx(2.0)
    assert np.delete(factors, [1, 2]).tolist() == [1.0] * 98
    assert repeat_factors([], threshold=0.1).tolist() == []


def test_whole_factors_are_met_exactly_in_every_epoch():
    sampler = RepeatFactorSampler([1, 3, 0, 2], seed=1)
    assert len(sampler) == 6
    for epoch in range(20):
        assert epoch_counts(sampler, epoch, 4).tolist() == [1, 3, 0, 2]


def test_fractions_are_settled_anew_in_every_epoch_and_right_on_average():
    factors = np.array([1.0, 1.5, 2.25, 1.0, 1.1, 3.7, 1.3])
    sampler = RepeatFactorSampler(factors, seed=3)
    assert len(sampler) == 12
    stretched = factors * 12 / factors.sum()
    counts = np.array([epoch_counts(sampler, epoch, 7) for epoch in range(3000)])
    assert (counts.sum(axis=1) == 12).all()
    assert (counts >= np.floor(stretched)).all()
    assert (counts <= np.floor(stretched) + 1).all()
    assert np.abs(counts.mean(axis=0) - stretched).max() < 0.04
    assert len({tuple(row) for row in counts}) > 10


def test_no_sample_with_a_factor_of_one_is_left_out():
    factors = 1 + np.random.default_rng(0).random(1000)
    sampler = RepeatFactorSampler(factors, seed=3)
    assert all(epoch_counts(sampler, epoch, 1000).min() == 1 for epoch in range(20))


def test_samples_are_chosen_independently_of_their_neighbours():
    sampler = RepeatFactorSampler([0.5] * 10, seed=1)
    together = sum(bool(epoch_counts(sampler, epoch, 10)[[3, 4]].all()) for epoch in range(2000))
    assert together / 2000 == pytest.approx(0.25 * 8 / 9, abs=0.03)


def test_repetitions_are_spread_over_the_epoch():
    orders = [RepeatFactorSampler([2.0] * 50, seed=seed).indices(0, np.arange(100)) for seed in range(20)]
    adjacent = [(np.diff(order) == 0).sum() for order in orders]
    assert np.mean(adjacent) < 3


def test_answers_depend_on_the_arguments_alone():
    factors = [1.2, 1.7, 1.0, 2.6]
    sampler = RepeatFactorSampler(factors, seed=3)
    expected = [sampler.indices(epoch, np.arange(len(sampler))) for epoch in (5, 2, 5)]
    assert np.array_equal(expected[0], expected[2])
    assert np.array_equal(RepeatFactorSampler(factors, seed=3).indices(2, np.array([1, 4])), expected[1][[1, 4]])


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([1.0, -1.0], "factor of sample 1 is -1.0"),
        ([float("nan")], "factor of sample 0 is nan"),
        ([0.0, 0.0], "2 repeat factors add up to 0"),
        ([], "the 0 repeat factors add up to 0"),
    ],
)
def test_wrong_factors_are_refused(factors, message):
    with pytest.raises(DataError, match=message):
        RepeatFactorSampler(factors, seed=0)
