import numpy as np
import pytest

from petlib.data.samplers import SequentialSampler, ShuffledSampler
from petlib.errors import DataError


def test_sequential_order_is_that_of_the_data_set():
    sampler = SequentialSampler(9)
    assert len(sampler) == 9
    assert sampler.indices(4, np.array([8, 0, 3])).tolist() == [8, 0, 3]


def test_shuffled_epochs_hold_every_sample_once_in_orders_of_their_own():
    sampler = ShuffledSampler(50, seed=3)
    epochs = [sampler.indices(epoch, np.arange(50)) for epoch in range(20)]
    assert all(sorted(order.tolist()) == list(range(50)) for order in epochs)
    assert len({tuple(order) for order in epochs}) == 20
    assert not np.array_equal(epochs[0], ShuffledSampler(50, seed=4).indices(0, np.arange(50)))


def test_shuffled_order_depends_on_nothing_asked_before():
    sampler = ShuffledSampler(50, seed=3)
    expected = sampler.indices(7, np.arange(50))
    sampler.indices(2, np.arange(5))
    assert np.array_equal(sampler.indices(7, np.arange(50)), expected)
    assert np.array_equal(ShuffledSampler(50, seed=3).indices(7, np.array([49, 1])), expected[[49, 1]])


@pytest.mark.parametrize("sampler", [SequentialSampler, lambda length: ShuffledSampler(length, seed=0)])
def test_an_empty_data_set_is_refused(sampler):
    with pytest.raises(DataError, match="holds no samples; check its path"):
        sampler(0)
