import random

import numpy as np
import pytest
import torch

from petlib.data import SampleReader, TrainLoader
from petlib.data.samplers import ShuffledSampler
from petlib.data.train_batches import TrainBatches

CPU = torch.device("cpu")


class Pictures:
    """Small and large fields, one of unequal shapes, and one that is drawn from global generators."""

    def __len__(self):
        return 53

    def __getitem__(self, index):
        drawn = [random.random(), np.random.rand(), torch.rand(()).item()]
        return {
            "image": np.full((150, 150, 3), index, np.uint8),
            "boxes": np.full((index % 3, 4), index, np.float32),
            "drawn": np.array(drawn),
            "label": index % 7,
            "half": torch.full((2,), index, dtype=torch.bfloat16),
            "meta": {"id": index},
        }


def add_noise(sample, rng):
    return {**sample, "noise": rng.standard_normal(2)}


def add_batch_noise(batch, rng):
    return {**batch, "batch_noise": batch.get("batch_noise", []) + [rng.random()]}


def make_loader(num_workers=0, epochwise=True, *, rank=0, world_size=1, accumulation=2):
    plan = TrainBatches(
        ShuffledSampler(53, seed=3), batch_size=12, rank=rank, world_size=world_size, accumulation=accumulation, epochwise=epochwise
    )
    reader = SampleReader(Pictures(), add_noise, seed=3, seed_global_generators=True)
    return TrainLoader(reader, plan, device=CPU, num_workers=num_workers, batch_transforms=[add_batch_noise, add_batch_noise], seed=3)


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, second[name]), name
            assert value.dtype == second[name].dtype
        elif name == "boxes":
            assert all(torch.equal(*pair) for pair in zip(value, second[name], strict=True))
        else:
            assert value == second[name], name


@pytest.mark.parametrize("epochwise", [True, False])
@pytest.mark.parametrize(("num_workers", "start"), [(0, 5), (1, 0), (2, 0), (2, 3)])
def test_batches_do_not_depend_on_workers_and_start(epochwise, num_workers, start):
    expected = list(make_loader(epochwise=epochwise).batches(0, 10))
    assert len(expected) == 20
    found = list(make_loader(num_workers, epochwise).batches(start, 10))
    for first, second in zip(expected[2 * start :], found, strict=True):
        assert_same(first, second)


def test_ranks_and_parts_share_an_iteration_without_a_change_of_its_samples():
    def samples(batches):
        return {
            (meta["id"], *noise, *drawn)
            for batch in batches
            for meta, noise, drawn in zip(batch["meta"], batch["noise"].tolist(), batch["drawn"].tolist(), strict=True)
        }

    whole = list(make_loader(accumulation=1).batches(2, 6))
    ranks = [list(make_loader(rank=rank, world_size=2, accumulation=3).batches(2, 6)) for rank in range(2)]
    for number, batch in enumerate(whole):
        parts = [part for rank in ranks for part in rank[3 * number : 3 * number + 3]]
        assert len(samples([batch])) == 12
        assert samples(parts) == samples([batch])


def test_a_batch_has_the_fields_of_its_samples():
    loader = make_loader(num_workers=1)
    assert (loader.iterations_per_epoch, loader.accumulation) == (4, 2)
    batch = next(loader.batches(0, 1))
    indices = [meta["index"] for meta in batch["meta"]]
    assert (batch["image"].shape, batch["image"].dtype) == ((6, 150, 150, 3), torch.uint8)
    assert batch["image"][:, 0, 0, 0].tolist() == indices
    assert [len(boxes) for boxes in batch["boxes"]] == [index % 3 for index in indices]
    assert batch["label"].tolist() == [index % 7 for index in indices]
    batch["image"] += 1
    batch["label"] += 1


def test_batch_transforms_draw_from_one_stream_for_each_iteration_part_and_rank():
    drawn = [number for rank in range(2) for batch in make_loader(rank=rank, world_size=2).batches(0, 6) for number in batch["batch_noise"]]
    assert len(set(drawn)) == len(drawn) == 48


def global_states():
    numpy_state = np.random.get_state()
    return random.getstate(), tuple(numpy_state[1]), numpy_state[2:], torch.get_rng_state().tolist()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_global_generators_of_the_trainer_are_never_drawn_from(num_workers):
    before = global_states()
    batches = make_loader(num_workers).batches(0, 3)
    assert global_states() == before
    for _ in batches:
        assert global_states() == before
    assert global_states() == before


def test_no_iterations_give_no_batches():
    assert list(make_loader().batches(4, 4)) == []
    assert list(make_loader(num_workers=1).batches(4, 4)) == []
