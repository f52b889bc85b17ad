"""Loaders from the settings of a run: every one of them counts."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.data import TrainLoader, build_evaluation_loader, build_train_loader
from petlib.data.build import LoaderSettings, TrainLoaderSettings
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.errors import ConfigError, DataError

CPU = torch.device("cpu")


class Numbers:
    """Its samples are their numbers; some cannot be read."""

    def __init__(self, count: int, damaged: tuple[int, ...] = ()) -> None:
        self.count = count
        self.damaged = damaged

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index in self.damaged:
            raise DataError(f"number {index} is damaged")
        return {"number": np.int64(index), "drawn": np.random.default_rng(0).integers(9)}


def make_cfg(folder: Path, **settings: Any) -> CfgNode:
    cfg = CfgNode(PETLIB_SCHEMA)
    cfg.merge_from_list([f"MISC.CKPT={folder}", *(f"{key.replace('__', '.')}={value}" for key, value in settings.items())])
    return cfg


def numbers_of(loader: TrainLoader, stop: int) -> list[list[int]]:
    return [batch["number"].tolist() for batch in loader.batches(0, stop)]


def test_the_settings_of_a_training_are_read_from_its_config(tmp_path: Path) -> None:
    cfg = make_cfg(
        tmp_path,
        TRAIN__BATCH_SIZE=6,
        TRAIN__NUM_WORKERS=4,
        TRAIN__PREFETCH=5,
        TRAIN__SHUFFLE=False,
        SOLVER__ACCUMULATION=3,
        SOLVER__SCHEDULER__TOTAL_EPOCHS=1,
        MISC__SEED=7,
        MISC__LOADER_TIMEOUT=8.0,
        DATA__ON_ERROR="skip",
        DATA__MAX_ERROR_SHARE=0.5,
    )
    assert TrainLoaderSettings.of_training(cfg) == TrainLoaderSettings(
        batch_size=6,
        num_workers=4,
        timeout=8.0,
        seed=7,
        accumulation=3,
        epochwise=True,
        prefetch=5,
        shuffle=False,
        on_error="skip",
        max_error_share=0.5,
        folder=tmp_path,
    )


def test_the_settings_of_an_evaluation_are_read_from_its_config(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path, TEST__IMS_PER_GPU=5, TEST__NUM_WORKERS=1, MISC__SEED=7, MISC__LOADER_TIMEOUT=8.0)
    assert LoaderSettings.of_evaluation(cfg) == LoaderSettings(batch_size=5, num_workers=1, timeout=8.0, seed=7)


def test_no_setting_can_be_left_out() -> None:
    assert {field.name for field in fields(TrainLoaderSettings)} >= {field.name for field in fields(LoaderSettings)}
    with pytest.raises(TypeError, match="'timeout'"):
        LoaderSettings(batch_size=1, num_workers=0, seed=0)  # type: ignore[call-arg]


def test_a_training_goes_through_the_data_as_the_config_says(tmp_path: Path) -> None:
    settings = {"TRAIN__BATCH_SIZE": 4, "TRAIN__NUM_WORKERS": 0, "SOLVER__ACCUMULATION": 2}
    in_order = build_train_loader(make_cfg(tmp_path, TRAIN__SHUFFLE=False, **settings), Numbers(6), CPU)
    assert numbers_of(in_order, 2) == [[0, 1], [2, 3], [4, 5], [0, 1]]
    epochwise = build_train_loader(make_cfg(tmp_path, TRAIN__SHUFFLE=False, SOLVER__SCHEDULER__TOTAL_EPOCHS=2, **settings), Numbers(6), CPU)
    assert numbers_of(epochwise, 2) == [[0, 1], [2, 3], [0, 1], [2, 3]]
    shuffled = build_train_loader(make_cfg(tmp_path, **settings), Numbers(6), CPU)
    assert sorted(number for batch in numbers_of(shuffled, 3) for number in batch) == sorted([*range(6)] * 2)
    assert numbers_of(shuffled, 3) != numbers_of(in_order, 3)


def test_a_batch_that_cannot_be_made_is_reported_with_the_names_that_its_user_knows(tmp_path: Path) -> None:
    settings = TrainLoaderSettings.of_training(make_cfg(tmp_path, TRAIN__BATCH_SIZE=5, SOLVER__ACCUMULATION=2))
    with pytest.raises(ConfigError, match=r"^batch_size is 5, which .* with 2 parts each \(accumulation\); .* 4 and 6$"):
        build_train_loader(settings, Numbers(6), CPU)
    with pytest.raises(ConfigError, match=r"^TRAIN.BATCH_SIZE is 5, which .* with 2 parts each \(SOLVER.ACCUMULATION\); .* 4 and 6$"):
        build_train_loader(make_cfg(tmp_path, TRAIN__BATCH_SIZE=5, SOLVER__ACCUMULATION=2), Numbers(6), CPU)
    with pytest.raises(DataError, match=r"an epoch has 6 samples, fewer than one batch \(TRAIN.BATCH_SIZE is 8\)"):
        build_train_loader(make_cfg(tmp_path, TRAIN__BATCH_SIZE=8), Numbers(6), CPU)


def test_transforms_of_samples_and_batches_are_applied(tmp_path: Path) -> None:
    loader = build_train_loader(
        make_cfg(tmp_path, TRAIN__BATCH_SIZE=2, TRAIN__NUM_WORKERS=0, TRAIN__SHUFFLE=False),
        Numbers(2),
        CPU,
        transforms=lambda sample, rng: {**sample, "number": sample["number"] + 10},
        batch_transforms=[lambda batch, rng: {**batch, "number": batch["number"] * 2}],
    )
    assert numbers_of(loader, 1) == [[20, 22]]


def test_a_sampler_replaces_the_order_of_the_settings(tmp_path: Path) -> None:
    class Backwards:
        def __len__(self) -> int:
            return 4

        def indices(self, epoch: int, positions: np.ndarray) -> np.ndarray:
            return 3 - positions

    cfg = make_cfg(tmp_path, TRAIN__BATCH_SIZE=4, TRAIN__NUM_WORKERS=0)
    assert numbers_of(build_train_loader(cfg, Numbers(4), CPU, sampler=Backwards()), 1) == [[3, 2, 1, 0]]


def test_samples_that_cannot_be_read_end_a_training_or_are_replaced_and_listed(tmp_path: Path) -> None:
    settings = {"TRAIN__BATCH_SIZE": 8, "TRAIN__NUM_WORKERS": 0}
    with pytest.raises(DataError, match="number 3 is damaged"):
        numbers_of(build_train_loader(make_cfg(tmp_path, **settings), Numbers(8, damaged=(3,)), CPU), 1)
    assert not (tmp_path / "skipped_samples.jsonl").exists()
    loader = build_train_loader(make_cfg(tmp_path, DATA__ON_ERROR="skip", **settings), Numbers(8, damaged=(3,)), CPU)
    (numbers,) = numbers_of(loader, 1)
    assert len(numbers) == 8 and 3 not in numbers
    assert '"index": 3' in (tmp_path / "skipped_samples.jsonl").read_text()


def test_an_evaluation_takes_everything_once_in_order(tmp_path: Path) -> None:
    settings = {"TEST__IMS_PER_GPU": 2, "TEST__NUM_WORKERS": 0, "DATA__ON_ERROR": "skip"}
    loader: EvaluationLoader = build_evaluation_loader(make_cfg(tmp_path, **settings), Numbers(5), CPU)
    assert [batch["number"].tolist() for batch in loader] == [[0, 1], [2, 3], [4]]
    with pytest.raises(DataError, match="number 4 is damaged"):
        list(build_evaluation_loader(make_cfg(tmp_path, **settings), Numbers(5, damaged=(4,)), CPU))
