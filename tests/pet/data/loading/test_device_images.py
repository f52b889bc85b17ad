"""Batches from images that lie on the device compared with those that are read each time."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data import build_dataset, build_training_data
from pet.data.targets.dataset import Expectation
from petlib.config import CfgNode, keys_in_errors
from petlib.data.train_loader import TrainLoader
from petlib.errors import ConfigError, DataError
from tests.pet.data.test_image_loaders import make_cfg

CPU = torch.device("cpu")
EXPECTED = Expectation(("label",), {"label": 2})
TRANSFORMS = [
    {"name": "Resize", "size": [36, 44]},
    {"name": "RandomCrop", "size": 32, "padding": 4, "border": "reflect"},
    "RandomHorizontalFlip",
    {"name": "RandomErasing", "probability": 0.5, "value": [125, 123, 114]},
    {"name": "Normalize", "mean": [0.5, 0.25, 0.0], "std": [0.5, 0.5, 1.0]},
]


@pytest.fixture
def data(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    for number in range(20):
        path = tmp_path / "colours" / ("warm", "cold")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (40, 50 + number, 3), dtype=np.uint8))
    return str(tmp_path / "colours")


def cfg_of(data: str, cache: str, **values: Any) -> CfgNode:
    settings = {"TRAIN__TRANSFORMS": TRANSFORMS, "TRAIN__MIXUP__MIXUP_ALPHA": 0.3, "MODEL__NUM_CLASSES": 2, "DATA__CACHE_SPARE": 0.0}
    return make_cfg(TRAIN__DATASETS=[data], DATA__CACHE=cache, **(settings | values))


def loader_of(data: str, cache: str, device: torch.device = CPU, **values: Any) -> TrainLoader:
    cfg = cfg_of(data, cache, **values)
    with keys_in_errors(cfg):
        return build_training_data(cfg, device, EXPECTED)


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name in ("image", "label", "label_weights"):
        assert torch.equal(found[name], expected[name]), name
    assert found["meta"] == expected["meta"]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_a_run_without_a_cache(data: str, workers: int) -> None:
    expected = list(loader_of(data, "none").batches(0, 5))
    loader = loader_of(data, "device", TRAIN__NUM_WORKERS=workers)
    for found, batch in zip(loader.batches(0, 5), expected, strict=True):
        assert_same(found, batch)
    # a run that continues
    for found, batch in zip(loader.batches(3, 5), expected[3:], strict=True):
        assert_same(found, batch)


def test_two_processes_share_out_the_batch_of_one(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"TRAIN__MIXUP__MIXUP_ALPHA": 0.0}
    whole = list(loader_of(data, "none", **plain).batches(0, 3))
    monkeypatch.setattr("petlib.data.build.world_size", lambda: 2)
    parts = []
    for rank in range(2):
        monkeypatch.setattr("petlib.data.build.rank", lambda rank=rank: rank)
        parts.append(list(loader_of(data, "device", **plain).batches(0, 3)))
    for first, second, batch in zip(*parts, whole, strict=True):
        assert torch.equal(torch.cat([first["image"], second["image"]]), batch["image"])


def test_files_are_read_once(data: str) -> None:
    loader = loader_of(data, "device")
    for path in Path(data).rglob("*.jpg"):
        path.unlink()
    assert len(list(loader.batches(0, 4))) == 4


def test_a_sample_that_cannot_be_read_is_replaced_by_the_one_that_replaces_it_without_a_cache(data: str, tmp_path: Path) -> None:
    broken = Path(data) / "warm" / "4.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    skip = {"DATA__ON_ERROR": "skip", "DATA__MAX_ERROR_SHARE": 1.0, "DATA__CHECK_SAMPLES": 0, "MISC__CKPT": str(tmp_path / "out")}
    (tmp_path / "out").mkdir()
    expected = list(loader_of(data, "none", **skip).batches(0, 4))
    for found, batch in zip(loader_of(data, "device", **skip).batches(0, 4), expected, strict=True):
        assert_same(found, batch)
    with pytest.raises(DataError, match=r"4\.jpg"):
        loader_of(data, "device", DATA__CHECK_SAMPLES=0)


@pytest.mark.parametrize(
    ("transforms", "spare", "message"),
    [
        (TRANSFORMS[1:], 0.0, r"DATA.CACHE: device keeps images of one size; .*jpg has 40x\d+x3 .* begin the transforms with a Resize"),
        (
            [{"name": "RandomResizedCrop", "size": 8}],
            *(
                0.0,
                r"TRAIN.TRANSFORMS\[0\]: RandomResizedCrop: it has no form for batches.* DATA.CACHE is device; set it to",
            ),
        ),
        (TRANSFORMS, 100.0, r"DATA.CACHE: device given, but 20 images .* GB, and cpu has .* set it to memory"),
    ],
)
def test_what_cannot_lie_on_the_device_is_refused(data: str, transforms: list[Any], spare: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loader_of(data, "device", TRAIN__TRANSFORMS=transforms, DATA__CACHE_SPARE=spare, DATA__CHECK_SAMPLES=0)


def test_objects_are_refused(data: str) -> None:
    cfg = cfg_of(data, "device")
    with keys_in_errors(cfg), pytest.raises(ConfigError, match="this model learns from boxes, whose places would have to follow"):
        build_dataset(cfg, [data], ["boxes"])


@pytest.mark.cuda
def test_batches_are_cut_on_the_gpu_without_waiting_for_it(data: str) -> None:
    expected = list(loader_of(data, "none").batches(0, 5))
    batches = loader_of(data, "device", torch.device("cuda")).batches(0, 5)
    found = [next(batches)]
    torch.cuda.set_sync_debug_mode("error")
    try:
        found += batches
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for batch, other in zip(found, expected, strict=True):
        torch.testing.assert_close(batch["image"].cpu(), other["image"], atol=1e-5, rtol=1e-5)
