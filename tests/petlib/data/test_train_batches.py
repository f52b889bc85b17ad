import itertools

import numpy as np
import pytest

from petlib.data import SampleKey
from petlib.data.aspect_ratio import AspectRatioSampler
from petlib.data.repeat_factor import RepeatFactorSampler
from petlib.data.samplers import SequentialSampler, ShuffledSampler
from petlib.data.train_batches import TrainBatches
from petlib.errors import ConfigError, DataError

SPLITS = [(1, 1), (2, 1), (1, 4), (3, 2), (2, 6), (12, 1)]
SAMPLERS = {
    "shuffled": lambda: ShuffledSampler(53, seed=3),
    "repeated": lambda: RepeatFactorSampler(np.linspace(1, 2, 53), seed=3),
    "grouped": lambda: AspectRatioSampler(ShuffledSampler(53, seed=3), np.arange(53) % 2, 12),
}


def plan(sampler, epochwise=True, **split):
    return TrainBatches(sampler, batch_size=12, epochwise=epochwise, **split)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("epochwise", [True, False])
@pytest.mark.parametrize(("world_size", "accumulation"), SPLITS)
def test_an_iteration_has_the_same_samples_in_any_split(name, epochwise, world_size, accumulation):
    whole = list(plan(SAMPLERS[name](), epochwise).keys(0, 15))
    ranks = [
        plan(SAMPLERS[name](), epochwise, rank=rank, world_size=world_size, accumulation=accumulation).keys(0, 15)
        for rank in range(world_size)
    ]
    for expected in whole:
        parts = [[next(rank) for rank in ranks] for _ in range(accumulation)]
        assert [key for part in parts for keys in part for key in keys] == expected
    assert all(next(rank, None) is None for rank in ranks)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("epochwise", [True, False])
def test_a_run_can_start_at_any_iteration(name, epochwise):
    whole = list(plan(SAMPLERS[name](), epochwise, accumulation=2).keys(0, 15))
    for start in range(15):
        assert list(plan(SAMPLERS[name](), epochwise, accumulation=2).keys(start, 15)) == whole[2 * start :]


def test_whole_epochs_leave_the_incomplete_batch_out():
    batches = plan(ShuffledSampler(53, seed=3))
    assert batches.iterations_per_epoch == 4
    keys = list(itertools.chain.from_iterable(batches.keys(0, 8)))
    assert [(key.epoch, key.position) for key in keys] == [(epoch, position) for epoch in range(2) for position in range(48)]
    assert len({key.index for key in keys[:48]}) == 48
    left_out = [set(range(53)) - {key.index for key in keys[start : start + 48]} for start in (0, 48)]
    assert left_out[0] != left_out[1]


def test_an_endless_stream_runs_over_the_end_of_an_epoch():
    keys = list(itertools.chain.from_iterable(plan(SequentialSampler(53), epochwise=False).keys(0, 9)))
    assert keys == [SampleKey(place // 53, place % 53, place % 53) for place in range(108)]


def test_indices_are_those_of_the_sampler_over_many_chunks():
    sampler = ShuffledSampler(10_007, seed=1)
    batches = TrainBatches(sampler, batch_size=1000, epochwise=False)
    keys = list(itertools.chain.from_iterable(batches.keys(3, 40)))
    for epoch in range(4):
        inside = [key for key in keys if key.epoch == epoch]
        assert [key.index for key in inside] == sampler.indices(epoch, np.array([key.position for key in inside])).tolist()


def test_grouped_device_batches_hold_one_group_in_any_split():
    for world_size, accumulation in SPLITS:
        batches = plan(SAMPLERS["grouped"](), rank=world_size - 1, world_size=world_size, accumulation=accumulation)
        assert all(len({key.index % 2 for key in keys}) == 1 for keys in batches.keys(0, 20))


@pytest.mark.parametrize(("batch_size", "nearest"), [(100, "96 and 102"), (5, "6"), (0, "6")])
def test_a_batch_that_cannot_be_split_names_the_sizes_that_can(batch_size, nearest):
    message = f"batch_size is {batch_size}, which cannot be split evenly over 3 processes with 2 .*sizes that can: {nearest}$"
    with pytest.raises(ConfigError, match=message):
        TrainBatches(SequentialSampler(1000), batch_size=batch_size, rank=0, world_size=3, accumulation=2, epochwise=True)


def test_an_epoch_shorter_than_a_batch_is_refused():
    with pytest.raises(DataError, match=r"an epoch has 10 samples, fewer than one batch \(batch_size is 12\)"):
        plan(SequentialSampler(10))


def test_groups_that_do_not_fit_the_device_batches_are_refused():
    with pytest.raises(AssertionError, match="must be a multiple of the device batch"):
        plan(AspectRatioSampler(SequentialSampler(53), np.zeros(53), 8))
