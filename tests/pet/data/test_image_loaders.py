"""Loaders from a config: what a model gets to see."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from pet.data import build_dataset, build_test_loader, build_train_loader
from pet.data.build import start_worker
from pet.data.labelled import LabelledDataset
from pet.vision import config
from petlib.config import CfgNode, ConfigError
from petlib.errors import DataError

CPU = torch.device("cpu")
NORMALIZE = {"name": "Normalize", "mean": [0.5, 0.25, 0.0], "std": [0.5, 0.5, 1.0]}


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    settings = {
        "MODEL.NUM_CLASSES": 10,
        "TRAIN.BATCH_SIZE": 8,
        "TRAIN.NUM_WORKERS": 0,
        "TEST.NUM_WORKERS": 0,
        "TEST.IMS_PER_GPU": 50,
        "SOLVER.SCHEDULER.TOTAL_EPOCHS": 2,
    }
    for key, value in (settings | {name.replace("__", "."): value for name, value in values.items()}).items():
        cfg.set(key, value)
    return cfg


@pytest.fixture(scope="module")
def digits() -> LabelledDataset:
    return build_dataset(make_cfg(), ["digits_test"])


def train_batches(cfg: CfgNode, dataset: LabelledDataset, count: int = 2) -> list[dict[str, Any]]:
    return list(build_train_loader(cfg, dataset, CPU).batches(0, count))


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_training_batch(channels_last: bool, digits: LabelledDataset) -> None:
    cfg = make_cfg(TRAIN__TRANSFORMS=["Resize", NORMALIZE], TRAIN__RESIZE__SCALES=[16, 24], MISC__CHANNELS_LAST=channels_last)
    batch = train_batches(cfg, digits)[0]
    assert (batch["image"].shape, batch["image"].dtype) == ((8, 3, 16, 16), torch.float32)
    assert batch["image"].is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    assert batch["label"].dtype == torch.int64
    for place, meta in enumerate(batch["meta"]):
        sample = digits[meta["index"]]
        assert batch["label"][place] == sample["label"]
        pixels = cv2.resize(sample["image"], (16, 16)) / 255
        np.testing.assert_allclose(batch["image"][place, 1].numpy(), (pixels[..., 1] - 0.25) / 0.5, atol=1e-6)


def test_an_epoch_has_every_sample_once_in_a_seeded_order(digits: LabelledDataset) -> None:
    def order(cfg: CfgNode) -> list[int]:
        loader = build_train_loader(cfg, digits, CPU)
        assert loader.iterations_per_epoch == 45
        return [meta["index"] for batch in loader.batches(0, 45) for meta in batch["meta"]]

    first = order(make_cfg())
    assert sorted(first) == list(range(360))
    assert first == order(make_cfg())
    assert first != order(make_cfg(MISC__SEED=4))
    assert order(make_cfg(TRAIN__SHUFFLE=False)) == list(range(360))


def test_augmentation_is_the_same_whatever_the_number_of_workers(digits: LabelledDataset) -> None:
    entries = [
        {"name": "RandomCrop", "size": 8, "padding": 2},
        "RandomHorizontalFlip",
        {"name": "ColorJitter", "brightness": 0.5},
        NORMALIZE,
    ]
    one, two = (train_batches(make_cfg(TRAIN__TRANSFORMS=entries, TRAIN__NUM_WORKERS=workers), digits, 3) for workers in (0, 2))
    assert all(torch.equal(first["image"], second["image"]) for first, second in zip(one, two, strict=True))
    assert not torch.equal(one[0]["image"], one[1]["image"])


def test_mixing_adds_weights_of_the_labels(digits: LabelledDataset) -> None:
    cfg = make_cfg(TRAIN__MIXUP__MIXUP_ALPHA=0.8, TRAIN__MIXUP__CUTMIX_ALPHA=1.0)
    for batch in train_batches(cfg, digits, 6):
        assert batch["label_weights"].shape == (8, 10)
        torch.testing.assert_close(batch["label_weights"].sum(1), torch.ones(8))
    assert "label_weights" not in train_batches(make_cfg(), digits)[0]


def test_a_test_loader_gives_every_sample_in_order(digits: LabelledDataset) -> None:
    cfg = make_cfg(TEST__TRANSFORMS=["Resize"], TEST__RESIZE__SCALES=[16], TRAIN__MIXUP__MIXUP_ALPHA=0.8)
    batches = list(build_test_loader(cfg, digits, CPU))
    assert [meta["index"] for batch in batches for meta in batch["meta"]] == list(range(360))
    assert batches[0]["image"].shape == (50, 3, 16, 16)
    assert 0 <= batches[0]["image"].min() < batches[0]["image"].max() <= 1
    assert "label_weights" not in batches[0]


def test_images_of_different_sizes_are_told(tmp_path: Path) -> None:
    for number in range(8):
        folder = tmp_path / f"class{number % 2}"
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), np.zeros((10 + number, 12, 3), np.uint8))
    dataset = build_dataset(make_cfg(), [str(tmp_path)])
    with pytest.raises(DataError, match="the images of a batch have different sizes: .*resize or crop them to one size in TRANSFORMS"):
        train_batches(make_cfg(), dataset, 1)
    assert train_batches(make_cfg(TRAIN__TRANSFORMS=[{"name": "CenterCrop", "size": 12}]), dataset, 1)[0]["image"].shape == (8, 3, 12, 12)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_told_by_name(workers: int, tmp_path: Path) -> None:
    for number in range(8):
        folder = tmp_path / f"class{number % 2}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(folder / f"{number}.jpg")
    damaged = tmp_path / "class1" / "5.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    dataset = build_dataset(make_cfg(), [str(tmp_path)])
    with pytest.raises(DataError, match=r"class1/5\.jpg: the image is cut off") as failure:
        train_batches(make_cfg(TRAIN__NUM_WORKERS=workers), dataset, 1)
    assert "Traceback" not in str(failure.value)


def test_a_wrong_transform_and_too_few_samples_are_told(digits: LabelledDataset) -> None:
    with pytest.raises(ConfigError, match="transform RandomCrop: unknown argument 'paddding'; did you mean padding"):
        build_train_loader(make_cfg(TRAIN__TRANSFORMS=[{"name": "RandomCrop", "paddding": 2}]), digits, CPU)
    with pytest.raises(DataError, match="360"):
        build_train_loader(make_cfg(TRAIN__BATCH_SIZE=400), digits, CPU)


def test_a_worker_computes_on_one_thread() -> None:
    before = cv2.getNumThreads()
    try:
        start_worker()
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


@pytest.mark.cuda
def test_a_batch_is_prepared_on_the_gpu_without_waiting_for_it(digits: LabelledDataset) -> None:
    entries = ["Resize", NORMALIZE]
    mixup = {"TRAIN__MIXUP__MIXUP_ALPHA": 0.8, "TRAIN__MIXUP__CUTMIX_ALPHA": 1.0}
    cfg = make_cfg(TRAIN__TRANSFORMS=entries, TRAIN__RESIZE__SCALES=[16], **mixup)
    batches = build_train_loader(cfg, digits, torch.device("cuda")).batches(0, 8)
    found = [next(batches)]
    torch.cuda.set_sync_debug_mode("error")
    try:
        found += batches
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for batch, expected in zip(found, train_batches(cfg, digits, 8), strict=True):
        torch.testing.assert_close(batch["image"].cpu(), expected["image"], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(batch["label_weights"].cpu(), expected["label_weights"])
