# ruff: noqa: A002 -- antgo's names
"""From an entry of ``data`` to batches."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from pet.compat.antgo.dataflow.dataset.dataset import Dataset
from pet.compat.antgo.framework.helper import reader
from pet.compat.antgo.framework.helper.dataset.builder import PIPELINES
from pet.compat.antgo.loaders import build_evaluation_loader, build_train_loader
from pet.compat.antgo.samples import build_dataset
from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.errors import ConfigError, DataError

CPU = torch.device("cpu")
SIZE = 10


@reader.register
class NoisySquares(Dataset):
    """Squares with noise from the three global generators."""

    def __init__(self, train_or_test: str = "train", dir: str | None = None, ext_params: dict[str, Any] | None = None) -> None:
        super().__init__(train_or_test, dir, ext_params)
        self.image = np.zeros((8, 8, 3), np.uint8)

    @property
    def size(self) -> int:
        return int(self.ext_params.get("size", SIZE))

    def sample(self, id: int) -> dict[str, Any]:
        noise = [random.random(), np.random.rand(), torch.rand(1).item()]
        return {
            "image": self.image,
            "segments": np.full((8, 8), id, np.uint8),
            "noise": noise,
            "bboxes": np.zeros((id % 3, 4), np.float32),
            "label": id,
            "image_meta": {"image_file": f"square {id}"},
        }


@PIPELINES.register_module()
class WriteNoise:
    """Writes into what it is given, as antgo's steps do."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        results["image"] += np.random.randint(1, 9, dtype=np.uint8)
        results["drawn"] = [random.random(), np.random.rand(), torch.rand(1).item()]
        return results


@PIPELINES.register_module()
class ForgetsToReturn:
    def __call__(self, results: dict[str, Any]) -> None:
        results["done"] = True


def entry(**changes: Any) -> dict[str, Any]:
    given = {
        "type": "NoisySquares",
        "train_or_test": "train",
        "pipeline": [{"type": "WriteNoise"}, {"type": "Rotation"}, {"type": "ToTensor"}, {"type": "UnSqueeze", "keys": ["segments"]}],
        "inputs_def": {"fields": ["image", "segments", "noise", "drawn", "label"]},
    }
    return {**given, **changes}


def run_cfg(seed: int = 0) -> CfgNode:
    """Return Pet's settings of a run."""
    cfg = CfgNode(PETLIB_SCHEMA)
    cfg.merge_from_list([f"MISC.SEED={seed}"])
    return cfg


def batches(start: int, stop: int, **settings: Any) -> Iterator[dict[str, Any]]:
    dataset = build_dataset(entry(), place="data.train")
    options: dict[str, Any] = {"samples_per_gpu": 4, "workers_per_gpu": 0, "cfg": run_cfg(seed=7), "device": CPU, **settings}
    return build_train_loader(dataset, **options).batches(start, stop)


def labels(given: Iterator[dict[str, Any]]) -> list[list[int]]:
    return [batch["label"].tolist() for batch in given]


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in ("image", "segments", "noise", "drawn", "label"))


def test_a_batch_has_the_fields_of_the_config_in_their_order() -> None:
    (batch,) = batches(0, 1)
    assert list(batch) == ["image", "segments", "noise", "drawn", "label", "meta"]
    assert batch["image"].shape == (4, 3, 8, 8) and batch["image"].dtype == torch.float32
    assert batch["segments"].shape == (4, 1, 8, 8)
    # what comes in by the rotation does not count
    assert set(batch["segments"].unique().tolist()) - {255} == set(batch["label"].tolist())
    assert [own["index"] for own in batch["meta"]] == batch["label"].tolist()
    assert batch["meta"][0]["file"] == f"square {batch['label'][0]}"


def test_batches_repeat_whatever_the_number_of_workers_and_from_where_a_run_goes_on() -> None:
    at_once = list(batches(0, 6))
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)
    in_workers = list(batches(0, 6, workers_per_gpu=2))
    resumed = list(batches(3, 6, workers_per_gpu=1))
    assert all(same(*pair) for pair in zip(at_once, in_workers, strict=True))
    assert all(same(*pair) for pair in zip(at_once[3:], resumed, strict=True))
    drawn = torch.cat([batch[name].flatten() for batch in at_once for name in ("noise", "drawn")])
    assert len(drawn.unique()) == len(drawn), "every number is drawn once"
    assert not same(at_once[0], next(batches(0, 1, cfg=run_cfg(seed=8))))


def test_reading_leaves_the_global_generators_of_the_run_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    next(batches(0, 1))
    assert torch.equal(torch.rand(1), expected)


def test_steps_of_the_user_do_not_write_into_the_data_set() -> None:
    dataset = build_dataset(entry(), place="data.train")
    loader = build_train_loader(dataset, samples_per_gpu=2, cfg=run_cfg(), device=CPU)
    list(loader.batches(0, 3))
    assert isinstance(dataset.dataset, NoisySquares)
    assert not dataset.dataset.image.any()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"shuffle": False, "drop_last": True}, [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 2, 3]]),
        ({"shuffle": False, "drop_last": False}, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]),
    ],
)
def test_the_end_of_an_epoch_is_dropped_or_shared(settings: dict[str, Any], expected: list[list[int]]) -> None:
    assert labels(batches(0, 3, **settings)) == expected


def test_shuffled_epochs_hold_every_sample_once() -> None:
    order = sum(labels(batches(0, 5)), [])
    assert sorted(order[:SIZE]) == sorted(order[SIZE:]) == list(range(SIZE))
    assert order[:SIZE] != order[SIZE:]


def test_objects_and_arrays_of_unequal_shapes_come_as_lists() -> None:
    fields = ["image_meta", "bboxes", "image"]
    dataset = build_dataset(entry(pipeline=[], inputs_def={"fields": fields}), place="data.val")
    (batch, *_) = build_evaluation_loader(dataset, samples_per_gpu=3, cfg=run_cfg(), device=CPU)
    assert list(batch) == [*fields, "meta"]
    assert batch["image_meta"] == [{"image_file": f"square {number}"} for number in range(3)]
    assert [boxes.shape for boxes in batch["bboxes"]] == [(0, 4), (1, 4), (2, 4)]
    assert batch["image"].shape == (3, 8, 8, 3)
    assert set(batch["meta"][0]) == {"id", "file", "index", "draw"}


def test_an_evaluation_gives_every_sample_once_in_order() -> None:
    dataset = build_dataset(entry(), place="data.val")
    loader = build_evaluation_loader(dataset, samples_per_gpu=4, workers_per_gpu=1, cfg=run_cfg(), device=CPU)
    assert labels(iter(loader)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "NoisySquare"}, "data.train: unknown data set 'NoisySquare'; did you mean NoisySquares"),
        ({"dri": "x"}, "data.train: data set NoisySquares: unknown argument 'dri'; did you mean dir?"),
        ({"inputs_def": {}}, "data.train.inputs_def: {} given; dict(fields=[...])"),
        ({"inputs_def": {"fields": ["image"], "field": 1}}, "data.train.inputs_def: unknown entry 'field'; did you mean fields?"),
        ({"inputs_def": {"fields": "image"}}, "a list of names expected"),
        (
            {"pipeline": [{"type": "ResizeS", "target_dim": 4}, {"type": "ToTensors"}]},
            "data.train.pipeline.1: unknown pipeline step 'ToTensors'",
        ),
        ({"pipeline": {"type": "ToTensor"}}, "data.train.pipeline: "),
        ({"ext_params": {"size": -1}}, "data.train: NoisySquares.size is -1; the number of samples expected"),
    ],
)
def test_an_entry_that_is_wrong_is_reported(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_dataset(entry(**changes), place="data.train")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        (
            {"inputs_def": {"fields": ["image", "segment"]}},
            {},
            "data.train (NoisySquares): inputs_def.fields has 'segment', which its samples do not; did you mean segments? "
            "(they have image, segments, noise,",
        ),
        ({"pipeline": [{"type": "ForgetsToReturn"}]}, {}, "step 0 of the pipeline, ForgetsToReturn, returned None"),
        (
            {"ext_params": {"size": 3}},
            {},
            "data.train: it has 3 samples, fewer than the 4 of one step (data.train_dataloader.samples_per_gpu",
        ),
        ({"ext_params": {"size": 0}}, {}, "data.train: NoisySquares has no samples"),
        ({}, {"samples_per_gpu": 0}, "data.train_dataloader.samples_per_gpu: 0 given"),
        ({}, {"workers_per_gpu": -1}, "data.train_dataloader.workers_per_gpu: -1 given"),
    ],
)
def test_what_no_training_can_read_is_reported_before_it_begins(changes: dict[str, Any], settings: dict[str, Any], message: str) -> None:
    dataset = build_dataset(entry(**changes), place="data.train")
    options: dict[str, Any] = {"samples_per_gpu": 4, "cfg": run_cfg(), "device": CPU, **settings}
    with pytest.raises((ConfigError, DataError)) as caught:
        build_train_loader(dataset, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["drop_last", "shuffle"])
def test_an_evaluation_leaves_nothing_out(name: str) -> None:
    dataset = build_dataset(entry(), place="data.val")
    options: dict[str, Any] = {name: True}
    with pytest.raises(ConfigError, match=rf"data.test_dataloader.{name}: True given; an evaluation looks at every sample"):
        build_evaluation_loader(dataset, samples_per_gpu=1, cfg=run_cfg(), device=CPU, place="data.test_dataloader", **options)


def test_a_sample_must_be_a_dictionary_without_pets_own_field() -> None:
    class Odd(NoisySquares):
        def sample(self, id: int) -> Any:
            return {"meta": 1} if self.dir == "meta" else None

    reader.register(Odd)
    for folder, message in ((None, "Odd.sample(0) gave None; a dictionary"), ("meta", "'meta', a name of Pet's own")):
        dataset = build_dataset(entry(type="Odd", dir=folder), place="data.train")
        with pytest.raises(DataError) as caught:
            build_train_loader(dataset, samples_per_gpu=1, cfg=run_cfg(), device=CPU)
        assert message in str(caught.value)


def test_size_may_be_a_function_as_the_text_of_the_document_says() -> None:
    @reader.register
    class Counted(Dataset):
        def size(self) -> int:  # type: ignore[override]
            return 2

        def sample(self, id: int) -> dict[str, Any]:
            return {"label": id}

    assert len(build_dataset({"type": "Counted", "inputs_def": {"fields": ["label"]}}, place="data.train")) == 2
