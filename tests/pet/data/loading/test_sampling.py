"""Which samples of a training come, and in which order."""

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pet.data import build_training_data
from pet.data.loading.joined import SomeSamples
from pet.data.loading.sampling import build_sampler, without_empty
from pet.data.targets.dataset import Dataset, DatasetInfo, Expectation, ImageTruth
from pet.vision import config
from petlib.config import CfgNode, ConfigError
from petlib.data.samplers import SequentialSampler, ShuffledSampler
from petlib.errors import DataError

WIDE, TALL = (20, 30), (30, 20)


class Given(Dataset):
    """Images with some objects each; labels of crowd regions are negated, less 1."""

    info = DatasetInfo(frozenset({"boxes"}), classes=("common", "rare"))

    def __init__(self, labels: list[list[int]], sizes: list[tuple[int, int]] | None = None) -> None:
        self.labels = labels
        self.sizes = sizes or [WIDE] * len(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        chosen = np.array([label for label in self.labels[index] if label >= 0], np.int64)
        meta = {"id": index, "size": self.sizes[index]}
        boxes = np.tile(np.array([2, 2, 9, 9], np.float32), (len(chosen), 1))
        return {"image": np.zeros((*self.sizes[index], 3), np.uint8), "boxes": boxes, "labels": chosen, "meta": meta}

    def truth(self, index: int) -> ImageTruth:
        labels = np.array(self.labels[index], np.int64)
        crowd = labels < 0
        labels = np.where(crowd, -1 - labels, labels)
        boxes = np.tile(np.array([2, 2, 9, 9], np.float32), (len(labels), 1))
        return ImageTruth(index, f"{index}.png", *self.sizes[index], boxes, labels, crowd, np.full(len(labels), 49.0))


class Labels(Dataset):
    """A data set of whole images with labels."""

    info = DatasetInfo(frozenset({"label"}), classes=("a",))

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": np.zeros((4, 4, 3), np.uint8), "label": 0, "meta": {}}


def make_cfg(**values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    for name, value in {"TRAIN.BATCH_SIZE": 4, **values}.items():
        cfg.set(name, value)
    return cfg


def read(sampler: Any, epoch: int = 0) -> list[int]:
    order: list[int] = sampler.indices(epoch, np.arange(len(sampler))).tolist()
    return order


def test_the_plain_orders() -> None:
    dataset = Given([[0]] * 9)
    shuffled = build_sampler(make_cfg(), dataset)
    assert isinstance(shuffled, ShuffledSampler)
    assert sorted(read(shuffled)) == list(range(9))
    assert read(shuffled) == read(build_sampler(make_cfg(), dataset)) != read(build_sampler(make_cfg(**{"MISC.SEED": 99}), dataset))
    in_order = build_sampler(make_cfg(**{"TRAIN.SHUFFLE": False}), dataset)
    assert isinstance(in_order, SequentialSampler)
    assert read(in_order) == list(range(9))


def orientations(sizes: list[tuple[int, int]], batches: list[list[int]]) -> list[set[bool]]:
    return [{sizes[index][1] >= sizes[index][0] for index in batch} for batch in batches]


@pytest.mark.parametrize(("batch_size", "accumulation"), [(4, 1), (8, 2), (6, 1)])
def test_groups_give_device_batches_of_one_orientation(batch_size: int, accumulation: int) -> None:
    sizes = [(WIDE, TALL, (25, 25))[number * number % 3] for number in range(30)] + [TALL] * 14
    values = {"TRAIN.ASPECT_GROUPING": True, "TRAIN.BATCH_SIZE": batch_size, "SOLVER.ACCUMULATION": accumulation}
    sampler = build_sampler(make_cfg(**values), Given([[0]] * 44, sizes))
    device_batch = batch_size // accumulation
    assert len(sampler) == 44 // device_batch * device_batch
    order = [index for epoch in range(3) for index in read(sampler, epoch)]
    found = orientations(sizes, [order[start : start + device_batch] for start in range(0, len(order), device_batch)])
    assert all(len(one) == 1 for one in found)
    assert {True} in found
    assert {False} in found


def test_images_with_rare_classes_come_more_often() -> None:
    """The rare class is in a hundredth of the images, the threshold is 16 times that: sqrt(16) times as often."""
    labels = [[0, 0]] * 98 + [[0, 1], []]
    sampler = build_sampler(make_cfg(**{"TRAIN.REPEAT_THRESHOLD": 0.16}), Given(labels))
    assert len(sampler) == 103
    counts = np.bincount(read(sampler), minlength=100)
    assert counts.tolist() == [1] * 98 + [4, 1]


def test_rare_classes_and_orientations_go_together() -> None:
    sizes = [WIDE, TALL] * 50
    labels = [[0]] * 99 + [[1]]
    sampler = build_sampler(make_cfg(**{"TRAIN.REPEAT_THRESHOLD": 0.16, "TRAIN.ASPECT_GROUPING": True}), Given(labels, sizes))
    order = [index for epoch in range(10) for index in read(sampler, epoch)]
    assert all(len(one) == 1 for one in orientations(sizes, [order[start : start + 4] for start in range(0, len(order), 4)]))
    assert order.count(99) == pytest.approx(40, abs=4)


@pytest.mark.parametrize("values", [{"TRAIN.ASPECT_GROUPING": True}, {"TRAIN.REPEAT_THRESHOLD": 0.1}])
def test_settings_that_do_not_go_together(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"TRAIN.SHUFFLE: False given; TRAIN.REPEAT_THRESHOLD and TRAIN.ASPECT_GROUPING shuffle"):
        build_sampler(make_cfg(**values, **{"TRAIN.SHUFFLE": False}), Given([[0]] * 8))
    with pytest.raises(ConfigError, match=r"RepeatFactorSampler and AspectRatioSampler need a data set of objects"):
        build_sampler(make_cfg(**values), Labels())


# images without objects


def test_images_without_objects_to_learn_from_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    dataset = Given([[0], [], [1, -1], [-1], [0, 1]])
    with caplog.at_level(logging.INFO):
        full = without_empty(dataset)
    assert isinstance(full, SomeSamples)
    assert [full[index]["meta"]["id"] for index in range(len(full))] == [0, 2, 4]
    assert "2 of 5 training images have no objects and are left out (without_empty)" in caplog.text


def test_data_without_empty_images_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    dataset = Given([[0], [1]])
    with caplog.at_level(logging.INFO):
        assert without_empty(dataset) is dataset
    assert not caplog.text


def test_data_without_any_object_are_reported() -> None:
    with pytest.raises(DataError, match="none of the 3 training images has an object; without_empty False keeps images without"):
        without_empty(Given([[], [-1], []]))


def write_voc(folder: Path) -> None:
    """Write eight images in VOC's layout, every second without an object."""
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    (folder / "ImageSets/Main/train.txt").write_text("".join(f"{number}\n" for number in range(8)))
    entry = "<object><name>cell</name><bndbox><xmin>3</xmin><ymin>3</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
    for number in range(8):
        cv2.imwrite(str(folder / f"JPEGImages/{number}.jpg"), np.full((20, 30, 3), 99, np.uint8))
        size = "<size><width>30</width><height>20</height><depth>3</depth></size>"
        text = f"<annotation><filename>{number}.jpg</filename>{size}{entry if number % 2 else ''}</annotation>"
        (folder / f"Annotations/{number}.xml").write_text(text)


@pytest.mark.parametrize("filters", [True, False])
def test_a_training_sees_images_without_objects_only_where_they_are_wanted(tmp_path: Path, filters: bool) -> None:
    write_voc(tmp_path)
    catalog = {"cells": {"type": "voc", "path": str(tmp_path), "split": "train"}}
    values = {"DATA.CATALOG": catalog, "TRAIN.DATASETS": ["cells"], "TRAIN.NUM_WORKERS": 0, "DATA.FILTER_EMPTY": filters}
    loader = build_training_data(make_cfg(**values, **{"MODEL.NUM_CLASSES": 1}), torch.device("cpu"), Expectation(("boxes",), {"boxes": 1}))
    batches = list(loader.batches(0, 4))
    counts = {len(boxes) for batch in batches for boxes in batch["boxes"]}
    assert counts == ({1} if filters else {0, 1})
    assert batches[0]["image"].shape == (4, 3, 32, 32)
    assert batches[0]["image_sizes"] == [(20, 30)] * 4
    ids = {meta["id"] for batch in batches for meta in batch["meta"]}
    assert ids == ({"1", "3", "5", "7"} if filters else {str(number) for number in range(8)})


def test_mixed_images_are_for_labels_of_whole_images(tmp_path: Path) -> None:
    write_voc(tmp_path)
    catalog = {"cells": {"type": "voc", "path": str(tmp_path), "split": "train"}}
    values = {"DATA.CATALOG": catalog, "TRAIN.DATASETS": ["cells"], "TRAIN.NUM_WORKERS": 0, "TRAIN.MIXUP.MIXUP_ALPHA": 0.2}
    with pytest.raises(ConfigError, match=r"TRAIN.MIXUP: mixes labels of whole images; this model learns from boxes. Set both alphas to 0"):
        build_training_data(make_cfg(**values), torch.device("cpu"), Expectation(("boxes",), {"boxes": 1}))


class InShards(Given):
    """Forty samples in four shards."""

    def __init__(self) -> None:
        super().__init__([[0]] * 40)

    def shard_starts(self) -> np.ndarray:
        return np.arange(0, 40, 10)


def sharded(**values: int) -> CfgNode:
    cfg = config.get_base_cfg()
    for key, value in (
        {"TRAIN.BATCH_SIZE": 4, "TRAIN.NUM_WORKERS": 0} | {f"DATA.SHARDS.{name}": value for name, value in values.items()}
    ).items():
        cfg.set(key, value)
    return cfg


def test_the_order_by_lanes_is_that_of_its_key() -> None:
    order = build_sampler(sharded(GROUP=1, LANES=2), InShards())
    indices = order.indices(0, np.arange(len(order)))
    assert sorted(indices) == list(range(40))
    shards = (indices // 10).reshape(-1, 2, 2)
    assert not {*shards[:, 0].ravel()} & {*shards[:, 1].ravel()}, "each half of the batches has shards of its own"
    with pytest.raises(ConfigError, match="LaneSampler.lanes: 3 given"):
        build_sampler(sharded(GROUP=1, LANES=3), InShards())


def test_groups_smaller_than_what_is_read_at_a_time_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    build_sampler(sharded(GROUP=1), InShards())
    assert not caplog.records
    cfg = sharded(GROUP=1)
    cfg.set("TRAIN.NUM_WORKERS", 2)
    build_sampler(cfg, InShards())
    assert "a group of 1 shard has 10 samples, and 16 are read at a time" in caplog.text
