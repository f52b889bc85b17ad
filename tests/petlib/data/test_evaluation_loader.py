import numpy as np
import pytest
import torch

from petlib.data import SampleReader
from petlib.data.evaluation_loader import EvaluationLoader

CPU = torch.device("cpu")


class Squares:
    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return {"value": np.array(index**2), "meta": {"id": f"s{index}"}}


def keep(sample, rng):
    return sample


def loader(length, **options):
    return EvaluationLoader(SampleReader(Squares(length), keep, seed=3), device=CPU, **options)


@pytest.mark.parametrize("length", [1, 3, 8, 17])
@pytest.mark.parametrize("world_size", [1, 2, 5])
def test_every_sample_comes_once_in_order(length, world_size):
    seen, sizes = [], []
    for rank in range(world_size):
        batches = loader(length, batch_size=3, rank=rank, world_size=world_size)
        found = list(batches)
        assert len(found) == len(batches)
        seen += [(meta["index"], meta["id"], value) for batch in found for meta, value in zip(batch["meta"], batch["value"], strict=True)]
        sizes.append(len(batches.share))
    assert seen == [(index, f"s{index}", index**2) for index in range(length)]
    assert max(sizes) - min(sizes) <= 1


def test_workers_change_nothing_and_every_loop_begins_anew():
    def noise(batch, rng):
        return {**batch, "noise": rng.random(2)}

    alone, helped = (loader(17, batch_size=3, num_workers=workers, batch_transforms=[noise]) for workers in (0, 2))
    for _ in range(2):
        for first, second in zip(alone, helped, strict=True):
            assert torch.equal(first["value"], second["value"])
            assert np.array_equal(first["noise"], second["noise"])
            assert first["meta"] == second["meta"]


def test_an_empty_share_gives_no_batches():
    batches = loader(1, batch_size=3, rank=0, world_size=2, num_workers=1)
    assert (len(batches), list(batches)) == (0, [])
