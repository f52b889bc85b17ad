"""The batches of a user's data set."""

from typing import Any

import numpy as np
import pytest
import torch

from pet.compat.trainframework.data.dataset import EngineDataSet
from pet.compat.trainframework.data.loader import NamedFields, build_test_loader, build_train_loader
from pet.compat.trainframework.translation import WORDS
from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.errors import ConfigError, DataError, name_in_errors
from tests.pet.compat.trainframework.data.sources import Draws, NumberedImages

CPU = torch.device("cpu")


def run_cfg(*, batch_size: int, accumulation: int = 1, num_workers: int = 0, seed: int = 0) -> CfgNode:
    """Return Pet's settings of a run."""
    settings = {
        "TRAIN.BATCH_SIZE": batch_size,
        "TRAIN.NUM_WORKERS": num_workers,
        "TEST.IMS_PER_GPU": batch_size,
        "TEST.NUM_WORKERS": num_workers,
        "SOLVER.ACCUMULATION": accumulation,
        "MISC.SEED": seed,
    }
    cfg = CfgNode(PETLIB_SCHEMA)
    cfg.merge_from_list([f"{key}={value}" for key, value in settings.items()])
    return cfg


def train_batches(num_workers: int, start: int, stop: int, *, seed: int = 3, accumulation: int = 1) -> list[dict[str, Any]]:
    loader = build_train_loader(run_cfg(batch_size=4, accumulation=accumulation, num_workers=num_workers, seed=seed), Draws(10), CPU)
    return list(loader.batches(start, stop))


def equal(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a["drawn"], b["drawn"]) and torch.equal(a["number"], b["number"]) for a, b in zip(first, second, strict=True)
    )


def test_batches_hold_all_fields_of_the_samples() -> None:
    data_set = NumberedImages(6, [{"name": "RandomFlip", "p": 0.5}])
    loader = build_train_loader(run_cfg(batch_size=3, seed=0), data_set, CPU)
    assert loader.iterations_per_epoch == 2
    numbers = []
    for batch in loader.batches(0, 2):
        assert batch["input_data"].shape == (3, 3, 4, 6)
        assert batch["target_data"].dtype == torch.int64
        read = (batch["input_data"][:, 0, 0, 0] * 255).round().long()
        assert torch.equal(batch["target_data"], read % 3)
        numbers += read.tolist()
    assert sorted(numbers) == list(range(6))


def test_draws_from_global_generators_repeat_and_resume_whatever_the_workers_are() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    whole = train_batches(0, 0, 6)
    assert torch.equal(torch.get_rng_state(), before)
    assert equal(train_batches(2, 0, 6), whole)
    assert equal(train_batches(1, 4, 6), whole[4:])
    assert equal(train_batches(0, 4, 6), whole[4:])
    assert not equal(train_batches(0, 0, 6, seed=4), whole)
    drawn = torch.cat([batch["drawn"] for batch in whole])
    assert all(len(column.unique()) == 24 for column in drawn.T)


def test_accumulation_splits_the_same_batch() -> None:
    (whole,) = train_batches(0, 0, 1)
    parts = train_batches(0, 0, 1, accumulation=2)
    assert [len(part["number"]) for part in parts] == [2, 2]
    assert torch.equal(torch.cat([part["drawn"] for part in parts]), whole["drawn"])


def test_an_evaluation_reads_everything_once_in_order_and_repeats() -> None:
    loaders = [build_test_loader(run_cfg(batch_size=2, num_workers=workers, seed=1), Draws(5), CPU) for workers in (0, 1)]
    first, second = (list(loader) for loader in loaders)
    assert [batch["number"].tolist() for batch in first] == [[0, 1], [2, 3], [4]]
    assert equal(first, second)
    assert [meta["index"] for batch in first for meta in batch["meta"]] == list(range(5))


def test_a_field_that_the_data_set_does_not_give_is_reported() -> None:
    (evaluated,) = build_test_loader(run_cfg(batch_size=2, seed=1), Draws(2), CPU)
    for batch in (*train_batches(0, 0, 1), evaluated):
        with pytest.raises(DataError, match="Draws gives no field 'draw'; did you mean drawn.*\n.*samples have: drawn, number"):
            batch["draw"]
        assert batch.get("draw") is None
        assert "draw" not in batch


def test_named_fields_are_rebuilt_from_pairs_as_parallel_wrappers_do() -> None:
    again = NamedFields([("a", 1)])
    assert again == {"a": 1}
    with pytest.raises(DataError, match="the data set gives no field 'b'"):
        again["b"]


class Gives(EngineDataSet):
    def __init__(self, sample: Any) -> None:
        super().__init__()
        self.dataset = range(4)
        self.sample = sample

    def __getitem__(self, index: int) -> Any:
        return self.sample(index) if callable(self.sample) else self.sample


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (None, "the data set .*Gives gave None for sample .; a dict"),
        ((np.zeros(2), 1), "Gives gave a tuple"),
        ({"name": "a.png"}, "the field 'name' of a batch holds str; .*put what describes a sample into meta"),
        (lambda index: {"a": 1} if index else {"b": 1}, "samples of a batch have different fields: a, b"),
    ],
)
def test_samples_that_make_no_batch_are_reported(num_workers: int, sample: Any, message: str) -> None:
    loader = build_train_loader(run_cfg(batch_size=4, num_workers=num_workers, seed=0), Gives(sample), CPU)
    with pytest.raises(DataError, match=message):
        list(loader.batches(0, 1))


def test_batches_that_cannot_be_made_are_reported_in_the_words_of_the_config() -> None:
    with pytest.raises(DataError, match=r"dataloader.train_data_set: Draws has no samples; fill self.dataset"):
        build_train_loader(run_cfg(batch_size=1, seed=0), Draws(0), CPU)
    with pytest.raises(DataError, match=r"train_data_set: it has 3 samples, fewer than one batch \(solver.train_per_batch is 4\)"):
        build_train_loader(run_cfg(batch_size=4, seed=0), Draws(3), CPU)
    message = r"solver.train_per_batch is 5, .* 2 parts each \(solver.gradient_accumulation_batch\); nearest sizes that can: 4 and 6"
    with pytest.raises(ConfigError, match=message), name_in_errors(WORDS):
        build_train_loader(run_cfg(batch_size=5, accumulation=2, seed=0), Draws(9), CPU)
    with pytest.raises(DataError, match="dataloader.val_data_set: Draws has no samples"):
        build_test_loader(run_cfg(batch_size=1, seed=0), Draws(0), CPU)
