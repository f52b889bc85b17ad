import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from petlib.data import SampleReader, TrainLoader
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.samplers import ShuffledSampler
from petlib.data.skipped_samples import SkippedSamples
from petlib.data.train_batches import TrainBatches
from petlib.distributed.process_group import rank, world_size
from petlib.errors import DataError
from tests.conftest import RunRanks

CPU = torch.device("cpu")


class Files:
    """Of a hundred files some are damaged."""

    def __init__(self, damaged: frozenset[int]) -> None:
        self._damaged = damaged

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index in self._damaged:
            raise DataError(f"data/{index}.png: the image is cut off")
        return {"image": np.full(3, index), "meta": {"file": f"data/{index}.png"}}


def batches_of(
    folder: Path, damaged: set[int], *, start: int = 0, stop: int = 10, num_workers: int = 0, max_share: float = 0.5
) -> list[dict[str, Any]]:
    reader = SampleReader(Files(frozenset(damaged)), seed=3, on_error="skip")
    plan = TrainBatches(ShuffledSampler(100, seed=3), batch_size=20, rank=rank(), world_size=world_size(), accumulation=2, epochwise=True)
    skipped = SkippedSamples(folder, max_share=max_share)
    return list(TrainLoader(reader, plan, device=CPU, num_workers=num_workers, seed=3, skipped=skipped).batches(start, stop))


def test_without_skipping_the_message_names_the_way_out(tmp_path: Path) -> None:
    reader = SampleReader(Files(frozenset(range(100))), seed=3)
    plan = TrainBatches(ShuffledSampler(100, seed=3), batch_size=20, rank=0, world_size=1, accumulation=1, epochwise=True)
    way_out = r"DATA\.ON_ERROR: skip trains with other samples in the place of such, and tools/data/check\.py finds all of them beforehand"
    with pytest.raises(DataError, match=rf"the image is cut off; {way_out}$"):
        list(TrainLoader(reader, plan, device=CPU, seed=3).batches(0, 1))


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "skipped_samples.jsonl").read_text().splitlines()]


def places(folder: Path) -> list[tuple[int, int, int]]:
    return sorted((entry["epoch"], entry["position"], entry["index"]) for entry in entries(folder))


def images(batches: list[dict[str, Any]]) -> list[list[int]]:
    return [batch["image"][:, 0].tolist() for batch in batches]


def test_every_skipped_sample_has_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        batches = batches_of(tmp_path, {7, 30})
    assert [len(batch["meta"]) for batch in batches] == [10] * 20
    listed = entries(tmp_path)
    # two epochs of five iterations
    assert sorted((entry["epoch"], entry["index"]) for entry in listed if entry["index"] in (7, 30))[:4] == [
        (1, 7),
        (1, 30),
        (2, 7),
        (2, 30),
    ]
    assert all(entry["reason"].endswith(f"data/{entry['index']}.png: the image is cut off") for entry in listed)
    assert all((entry["iteration"] - 1) // 5 + 1 == entry["epoch"] for entry in listed)
    assert len(set(places(tmp_path))) == len(listed)
    seen = [image for batch in images(batches) for image in batch]
    assert not {7, 30} & set(seen)
    assert sum("another one takes its place" in message for message in caplog.messages) == len(listed)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_change_nothing(tmp_path: Path, num_workers: int) -> None:
    first = batches_of(tmp_path / "a", {7, 30, 31, 32})
    second = batches_of(tmp_path / "b", {7, 30, 31, 32}, num_workers=num_workers)
    assert images(first) == images(second)
    assert entries(tmp_path / "a") == entries(tmp_path / "b")


def test_a_resumed_run_lists_nothing_twice(tmp_path: Path) -> None:
    damaged = set(range(0, 40, 3))
    whole = batches_of(tmp_path / "whole", damaged)
    batches_of(tmp_path / "cut", damaged, stop=8)
    with (tmp_path / "cut" / "skipped_samples.jsonl").open("a") as file:
        file.write('{"iteration": 8, "epo')
    resumed = batches_of(tmp_path / "cut", damaged, start=6)
    assert images(resumed) == images(whole)[12:]
    assert places(tmp_path / "cut") == places(tmp_path / "whole")
    # a run that begins anew has a list of its own
    batches_of(tmp_path / "cut", {7})
    assert {entry["index"] for entry in entries(tmp_path / "cut")} == {7}


def test_batches_that_come_again_are_not_listed_again(tmp_path: Path) -> None:
    reader = SampleReader(Files(frozenset({7, 30})), seed=3, on_error="skip")
    plan = TrainBatches(ShuffledSampler(100, seed=3), batch_size=20, epochwise=True)
    loader = TrainLoader(reader, plan, device=CPU, seed=3, skipped=SkippedSamples(tmp_path, max_share=0.5))
    list(loader.batches(0, 5))
    first = places(tmp_path)
    list(loader.batches(2, 5))
    assert places(tmp_path) == first


def test_too_many_end_the_run(tmp_path: Path) -> None:
    message = (
        r"^1[1-9] of \d+ training samples \([\d.]+%\) could not be read, more than SkippedSamples.max_share \(0.05\) lets pass. Fix them "
        r"or take them out of the data; .*skipped_samples.jsonl lists them, among them\n"
        r"  sample \d+: .*data/\d+.png: the image is cut off\n"
    )
    with pytest.raises(DataError, match=message):
        batches_of(tmp_path, set(range(50)), max_share=0.05)
    assert len(entries(tmp_path)) > 10


def test_few_are_let_pass_at_any_share(tmp_path: Path) -> None:
    batches_of(tmp_path, {7}, stop=10, max_share=0.0)
    assert len(entries(tmp_path)) <= 10


def test_an_evaluation_always_raises() -> None:
    loader = EvaluationLoader(SampleReader(Files(frozenset({7})), seed=3), batch_size=10, device=CPU)
    with pytest.raises(DataError, match="data/7.png: the image is cut off"):
        list(loader)


def list_on_ranks(folder: str) -> list[list[int]]:
    return images(batches_of(Path(folder), {7, 30, 31, 32, 60}))


def test_ranks_share_a_list(run_ranks: RunRanks, tmp_path: Path) -> None:
    first, second = run_ranks(list_on_ranks, 2, str(tmp_path / "two"))
    assert [len(batch) for batch in first] == [len(batch) for batch in second] == [5] * 20
    alone = images(batches_of(tmp_path / "one", {7, 30, 31, 32, 60}))
    assert [a + b for a, b in zip(first, second, strict=True)] == alone
    assert places(tmp_path / "two") == places(tmp_path / "one")
