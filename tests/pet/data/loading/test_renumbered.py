"""Names decide which class a number means, in each format in the same way."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pet.data import build_dataset
from pet.data.config import DATA_SCHEMA
from pet.data.loading.renumbered import with_names
from pet.data.targets.dataset import IGNORE, Dataset, DatasetInfo, KeypointSet, PartSet
from pet.data.targets.names import names_of
from petlib.config import PETLIB_SCHEMA, CfgNode, merge_schemas
from petlib.data.protocols import Sample
from petlib.errors import DataError
from tests.pet.data.named_files import OBJECTS, write_coco, write_folders, write_labels, write_list, write_voc

IDS = {"cat": 1, "dog": 2, "eel": 3}
EXCHANGED = {"eel": 1, "cat": 2, "dog": 3}
NAMES = ["cat", "dog", "eel"]


def make_cfg(others: str = "refuse", classes: list[str] | None = None, **catalog: dict[str, Any]) -> CfgNode:
    cfg = CfgNode(merge_schemas(PETLIB_SCHEMA, DATA_SCHEMA))
    values = {"DATA.CATALOG": catalog, "DATA.OTHER_CLASSES": others, "DATA.CLASSES": classes or [], "DATA.ALLOW_OUTSIDE": True}
    for key, value in values.items():
        cfg.set(key, value)
    return cfg


def labels_in(dataset: Dataset) -> list[list[int]]:
    """Return the labels of each sample, after a look whether all ways to them agree."""
    found = []
    for index in range(len(dataset)):
        sample, given, truth = dataset[index], dataset.labels_of(index), dataset.truth(index)
        labels = sample["labels"].tolist() if "labels" in sample else [sample["label"]]
        assert given is not None and given.tolist() == labels
        assert truth is None or truth.labels.tolist() == labels
        found.append(labels)
    return found


# the same classes in another order


def test_exchanged_ids_of_a_coco_file_give_the_same_samples(tmp_path: Path) -> None:
    cfg = make_cfg(train=write_coco(tmp_path / "a", IDS), val=write_coco(tmp_path / "b", EXCHANGED))
    train = build_dataset(cfg, ["train"], ["boxes"])
    assert labels_in(build_dataset(cfg, ["val"], ["boxes"])) == [[1], [2], [1], [0]]
    val = build_dataset(cfg, ["val"], ["boxes"], names=names_of(train.info, ["boxes"]))
    assert labels_in(val) == labels_in(train) == [[0], [1], [0], [2]]
    assert (val.info.classes, list(val.info.category_ids)) == (NAMES, [2, 3, 1])
    assert [val[index]["boxes"].tolist() for index in range(4)] == [train[index]["boxes"].tolist() for index in range(4)]


def test_joined_training_data_take_the_order_of_the_first(tmp_path: Path) -> None:
    cfg = make_cfg(a=write_coco(tmp_path / "a", IDS), b=write_coco(tmp_path / "b", EXCHANGED), c=write_voc(tmp_path / "c"))
    joined = build_dataset(cfg, ["a", "b", "c"], ["boxes"])
    assert labels_in(joined) == [[0], [1], [0], [2]] * 3
    assert joined.info.classes == NAMES


def test_the_order_of_the_config_counts_for_every_format(tmp_path: Path) -> None:
    catalog = {
        "coco": write_coco(tmp_path / "coco", EXCHANGED),
        "voc": write_voc(tmp_path / "voc"),
        "folder": write_folders(tmp_path / "folder", NAMES),
        "list": write_list(tmp_path / "list", NAMES),
    }
    cfg = make_cfg(classes=["eel", "dog", "cat"], **catalog)
    assert [labels_in(build_dataset(cfg, [name], ["boxes"])) for name in ("coco", "voc")] == [[[2], [1], [2], [0]]] * 2
    assert [labels_in(build_dataset(cfg, [name], ["label"])) for name in ("folder", "list")] == [[[2], [1], [0]]] * 2


def test_label_images_of_another_order(tmp_path: Path) -> None:
    cfg = make_cfg(
        a=write_labels(tmp_path / "a", ["sky", "road", "car"], ["sky", "car", "road", "sky"]),
        b=write_labels(tmp_path / "b", ["car", "sky", "road"], ["sky", "car", "road", "sky"]),
    )
    first = build_dataset(cfg, ["a"], ["semseg"])
    second = build_dataset(cfg, ["b"], ["semseg"], names=names_of(first.info, ["semseg"]))
    assert np.array_equal(first[0]["semseg"], second[0]["semseg"])
    assert np.unique(second[0]["semseg"]).tolist() == [0, 1, 2]
    assert second.info.classes == second.info.semseg_classes == ["sky", "road", "car"]


class People(Dataset):
    """One person with three keypoints and a label image of three parts, in the order of the names."""

    def __init__(self, *names: str) -> None:
        places = {"nose": 0, "left_eye": 1, "right_eye": 2}
        self._order = [places[name] for name in names]
        partner = {"nose": "nose", "left_eye": "right_eye", "right_eye": "left_eye"}
        swap = tuple(names.index(partner[name]) for name in names)
        lines = ((names.index("nose"), names.index("left_eye")),)
        keypoints = KeypointSet(names, swap, lines, tuple(0.1 * (place + 1) for place in self._order))
        self.info = DatasetInfo(frozenset({"keypoints", "parsing"}), ["person"], keypoint_set=keypoints, part_set=PartSet(names, swap))

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        assert self.info.keypoint_set is not None
        points = np.array([[[10.0 * place, 1, 2] for place in self._order]], np.float32)
        parts = np.argsort(self._order).astype(np.uint8)[None]
        swap = self.info.keypoint_set.swap
        return {"keypoints": points, "parsing": parts, "instances": parts, "meta": {"keypoint_swap": swap, "part_swap": swap}}


def test_keypoints_and_parts_of_another_order() -> None:
    first, second = People("nose", "left_eye", "right_eye"), People("right_eye", "nose", "left_eye")
    kinds = ["keypoints", "parsing"]
    renumbered = with_names("val", second, names_of(first.info, kinds), kinds)
    assert (renumbered.info.keypoint_set, renumbered.info.part_set) == (first.info.keypoint_set, first.info.part_set)
    one, other = renumbered[0], first[0]
    assert one["keypoints"].tolist() == other["keypoints"].tolist()
    assert one["parsing"].tolist() == other["parsing"].tolist() == [[0, 1, 2]]
    assert one["meta"] == other["meta"]


def test_other_keypoints_are_refused() -> None:
    with pytest.raises(
        DataError, match="val has other keypoints than the training: 3 and 3 keypoints, only the first has nose, only the second"
    ):
        with_names("val", People("nose", "left_eye", "right_eye"), {"keypoints": ["tail", "left_eye", "right_eye"]}, ["keypoints"])


def test_keypoints_without_names_go_by_their_number() -> None:
    people = People("nose", "left_eye", "right_eye")
    assert people.info.keypoint_set is not None
    info = replace(people.info, keypoint_set=replace(people.info.keypoint_set, names=("0", "1", "2")))
    assert names_of(info, ["keypoints"]) == {}
    people.info = info
    assert with_names("val", people, {"keypoints": ["nose", "left_eye", "right_eye"]}, ["keypoints"]) is people


# other classes


def write_objects(folder: Path) -> dict[str, dict[str, str]]:
    return {"coco": write_coco(folder / "coco", IDS), "voc": write_voc(folder / "voc")}


def write_whole(folder: Path) -> dict[str, dict[str, str]]:
    return {"folder": write_folders(folder / "folder", NAMES), "list": write_list(folder / "list", NAMES)}


@pytest.mark.parametrize(("name", "kind", "write"), [
    ("coco", "boxes", write_objects), ("voc", "boxes", write_objects), ("folder", "label", write_whole), ("list", "label", write_whole)
])  # fmt: skip
def test_what_is_of_another_class_is_refused_or_left_out_in_one_way(
    name: str, kind: str, write: Callable[[Path], dict[str, dict[str, str]]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalog, names = write(tmp_path), {kind: ["dog", "cat", "gnu"]}
    message = rf"{name} \(.*\) has classes that the training does not know: eel \(1 times\)[^\n]*\n  the training has dog, cat, gnu"
    with pytest.raises(DataError, match=message):
        build_dataset(make_cfg(**catalog), [name], [kind], names=names)
    dataset = build_dataset(make_cfg("skip", **catalog), [name], [kind], names=names)
    assert dataset.info.classes == ["dog", "cat", "gnu"]
    assert labels_in(dataset) == ([[1], [0], [1], []] if kind == "boxes" else [[1], [0]])
    assert sum(dataset.info.skipped.values()) == 1
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("renumbered")]
    assert any("nothing of 1 of the 3 classes of the training: gnu" in line for line in lines)
    assert any("left out, of other classes than those of the training: eel (1 times)" in line for line in lines)


def test_pixels_of_another_class_count_nowhere(tmp_path: Path) -> None:
    entry = write_labels(tmp_path, ["sky", "road", "car"], ["sky", "car", "road", "sky"])
    with pytest.raises(DataError, match=r"val \(.*labels\) has classes of pixels that the training does not know: car\n"):
        build_dataset(make_cfg(val=entry), ["val"], ["semseg"], names={"semseg": ["road", "sky"]})
    dataset = build_dataset(make_cfg("skip", val=entry), ["val"], ["semseg"], names={"semseg": ["road", "sky"]})
    assert dataset[0]["semseg"][:, 0].tolist() == [1] * 10 + [IGNORE] * 10 + [0] * 10 + [1] * 10


def test_a_category_without_objects_is_not_missed(tmp_path: Path) -> None:
    entry = write_coco(tmp_path, {"animals": 0, **IDS})
    dataset = build_dataset(make_cfg(val=entry), ["val"], ["boxes"], names={"boxes": NAMES})
    assert labels_in(dataset) == [[0], [1], [0], [2]]


def test_a_misspelt_class_of_the_config_is_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"DATA\.CLASSES does not know: dog \(1 times\); 'dog' may be 'dgo' of DATA\.CLASSES\n"):
        build_dataset(make_cfg(classes=["cat", "dgo", "eel"], train=write_coco(tmp_path, IDS)), ["train"], ["boxes"])


def test_data_of_no_class_of_the_training_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"val \(.*\): no image is of a class of the training \(gnu, yak\)"):
        build_dataset(make_cfg("skip", val=write_folders(tmp_path, NAMES)), ["val"], ["label"], names={"label": ["gnu", "yak"]})


def test_ids_of_classes_that_a_file_lacks_are_new(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    entry = write_coco(tmp_path, {"eel": 7, "cat": 9}, [OBJECTS[0], OBJECTS[3]])
    dataset = build_dataset(make_cfg(val=entry), ["val"], ["boxes"], names={"boxes": NAMES})
    assert list(dataset.info.category_ids) == [9, 10, 7]
    assert [record.levelno for record in caplog.records if "nothing of" in record.getMessage()] == [logging.WARNING]


def test_bare_numbers_are_named_by_the_config_or_the_training(tmp_path: Path) -> None:
    write_folders(tmp_path, NAMES)
    (tmp_path / "numbers.txt").write_text("dog/1.png 1\neel/1.png 2\n")
    entry = {"type": "list_file", "path": str(tmp_path / "numbers.txt")}
    assert names_of(build_dataset(make_cfg(x=entry), ["x"], ["label"]).info, ["label"]) == {}
    assert labels_in(build_dataset(make_cfg(x=entry), ["x"], ["label"], names={"label": NAMES})) == [[1], [2]]
    named = build_dataset(make_cfg(classes=NAMES, x=entry), ["x"], ["label"], names={"label": ["eel", "cat", "dog"]})
    assert labels_in(named) == [[2], [0]]


def test_raw_labels_keep_their_numbers(tmp_path: Path) -> None:
    entry = {**write_labels(tmp_path, ["sky", "road"], ["sky", "road"]), "raw_labels": True}
    cfg = make_cfg(val=entry)
    assert build_dataset(cfg, ["val"], ["semseg"], names={"semseg": ["sky", "road"]})[0]["semseg"].shape[:2] == (40, 60)
    with pytest.raises(
        DataError, match="2 and 2 classes, in another order, and raw labels keep their numbers; give them the names of the training"
    ):
        build_dataset(cfg, ["val"], ["semseg"], names={"semseg": ["road", "sky"]})
