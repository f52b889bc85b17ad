"""The order by lanes: a pure function of the position, whose batches are the same for any split, and nodes that share out the shards."""

import time

import numpy as np
import pytest

from petlib.data.lane_sampler import LaneSampler
from petlib.data.train_batches import TrainBatches
from petlib.errors import ConfigError, DataError

STARTS = np.array([0, 50, 120, 130, 300, 410, 560, 700])
LENGTH = 805
BATCH = 16


def sampler(lanes: int = 4, accumulation: int = 1, seed: int = 0) -> LaneSampler:
    return LaneSampler(STARTS, LENGTH, lanes=lanes, group=2, batch_size=BATCH, accumulation=accumulation, seed=seed)


@pytest.mark.parametrize("lanes", [1, 2, 4, 16])
def test_an_epoch_has_every_sample_once_but_for_less_than_a_batch(lanes: int) -> None:
    order = sampler(lanes)
    epochs = [order.indices(epoch, np.arange(len(order))) for epoch in range(4)]
    for indices in epochs:
        assert len({*indices.tolist()}) == len(order) > LENGTH - BATCH - lanes
        assert 0 <= indices.min() and indices.max() < LENGTH
    assert len({tuple(indices) for indices in epochs}) == 4
    assert len({index for indices in epochs for index in indices.tolist()}) == LENGTH, "others are left out each time"
    assert not np.array_equal(epochs[0], sampler(lanes, seed=1).indices(0, np.arange(len(order))))


def batches_of(rank: int = 0, world_size: int = 1, accumulation: int = 1, *, epochwise: bool = False) -> list[list[int]]:
    order = sampler(accumulation=accumulation)
    made = TrainBatches(order, batch_size=BATCH, rank=rank, world_size=world_size, accumulation=accumulation, epochwise=epochwise)
    return [[key.index for key in keys] for keys in made.keys(40, 120)]


@pytest.mark.parametrize(("world_size", "accumulation"), [(2, 1), (4, 1), (8, 1), (2, 2), (1, 4)])
def test_an_iteration_has_the_same_samples_for_any_split(world_size: int, accumulation: int) -> None:
    whole = [sorted(batch) for batch in batches_of()]
    ranks = [batches_of(rank, world_size, accumulation) for rank in range(world_size)]
    joined = [
        sorted(index for rank in ranks for part in rank[start : start + accumulation] for index in part)
        for start in range(0, len(ranks[0]), accumulation)
    ]
    assert joined == whole
    assert batches_of(epochwise=True) == batches_of()


@pytest.mark.parametrize("accumulation", [1, 2])
def test_nodes_share_out_the_shards(accumulation: int) -> None:
    starts, length, nodes = np.arange(0, 64_000, 1000), 64_000, 4
    read = []
    for node in range(nodes):
        order = LaneSampler(starts, length, lanes=8, group=2, batch_size=64, accumulation=accumulation, seed=0)
        made = TrainBatches(order, batch_size=64, rank=node, world_size=nodes, accumulation=accumulation, epochwise=True)
        keys = [key for keys in made.keys(0, made.iterations_per_epoch) for key in keys]
        read.append({key.index // 1000 for key in keys})
        # what is announced is what is read, and few groups are in use at a time
        groups = [order.group_of(key.epoch, key.position) for key in keys]
        announced = {int(first) // 1000 for group, _ in groups for first in order.first_samples(0, group)}
        assert announced == read[-1]
        assert max(len({group for group, _ in groups[at : at + 256]}) for at in range(0, len(groups), 256)) <= 2 * 2
    assert sum(map(len, read)) <= 64 + nodes - 1
    assert {*range(64)} == set.union(*read)


def test_the_groups_of_a_lane_follow_each_other_into_the_next_epoch() -> None:
    order = sampler()
    lane = 2 * BATCH // 4
    groups = [order.group_of(0, iteration * BATCH + lane)[0] for iteration in range(len(order) // BATCH)]
    assert groups == sorted(groups)
    distinct = list(dict.fromkeys(groups))
    for group, following in zip(distinct, distinct[1:], strict=False):
        assert order.next_group(0, group) == (0, following)
    assert order.next_group(0, distinct[-1]) == (1, order.group_of(1, lane)[0])
    halves = [order.group_of(0, iteration * BATCH + lane)[1] for iteration, group in enumerate(groups) if group == distinct[0]]
    assert halves == sorted(halves)


def test_a_batch_that_cannot_be_divided_is_one_message() -> None:
    with pytest.raises(ConfigError, match=r"^LaneSampler.lanes: 3 given, and a batch of 16 in 1 part\(s\) cannot be divided by it"):
        sampler(lanes=3)
    with pytest.raises(DataError, match="an epoch has 10 samples, fewer than one batch of 16"):
        LaneSampler(np.array([0]), 10, lanes=2, group=1, batch_size=16, seed=0)


def test_a_billion_samples_begin_at_once_at_iteration_ten_million() -> None:
    begin = time.process_time()
    order = LaneSampler(np.arange(0, 10**9, 2_500), 10**9, lanes=64, group=4, batch_size=4096, seed=0)
    keys = next(TrainBatches(order, batch_size=4096, epochwise=False).keys(10**7, 10**7 + 1))
    assert time.process_time() - begin < 5, "0.1 s on an idle machine"
    assert len({key.index for key in keys}) == 4096
