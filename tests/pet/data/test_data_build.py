"""Loaders from a config: what reaches the model."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data import build_dataset, build_train_loader
from pet.data.loading.build import build_test_loader
from pet.vision import config
from petlib.config import CfgNode, ConfigError
from petlib.errors import DataError

CPU = torch.device("cpu")
NORMALIZE = {"name": "Normalize", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]}
AUGMENTATION = [{"name": "RandomCrop", "padding": 2}, "RandomHorizontalFlip", {"name": "ColorJitter", "brightness": 0.4}, "RandAugment"]


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    settings = {
        "TRAIN.DATASETS": ["digits_train"],
        "TEST.DATASETS": ["digits_test"],
        "TRAIN.BATCH_SIZE": 24,
        "TRAIN.NUM_WORKERS": 0,
        "TEST.NUM_WORKERS": 0,
        "TEST.IMS_PER_GPU": 100,
        "TRAIN.RESIZE.SCALES": [8],
        "TEST.RESIZE.SCALES": [8],
        "TRAIN.TRANSFORMS": [*AUGMENTATION, NORMALIZE],
        "TEST.TRANSFORMS": [NORMALIZE],
        "MODEL.NUM_CLASSES": 10,
    }
    for name, value in {**settings, **values}.items():
        cfg.set(name, value)
    return cfg


def train_batches(cfg: CfgNode, count: int) -> list[dict[str, Any]]:
    loader = build_train_loader(cfg, build_dataset(cfg, cfg.TRAIN.DATASETS, ["label"]), CPU, ["label"])
    return list(loader.batches(0, count))


def test_batches_do_not_depend_on_the_workers() -> None:
    alone, helped = (train_batches(make_cfg(**{"TRAIN.NUM_WORKERS": count, "TRAIN.MIXUP.MIXUP_ALPHA": 0.2}), 4) for count in (0, 2))
    for first, second in zip(alone, helped, strict=True):
        assert torch.equal(first["image"], second["image"])
        assert torch.equal(first["label_weights"], second["label_weights"])
        assert first["meta"] == second["meta"]
    assert not torch.equal(alone[0]["image"], alone[1]["image"])


def test_a_batch_is_normalised_on_the_device_as_samples_are() -> None:
    """Something after it keeps a Normalize with the samples."""
    at_the_end, in_the_list = (
        train_batches(make_cfg(**{"TRAIN.TRANSFORMS": entries}), 2)
        for entries in ([*AUGMENTATION, NORMALIZE], [*AUGMENTATION, NORMALIZE, {"name": "RandomVerticalFlip", "probability": 0.0}])
    )
    for first, second in zip(at_the_end, in_the_list, strict=True):
        assert first["image"].shape == (24, 3, 8, 8)
        assert first["image"].dtype == second["image"].dtype == torch.float32
        torch.testing.assert_close(first["image"], second["image"], atol=2e-6, rtol=0)


@pytest.mark.parametrize("channels_last", [True, False])
def test_memory_order(channels_last: bool) -> None:
    image = train_batches(make_cfg(**{"MISC.CHANNELS_LAST": channels_last}), 1)[0]["image"]
    assert image.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_labels_belong_to_their_images() -> None:
    cfg = make_cfg(**{"TRAIN.TRANSFORMS": []})
    dataset = build_dataset(cfg, cfg.TRAIN.DATASETS, ["label"])
    for batch in train_batches(cfg, 2):
        for image, label, meta in zip(batch["image"], batch["label"].tolist(), batch["meta"], strict=True):
            sample = dataset[meta["index"]]
            assert (label, meta["id"]) == (sample["label"], sample["meta"]["id"])
            torch.testing.assert_close(image, torch.from_numpy(sample["image"]).permute(2, 0, 1) / 255)


@pytest.mark.parametrize("name", ["TRAIN.MIXUP.MIXUP_ALPHA", "TRAIN.MIXUP.CUTMIX_ALPHA"])
def test_mixed_batches_have_weights_of_classes(name: str) -> None:
    batch = train_batches(make_cfg(**{name: 1.0}), 1)[0]
    weights = batch["label_weights"]
    assert weights.shape == (24, 10)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(24))
    own = weights[torch.arange(24), batch["label"]]
    partner = weights[torch.arange(24), batch["label"].flip(0)]
    differ = batch["label"] != batch["label"].flip(0)
    torch.testing.assert_close((own + partner)[differ], torch.ones(int(differ.sum())))
    assert "label_weights" not in train_batches(make_cfg(), 1)[0]


def test_order_and_randomness_follow_from_the_seed() -> None:
    first, second, other = (train_batches(make_cfg(**{"MISC.SEED": seed}), 1)[0] for seed in (1, 1, 2))
    assert torch.equal(first["image"], second["image"])
    assert first["meta"] != other["meta"]
    in_order = train_batches(make_cfg(**{"TRAIN.SHUFFLE": False}), 1)[0]
    assert [meta["index"] for meta in in_order["meta"]] == list(range(24))


def test_the_test_loader_gives_every_sample_once_in_order() -> None:
    cfg = make_cfg()
    loader = build_test_loader(cfg, build_dataset(cfg, cfg.TEST.DATASETS, ["label"]), CPU, ["label"])
    batches = list(loader)
    assert [len(batch["label"]) for batch in batches] == [100, 100, 100, 60] == [len(batch["image"]) for batch in batches]
    assert [meta["index"] for batch in batches for meta in batch["meta"]] == list(range(360))


def test_a_damaged_image_ends_a_worker_with_its_name(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(4):
            cv2.imwrite(str(tmp_path / name / f"{number}.jpg"), noise)
    path = tmp_path / "dog" / "2.jpg"
    path.write_bytes(path.read_bytes()[:1000])
    cfg = make_cfg(**{"TRAIN.DATASETS": [str(tmp_path)], "TRAIN.BATCH_SIZE": 8, "TRAIN.NUM_WORKERS": 1, "MODEL.NUM_CLASSES": 2})
    with pytest.raises(DataError, match=r"dog/2\.jpg: the image is cut off or damaged"):
        train_batches(cfg, 1)


def test_images_of_different_sizes_are_reported(tmp_path: Path) -> None:
    for number, height in enumerate((20, 30)):
        (tmp_path / f"class{number}").mkdir()
        cv2.imwrite(str(tmp_path / f"class{number}" / "1.png"), np.zeros((height, 20, 3), np.uint8))
    cfg = make_cfg(**{"TRAIN.DATASETS": [str(tmp_path)], "TRAIN.BATCH_SIZE": 2, "TRAIN.TRANSFORMS": [], "MODEL.NUM_CLASSES": 2})
    with pytest.raises(DataError, match="different sizes: .*resize or crop them to one size in TRANSFORMS"):
        train_batches(cfg, 1)


def test_mistakes_in_a_config_are_reported() -> None:
    with pytest.raises(ConfigError, match="no data set is named; set TRAIN.DATASETS and TEST.DATASETS"):
        build_dataset(make_cfg(), [], ["label"])
    with pytest.raises(ConfigError, match="unknown transform 'RandomErase'; did you mean RandomErasing"):
        train_batches(make_cfg(**{"TRAIN.TRANSFORMS": ["RandomErase"]}), 1)
    with pytest.raises(DataError, match="1437"):
        train_batches(make_cfg(**{"TRAIN.BATCH_SIZE": 2000}), 1)
