"""CIHP: people from their pixels, parts with left and right, and what is reported when files are missing."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pet.data.catalog.source import Source
from pet.data.datasets.cihp import CIHP_PARTS, CihpDataset, build_cihp
from petlib.errors import ConfigError, DataError


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def write_image(folder: Path, name: str, people: np.ndarray, parts: np.ndarray) -> None:
    write(folder / "Images" / f"{name}.jpg", np.full((*people.shape, 3), 9, np.uint8))
    write(folder / "Human_ids" / f"{name}.png", people)
    write(folder / "Category_ids" / f"{name}.png", parts)


def make_people() -> np.ndarray:
    """Return two people, 1 and 3, in two pieces each."""
    people = np.zeros((10, 12), np.uint8)
    people[1:4, 2:5] = 1
    people[6, 4:7] = 1
    people[5:9, 8:12] = 3
    people[0, 11] = 3
    return people


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    people = make_people()
    write_image(tmp_path / "Training", "0000002", people, np.where(people > 0, 14, 0).astype(np.uint8))
    write_image(tmp_path / "Training", "0000001", np.zeros_like(people), np.zeros_like(people))
    (tmp_path / "Training" / "train_id.txt").write_text("0000002\n0000001\n")
    return tmp_path


def build(folder: Path, split: str = "train", kinds: frozenset[str] | None = None) -> CihpDataset:
    return build_cihp(Source(path=folder, split=split, classes=["person"], kinds=kinds))


def test_people_become_objects(folder: Path) -> None:
    dataset = build(folder)
    assert len(dataset) == 2
    assert dataset.info.classes == ["person"]
    sample = dataset[0]
    assert sample["meta"]["id"] == "0000002"
    assert sample["meta"]["size"] == (10, 12)
    assert sample["boxes"].tolist() == [[2, 1, 7, 7], [8, 0, 12, 9]]
    assert sample["boxes"].dtype == np.float32
    assert sample["labels"].tolist() == [0, 0]
    assert sample["instance_ids"].tolist() == [1, 3]
    assert np.array_equal(sample["masks"].rasterise(), np.stack([make_people() == 1, make_people() == 3]))
    assert sample["instances"].dtype == np.uint16
    assert np.array_equal(sample["instances"], make_people())
    assert np.array_equal(sample["parsing"], np.where(make_people() > 0, 14, 0))


def test_an_image_without_people_stays(folder: Path) -> None:
    dataset = build(folder)
    sample = dataset[1]
    assert dataset.file_of(1) == sample["meta"]["file"]
    assert sample["boxes"].shape == (0, 4)
    assert len(sample["labels"]) == len(sample["masks"]) == len(sample["instance_ids"]) == 0


def test_the_truth_is_that_of_the_pixels_without_reading_them_again(folder: Path) -> None:
    dataset = build(folder)
    (folder / "Training" / "Human_ids" / "0000002.png").unlink()
    truth = dataset.truth(0)
    assert (truth.id, truth.height, truth.width) == ("0000002", 10, 12)
    assert truth.areas.tolist() == [12, 17]
    assert not truth.crowd.any()
    assert truth.segmentations is not None
    assert [coco_mask.area(rle) for rle in truth.segmentations] == [12, 17]
    assert truth.boxes.tolist() == [[2, 1, 7, 7], [8, 0, 12, 9]]


def test_only_wanted_kinds_are_given(folder: Path) -> None:
    dataset = build(folder, kinds=frozenset({"boxes"}))
    assert set(dataset[0]) == {"image", "meta", "boxes", "labels"}
    assert dataset.truth(0).segmentations is None
    with pytest.raises(DataError, match="no keypoints in these data; they have boxes, masks, parsing"):
        build(folder, kinds=frozenset({"keypoints"}))


def test_left_and_right_parts_change_places(folder: Path) -> None:
    swap = build(folder)[0]["meta"]["part_swap"]
    assert len(swap) == len(CIHP_PARTS) == 20
    moved = {CIHP_PARTS[place]: CIHP_PARTS[partner] for place, partner in enumerate(swap) if place != partner}
    assert moved == {f"{a}-{part}": f"{b}-{part}" for part in ("arm", "leg", "shoe") for a, b in (("Left", "Right"), ("Right", "Left"))}


def test_the_list_may_be_one_folder_up_or_be_absent(folder: Path) -> None:
    (folder / "Training" / "train_id.txt").rename(folder / "train_id.txt")
    assert [build(folder).truth(index).id for index in range(2)] == ["0000002", "0000001"]
    (folder / "train_id.txt").unlink()
    assert [build(folder).truth(index).id for index in range(2)] == ["0000001", "0000002"]


def test_the_validation_part_has_its_own_folder(folder: Path) -> None:
    people = make_people()
    write_image(folder / "Validation", "0000009", people, people)
    (folder / "Validation" / "val_id.txt").write_text("0000009\n")
    assert build(folder, "val").truth(0).id == "0000009"


@pytest.mark.parametrize("line", ["sub\\000", "Images/sub/000.jpg", "/home/me/Training/Images/sub/000.jpg", "sub/000", "sub%2F000"])
def test_ids_may_be_paths_of_another_system(line: str, folder: Path) -> None:
    people = make_people()
    write_image(folder / "Training", "sub/000", people, people)
    (folder / "Training" / "train_id.txt").write_text(f"# two\n0000002\n\n{line}\n")
    assert [build(folder).truth(index).id for index in range(2)] == ["0000002", "sub/000"]


# what is wrong


@pytest.mark.parametrize("name", ["Images/0000002.jpg", "Human_ids/0000002.png", "Category_ids/0000002.png"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / "Training" / name).unlink()
    message = f"{folder / 'Training' / name}: there is no such file, but '0000002' is one of the images"
    with pytest.raises(DataError, match=re.escape(message)):
        build(folder)


def test_missing_folders_empty_lists_and_unknown_splits_are_reported(folder: Path) -> None:
    with pytest.raises(DataError, match="Validation/Images: there is no such folder; unpack"):
        build(folder, "val")
    (folder / "Training" / "train_id.txt").write_text("")
    with pytest.raises(DataError, match=r"train_id\.txt: no images in it"):
        build(folder)
    with pytest.raises(ConfigError, match="cihp: the split 'trian' given, train or val expected; did you mean train"):
        build(folder, "trian")


def test_maps_of_another_size_and_part_labels_above_nineteen_are_reported(folder: Path) -> None:
    dataset = build(folder)
    path = folder / "Training" / "Category_ids" / "0000002.png"
    write(path, np.zeros((9, 12), np.uint8))
    with pytest.raises(DataError, match=r"Category_ids/0000002\.png: the label image is 12x9 .*, its image 12x10"):
        dataset[0]
    write(path, np.full((10, 12), 20, np.uint8))
    with pytest.raises(DataError, match=r"0000002\.png: the label image has the value 20, 0 to 19 expected"):
        dataset[0]
    write(folder / "Training" / "Images" / "0000002.jpg", np.zeros((12, 12, 3), np.uint8))
    with pytest.raises(DataError, match=r"Images/0000002\.jpg: the image is 12x12 .*Human_ids/0000002\.png says 12x10"):
        dataset[0]
