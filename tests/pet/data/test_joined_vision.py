"""Data sets with targets as one, parts of one, and the view of one that evaluations get."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data import build_dataset
from pet.data.datasets.shapes_writing import write_shapes
from pet.data.loading.joined import EvaluationSamples, JoinedDataset, SomeSamples
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth, KeypointSet, PartSet
from pet.vision import config
from petlib.config import CfgNode
from petlib.errors import DataError

ALL_KINDS = ("boxes", "masks", "keypoints", "semseg", "parsing")
HANDS = KeypointSet(names=("left", "right"), swap=(1, 0), skeleton=((0, 1),), sigmas=(0.1, 0.1))
PARTS = PartSet(names=("background", "left", "right"), swap=(0, 2, 1))


INFO = DatasetInfo(
    kinds=frozenset(ALL_KINDS),
    classes=("cat", "dog"),
    semseg_classes=("ground", "sky"),
    keypoint_set=HANDS,
    part_set=PARTS,
    category_ids=(7, 9),
)


class Given(Dataset):
    """A data set in memory; every pixel of image i is its number."""

    def __init__(self, *, count: int = 3, first: int = 0, **described: Any) -> None:
        self.count = count
        self.first = first
        classes = {"num_classes": 0, "category_ids": ()} if "classes" in described else {}
        self.info = dataclasses.replace(INFO, **{**classes, **described})

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        number = self.first + range(self.count)[index]
        labels = np.full((4, 6), number, np.uint8)
        return {
            "image": np.full((4, 6, 3), number, np.uint8),
            "boxes": np.full((1, 4), number, np.float32),
            "labels": np.array([number % 2]),
            "semseg": labels,
            "parsing": labels + 1,
            "instances": labels.astype(np.uint16),
            "instance_ids": np.array([number]),
            "meta": {"id": number, "file": f"{number}.png", "size": (4, 6)},
        }

    def truth(self, index: int) -> ImageTruth:
        number = self.first + range(self.count)[index]
        none = np.zeros(0)
        return ImageTruth(number, f"{number}.png", 4, 6, np.zeros((0, 4)), none.astype(np.int64), none.astype(bool), none)


def id_of(dataset: Dataset, index: int) -> int | str:
    truth = dataset.truth(index)
    assert truth is not None
    return truth.id


def join(first: Given, second: Given, kinds: Sequence[str] = ALL_KINDS) -> JoinedDataset:
    return JoinedDataset(["here", "there"], [first, second], kinds)


def test_samples_and_objects_come_from_one_data_set_after_another() -> None:
    joined = join(Given(count=2), Given(count=3, first=2))
    assert len(joined) == 5
    assert [joined[index]["meta"]["id"] for index in range(5)] == [0, 1, 2, 3, 4]
    assert [id_of(joined, index) for index in range(5)] == [0, 1, 2, 3, 4]
    assert [joined.locate(index) for index in (0, 1, 2, 4)] == [(0, 0), (0, 1), (1, 0), (1, 2)]
    for index in (-1, 5):
        with pytest.raises(IndexError, match=f"sample {index} of 5"):
            joined.truth(index)


def test_what_is_known_of_all_is_known_of_the_whole() -> None:
    joined = join(Given(skipped={"crowds": 2}), Given(kinds=frozenset({"boxes", "semseg"}), skipped={"crowds": 1, "holes": 4}), ["boxes"])
    info = joined.info
    assert (info.classes, info.num_classes, info.numbered) == (["cat", "dog"], 2, False)
    assert info.semseg_classes == ["ground", "sky"]
    assert (info.keypoint_set, info.part_set) == (HANDS, PARTS)
    assert info.kinds == {"boxes", "semseg"}
    assert info.skipped == {"here: crowds": 2, "there: crowds": 1, "there: holes": 4}


def test_numbers_of_categories_are_kept_where_they_agree() -> None:
    assert list(join(Given(), Given(category_ids=[7, 9])).info.category_ids) == [7, 9]
    assert list(join(Given(), Given(category_ids=(9, 7))).info.category_ids) == [1, 2]


DIFFERENCES: list[tuple[str, dict[str, Any], str]] = [
    (
        "boxes",
        {"classes": ["cat", "emu", "fox"]},
        "2 and 3 classes, only the first has dog, only the second has emu, fox; set Source.classes to the classes of all",
    ),
    ("boxes", {"classes": ["dog", "cat"]}, "2 and 2 classes, in another order; set Source.classes to the classes of all"),
    ("semseg", {"semseg_classes": ["ground"]}, "2 and 1 classes of pixels, only the first has sky"),
    ("keypoints", {"keypoint_set": dataclasses.replace(HANDS, names=("left", "tail"))}, "2 and 2 keypoints, only the first has right, "),
    ("keypoints", {"keypoint_set": None}, "2 and 0 keypoints, only the first has left, right"),
    ("parsing", {"part_set": PartSet(("background", "right", "left"), (0, 2, 1))}, "3 and 3 part labels, in another order"),
    ("parsing", {"part_set": None}, "3 and 0 part labels, only the first has background, left, right"),
]


@pytest.mark.parametrize(("kind", "values", "message"), DIFFERENCES)
def test_data_sets_that_differ_are_not_joined(kind: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as failure:
        join(Given(), Given(**values), [kind])
    assert str(failure.value).startswith(f"here and there cannot be joined: {message}")
    assert ("Source.classes" in str(failure.value)) == ("classes" in values)


@pytest.mark.parametrize(("kind", "values", "message"), DIFFERENCES[2:])
def test_they_may_differ_in_what_is_not_wanted(kind: str, values: dict[str, Any], message: str) -> None:
    others = [other for other in ALL_KINDS if other != kind]
    assert len(join(Given(), Given(**values), others)) == 6


def test_some_samples() -> None:
    dataset = Given(count=6, skipped={"crowds": 2})
    some = SomeSamples(dataset, np.array([4, 1, 4]))
    assert len(some) == 3
    assert [some[index]["meta"]["id"] for index in range(3)] == [4, 1, 4]
    assert [id_of(some, index) for index in range(3)] == [4, 1, 4]
    assert some.info == dataset.info


@pytest.mark.parametrize(
    ("kinds", "fields"),
    [
        (["boxes", "masks", "keypoints"], set()),
        (["semseg"], {"semseg"}),
        (["boxes", "parsing"], {"parsing", "instances", "instance_ids", "labels"}),
        (["boxes", "semseg", "parsing"], {"semseg", "parsing", "instances", "instance_ids", "labels"}),
    ],
)
def test_truth_of_pixels_is_kept_apart_from_what_transforms_move(kinds: list[str], fields: set[str]) -> None:
    dataset = Given()
    apart = EvaluationSamples(dataset, kinds)
    assert len(apart) == 3
    sample, original = apart[2], dataset[2]
    assert set(sample) == {"image", "meta", *(f"truth_{field}" for field in fields)}
    assert all(np.array_equal(sample[f"truth_{field}"], original[field]) for field in fields)
    assert np.array_equal(sample["image"], original["image"])
    assert sample["meta"] == original["meta"]


def test_second_dates_travel_with_the_truth() -> None:
    class Pairs(Given):
        def __getitem__(self, index: int) -> dict[str, Any]:
            sample = super().__getitem__(index)
            return {**sample, "image2": sample["image"] + 1}

    sample = EvaluationSamples(Pairs(), ["semseg"])[1]
    assert set(sample) == {"image", "image2", "truth_semseg", "meta"}
    assert (sample["image2"] == 2).all()


def test_windows_are_counted_by_their_images() -> None:
    windows = Given(groups=np.array([0, 0, 1]))
    groups = join(windows, Given()).info.groups
    assert groups is not None
    assert groups.tolist() == [0, 0, 1, 2, 3, 4]
    groups = SomeSamples(windows, np.array([1, 2])).info.groups
    assert groups is not None
    assert groups.tolist() == [0, 1]
    assert SomeSamples(Given(), np.array([1])).info.groups is None
    assert join(Given(), Given()).info.groups is None


# from a config


def make_cfg(folder: Path, **values: Any) -> CfgNode:
    cfg = config.get_base_cfg()
    for split in ("train", "test"):
        write_shapes(folder, split=split, count=2)
    catalog = {
        f"drawn_{split}": {"type": "coco", "path": f"{split}/images", "annotations": f"{split}/annotations.json"}
        for split in ("train", "test")
    }
    for name, value in {"MISC.DATA_ROOT": str(folder), "DATA.CATALOG": catalog, **values}.items():
        cfg.set(name, value)
    return cfg


def test_names_of_a_config_are_joined_with_the_wanted_targets_only(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path)
    joined = build_dataset(cfg, ["drawn_train", "drawn_test"], ["boxes", "keypoints"])
    assert isinstance(joined, JoinedDataset)
    assert len(joined) == 4
    assert set(joined[3]) == {"image", "meta", "boxes", "labels", "keypoints"}
    truth = joined.truth(3)
    assert truth is not None
    assert joined[3]["meta"]["file"] == truth.file == str(tmp_path / "test" / "images" / "000001.jpg")
    assert len(build_dataset(cfg, ["drawn_test"], ["semseg"])) == 2


def test_a_kind_that_is_not_there_is_reported(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path, **{"DATA.CLASSES": ["circle", "square", "triangle", "figure"]})
    with pytest.raises(DataError, match=r"label.*boxes, keypoints, masks, parsing, semseg"):
        build_dataset(cfg, ["drawn_train"], ["label"])
    build_dataset(cfg, ["drawn_train"], ["boxes"])


def test_classes_of_the_config_have_to_be_there(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path, **{"DATA.CLASSES": ["circle", "hexagon"]})
    with pytest.raises(DataError, match="hexagon"):
        build_dataset(cfg, ["drawn_train"], ["boxes"])
