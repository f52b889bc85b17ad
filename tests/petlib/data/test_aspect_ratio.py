import numpy as np
import pytest

from petlib.data.aspect_ratio import AspectRatioSampler
from petlib.data.repeat_factor import RepeatFactorSampler
from petlib.data.samplers import SequentialSampler, ShuffledSampler
from petlib.errors import DataError

GROUPS = np.random.default_rng(0).integers(0, 3, 103)


def read_epochs(sampler, count):
    return np.concatenate([sampler.indices(epoch, np.arange(len(sampler))) for epoch in range(count)])


def test_every_device_batch_holds_one_group():
    sampler = AspectRatioSampler(ShuffledSampler(103, seed=3), GROUPS, 8)
    assert len(sampler) == 96
    batches = GROUPS[read_epochs(sampler, 10)].reshape(-1, 8)
    assert (batches == batches[:, :1]).all()
    assert set(batches[:, 0]) == {0, 1, 2}


def test_batches_come_in_the_order_in_which_they_fill():
    sampler = AspectRatioSampler(SequentialSampler(7), [0, 1, 0, 1, 1, 0, 0], 2)
    assert len(sampler) == 6
    assert sampler.indices(0, np.arange(6)).tolist() == [0, 2, 1, 3, 5, 6]
    assert sampler.indices(1, np.arange(6)).tolist() == [4, 1, 0, 2, 3, 4]


@pytest.mark.parametrize("inner", [ShuffledSampler(103, seed=3), RepeatFactorSampler(np.linspace(1, 1.4, 103), seed=3)])
def test_nothing_is_lost_and_nothing_repeated(inner):
    batch_size = 8
    sampler = AspectRatioSampler(inner, GROUPS, batch_size)
    epochs = 12
    stream = np.bincount(read_epochs(sampler, epochs), minlength=103)
    whole = len(sampler) * epochs // len(inner)
    read = np.bincount(read_epochs(inner, whole + 1), minlength=103)
    assert (stream <= read).all()
    assert (stream >= np.bincount(read_epochs(inner, whole - 1), minlength=103)).all()
    assert (read - stream).sum() <= len(inner) + 3 * batch_size


def test_small_groups_wait_over_several_epochs():
    sampler = AspectRatioSampler(ShuffledSampler(20, seed=1), [1] + [0] * 19, 4)
    batches = read_epochs(sampler, 12).reshape(-1, 4)
    rare = [batch.tolist() for batch in batches if 0 in batch]
    assert rare == [[0, 0, 0, 0]] * 3


def test_answers_depend_on_the_arguments_alone():
    def fresh():
        return AspectRatioSampler(ShuffledSampler(103, seed=3), GROUPS, 8)

    used = fresh()
    expected = [used.indices(epoch, np.arange(96)) for epoch in range(8)]
    assert np.array_equal(used.indices(2, np.array([95, 0])), expected[2][[95, 0]])
    assert np.array_equal(fresh().indices(7, np.arange(96)), expected[7])
    assert fresh().indices(3, np.zeros(0, np.int64)).tolist() == []


def test_too_few_samples_are_refused():
    with pytest.raises(DataError, match="3 samples do not fill one device batch of 4"):
        AspectRatioSampler(SequentialSampler(3), [0, 0, 0], 4)
