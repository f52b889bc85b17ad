"""Loaders from a config: a whole epoch, threads, and the work on a GPU."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data import build_dataset, build_train_loader, build_training_data
from pet.data.files.image_cache import CACHE
from pet.data.loading.build import start_worker
from pet.data.targets.dataset import Dataset, Expectation
from pet.vision import config
from petlib.config import CfgNode

CPU = torch.device("cpu")
NORMALIZE = {"name": "Normalize", "mean": [0.5, 0.25, 0.0], "std": [0.5, 0.5, 1.0]}


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    settings = {
        "MODEL.NUM_CLASSES": 10,
        "TRAIN.BATCH_SIZE": 8,
        "TRAIN.NUM_WORKERS": 0,
        "SOLVER.SCHEDULER.TOTAL_EPOCHS": 2,
    }
    for key, value in (settings | {name.replace("__", "."): value for name, value in values.items()}).items():
        cfg.set(key, value)
    return cfg


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return build_dataset(make_cfg(), ["digits_test"], ["label"])


def train_batches(cfg: CfgNode, dataset: Dataset, count: int = 2) -> list[dict[str, Any]]:
    return list(build_train_loader(cfg, dataset, CPU, ["label"]).batches(0, count))


def test_an_epoch_has_every_sample_once_in_a_seeded_order(digits: Dataset) -> None:
    def order(cfg: CfgNode) -> list[int]:
        loader = build_train_loader(cfg, digits, CPU, ["label"])
        assert loader.iterations_per_epoch == 45
        return [meta["index"] for batch in loader.batches(0, 45) for meta in batch["meta"]]

    first = order(make_cfg())
    assert sorted(first) == list(range(360))
    assert first == order(make_cfg())
    assert first != order(make_cfg(MISC__SEED=4))
    assert order(make_cfg(TRAIN__SHUFFLE=False)) == list(range(360))


def test_a_worker_computes_on_one_thread() -> None:
    before = cv2.getNumThreads()
    try:
        start_worker()
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


@pytest.mark.cuda
def test_a_batch_is_prepared_on_the_gpu_without_waiting_for_it(digits: Dataset) -> None:
    entries = ["Resize", NORMALIZE]
    mixup = {"TRAIN__MIXUP__MIXUP_ALPHA": 0.8, "TRAIN__MIXUP__CUTMIX_ALPHA": 1.0}
    cfg = make_cfg(TRAIN__TRANSFORMS=entries, TRAIN__RESIZE__SCALES=[16], **mixup)
    batches = build_train_loader(cfg, digits, torch.device("cuda"), ["label"]).batches(0, 8)
    found = [next(batches)]
    torch.cuda.set_sync_debug_mode("error")
    try:
        found += batches
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for batch, expected in zip(found, train_batches(cfg, digits, 8), strict=True):
        torch.testing.assert_close(batch["image"].cpu(), expected["image"], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(batch["label_weights"].cpu(), expected["label_weights"])


def write_colours(folder: Path) -> str:
    rng = np.random.default_rng(0)
    for number in range(16):
        path = folder / "colours" / ("warm", "cold")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    return str(folder / "colours")


def epochs_of(data: str, cache: str, folder: Path, workers: int) -> list[torch.Tensor]:
    transforms = [{"name": "RandomResizedCrop", "size": 32}, "RandomHorizontalFlip", {"name": "ColorJitter", "brightness": 0.4}]
    settings = {"TRAIN__NUM_WORKERS": workers, "TRAIN__TRANSFORMS": transforms, "TRAIN__DATASETS": [data], "MODEL__NUM_CLASSES": 2}
    cfg = make_cfg(**settings, DATA__CACHE=cache, DATA__CACHE_FOLDER=str(folder), DATA__CACHE_SPARE=0.0)
    try:
        loader = build_training_data(cfg, CPU, Expectation(("label",), {"label": 2}))
        return [batch["image"] for batch in loader.batches(0, 4)]
    finally:
        CACHE.close()


def test_samples_are_the_same_with_images_that_were_decoded_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = write_colours(tmp_path)
    expected = epochs_of(data, "none", tmp_path / "cache", 0)
    for workers in (2, 0):
        for image, other in zip(epochs_of(data, "disk", tmp_path / "cache", workers), expected, strict=True):
            assert torch.equal(image, other)
    assert sum(path.is_file() for path in (tmp_path / "cache").rglob("*")) == 16
    assert "DATA.CACHE" not in caplog.text


def test_a_cache_for_data_without_image_files_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before, CACHE.read = CACHE.read, 0
    cfg = make_cfg(TRAIN__DATASETS=["digits_train"], DATA__CACHE="disk", DATA__CACHE_FOLDER=str(tmp_path / "cache"))
    try:
        build_training_data(cfg, CPU, Expectation(("label",), {"label": 10}))
    finally:
        CACHE.close()
        CACHE.read = before
    assert "DATA.CACHE: disk has no effect" in caplog.text
