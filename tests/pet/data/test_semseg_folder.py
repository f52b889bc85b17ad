"""Folders of images and label images: how they are paired, and what is reported when they do not fit."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pet.data.catalog.source import Reading, Source
from pet.data.datasets.ade20k_classes import ADE20K_CLASSES
from pet.data.datasets.semseg_folder import SemsegFolder, build_ade20k, build_semseg_folder
from petlib.errors import ConfigError, DataError

CLASSES = ["background", "road", "car"]


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def write_pair(folder: Path, name: str, labels: np.ndarray, suffix: str = ".png") -> None:
    write(folder / "images" / f"{name}{suffix}", np.full((*labels.shape, 3), 7, np.uint8))
    write(folder / "labels" / f"{name}.png", labels)


def make_source(folder: Path, split: str = "train", kinds: frozenset[str] | None = None) -> Source:
    return Source(path=folder / "images", split=split, classes=CLASSES, annotations=folder / "labels", kinds=kinds)


def make_labels(value: int = 0) -> np.ndarray:
    return np.full((4, 6), value, np.uint8)


# pairs


def test_images_and_label_images_are_paired_by_name_at_any_depth(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 2], [255, 2, 1]], np.uint8)
    write_pair(tmp_path, "b", labels)
    write_pair(tmp_path, "a/c.1", make_labels(2), ".jpg")
    dataset = build_semseg_folder(make_source(tmp_path, kinds=frozenset({"semseg"})))
    assert len(dataset) == 2
    assert dataset.info.classes == dataset.info.semseg_classes == CLASSES
    first, second = dataset[0], dataset[1]
    assert dataset.file_of(0) == first["meta"]["file"]
    assert first["meta"] == {"id": "a/c.1", "file": str(tmp_path / "images/a/c.1.jpg"), "size": (4, 6)}
    assert (first["semseg"] == 2).all()
    assert first["image"].shape == (4, 6, 3)
    assert second["semseg"].dtype == np.uint8
    assert second["semseg"].tolist() == labels.tolist()


def test_the_truth_has_a_size_and_no_objects(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    truth = build_semseg_folder(make_source(tmp_path)).truth(0)
    assert (truth.id, truth.height, truth.width) == ("a", 4, 6)
    assert truth.boxes.shape == (0, 4)
    assert len(truth.labels) == len(truth.crowd) == len(truth.areas) == 0


def test_indices_count_from_the_end_too_and_stop(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    write_pair(tmp_path, "b", make_labels())
    dataset = build_semseg_folder(make_source(tmp_path))
    assert dataset[-1]["meta"]["id"] == "b"
    with pytest.raises(IndexError):
        dataset[2]


@pytest.mark.parametrize("place", ["images/chosen.txt", "chosen.txt"])
def test_a_list_chooses_the_images(place: str, tmp_path: Path) -> None:
    for name in ("a", "b.x", "c"):
        write_pair(tmp_path, name, make_labels())
    (tmp_path / place).write_text("c\n\na.png\nb.x\n")
    dataset = build_semseg_folder(make_source(tmp_path, "chosen.txt"))
    assert [dataset.truth(index).id for index in range(len(dataset))] == ["c", "a", "b.x"]


def test_label_images_alone_are_counted(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    write(tmp_path / "labels" / "b.png", make_labels())
    dataset = build_semseg_folder(make_source(tmp_path))
    assert len(dataset) == 1
    assert dataset.info.skipped == {"label image without an image": 1}


def test_other_files_are_counted_and_label_images_may_be_gif(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    labels = tmp_path / "labels" / "a.png"
    Image.open(labels).save(tmp_path / "labels" / "a.gif")
    labels.rename(tmp_path / "labels" / "._a.png")
    (tmp_path / "images" / "a.xml").touch()
    (tmp_path / "labels" / "a.jpg").touch()
    dataset = build_semseg_folder(make_source(tmp_path))
    np.testing.assert_array_equal(dataset[0]["semseg"], make_labels())
    assert dataset.info.skipped == {
        "file of another kind (.xml)": 1,
        "file of another kind (.jpg)": 1,
        "file or folder of the system (hidden, or a name like Thumbs.db, __MACOSX)": 1,
    }


COLOURS = ((0, 0, 0), (200, 0, 10), (0, 90, 0))


@pytest.mark.parametrize(
    ("reading", "values", "expected"),
    [
        (Reading(ignore_values=(11,)), [0, 1, 2, 11], [0, 1, 2, 255]),
        (Reading(ignore_values=(0,)), [0, 1, 2, 3], [255, 0, 1, 2]),
        (Reading(ignore_values=(1,)), [0, 1, 2, 3], [0, 255, 1, 2]),
        (Reading(label_values=(3, 5, 7), ignore_values=(0, 1)), [0, 3, 5, 7], [255, 0, 1, 2]),
        (Reading(ignore_values=(9,), classes_filter=("car",)), [0, 1, 2, 9], [0, 0, 1, 255]),
    ],
)
def test_numbers_that_do_not_count(reading: Reading, values: list[int], expected: list[int], tmp_path: Path) -> None:
    write_pair(tmp_path, "a", np.array([values], np.uint8))
    dataset = build_semseg_folder(make_source(tmp_path)._replace(reading=reading))
    assert dataset[0]["semseg"].tolist() == [expected]


@pytest.mark.parametrize("palette", [False, True])
def test_classes_may_have_colours(palette: bool, tmp_path: Path) -> None:
    numbers = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8))
    numbers.putpalette([value for colour in (*COLOURS, (255, 255, 255)) for value in colour])
    write_pair(tmp_path, "a", np.zeros((1, 4), np.uint8))
    (numbers if palette else numbers.convert("RGB")).save(tmp_path / "labels" / "a.png")
    reading = Reading(label_colours=COLOURS, ignore_colours=((255, 255, 255),))
    assert build_semseg_folder(make_source(tmp_path)._replace(reading=reading))[0]["semseg"].tolist() == [[0, 1, 2, 255]]
    kept = reading._replace(classes_filter=("car",))
    filtered = build_semseg_folder(make_source(tmp_path)._replace(reading=kept))
    assert (filtered.info.classes, filtered[0]["semseg"].tolist()) == (["background", "car"], [[0, 0, 1, 255]])
    with pytest.raises(
        DataError, match=r"a\.png: the label image has the colour \(255, 255, 255\).* those that do not count are ignore_colours"
    ):
        build_semseg_folder(make_source(tmp_path)._replace(reading=Reading(label_colours=COLOURS)))[0]


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (Reading(label_values=(0, 1, 2), ignore_values=(2,)), "ignore_values: 2 given, which is one of label_values too"),
        (Reading(label_colours=COLOURS[:2]), "label_colours: 2 colours given for 3 classes"),
        (Reading(label_colours=COLOURS, ignore_colours=COLOURS[:1]), "label_colours: 3 colours given for 3 classes; a colour of its own"),
        (Reading(label_colours=COLOURS, ignore_values=(0,)), "label_colours: given with label_values or ignore_values"),
    ],
)
def test_settings_of_label_images_that_do_not_fit_are_refused(reading: Reading, message: str, tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_semseg_folder(make_source(tmp_path)._replace(reading=reading))


def test_an_ending_of_label_images_is_guessed_and_taken(tmp_path: Path) -> None:
    for name in ("a", "ab"):
        write_pair(tmp_path, name, make_labels())
        (tmp_path / "labels" / f"{name}.png").rename(tmp_path / "labels" / f"{name}_mask.png")
    with pytest.raises(DataError, match="their names have '_mask' behind those of the images: set label_ending: _mask"):
        build_semseg_folder(make_source(tmp_path))
    dataset = build_semseg_folder(make_source(tmp_path)._replace(label_ending="_mask"))
    assert [dataset.truth(index).id for index in range(2)] == ["a", "ab"]


def test_images_and_label_images_may_share_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", np.full((4, 6, 3), 7, np.uint8))
    write(tmp_path / "a.png", make_labels())
    source = make_source(tmp_path)._replace(path=tmp_path, annotations=tmp_path)
    dataset = build_semseg_folder(source)
    assert (Path(dataset.file_of(0)).name, dataset[0]["semseg"].tolist()) == ("a.jpg", make_labels().tolist())
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(DataError, match="images and label images are in one folder, .* label_ending: _mask"):
        build_semseg_folder(source)
    write(tmp_path / "a_mask.png", make_labels())
    dataset = build_semseg_folder(source._replace(label_ending="_mask"))
    assert (len(dataset), Path(dataset.file_of(0)).name, dataset[0]["semseg"].tolist()) == (1, "a.png", make_labels().tolist())


def test_label_images_may_lie_below_the_images(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    (tmp_path / "labels").rename(tmp_path / "images" / "labels")
    source = make_source(tmp_path)._replace(annotations=tmp_path / "images" / "labels")
    assert len(build_semseg_folder(source)) == 1


# what is wrong


def test_images_without_a_label_image_are_named(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    for name in "bcdef":
        write(tmp_path / "images" / f"{name}.png", np.zeros((4, 6, 3), np.uint8))
    message = (
        f"{tmp_path / 'labels'}: b, c, d and 2 more have no label image there, but an image in {tmp_path / 'images'}; both have to have "
        "the same name, or are paired by a list of lines 'image label' (type label_list)"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        build_semseg_folder(make_source(tmp_path))


@pytest.mark.parametrize(
    "line", ["sub\\a", "images/sub/a.png", "labels/sub/a.png", "/home/me/images/sub/a.png", "C:\\x\\images\\sub\\a.png", "sub%2Fa"]
)
def test_names_of_a_list_may_be_paths_of_another_system(line: str, tmp_path: Path) -> None:
    for name in ("sub/a", "b"):
        write_pair(tmp_path, name, make_labels())
    (tmp_path / "val.txt").write_text(f"# names\nb\n{line}\n")
    dataset = build_semseg_folder(make_source(tmp_path, "val.txt"))
    assert [dataset.truth(index).id for index in range(len(dataset))] == ["b", "sub/a"]
    (tmp_path / "val.txt").write_text("other/B.png\n")
    with pytest.raises(DataError, match=r"val.txt: other/B has no image in .*images; there is b.png in .*images$"):
        build_semseg_folder(make_source(tmp_path, "val.txt"))


def test_names_of_a_list_without_an_image_are_reported(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    (tmp_path / "val.txt").write_text("a\nz\n")
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'val.txt'}: z has no image in {tmp_path / 'images'}")):
        build_semseg_folder(make_source(tmp_path, "val.txt"))


def test_missing_and_empty_lists_are_reported(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    with pytest.raises(DataError, match=r"val\.txt: the list of names cannot be read"):
        build_semseg_folder(make_source(tmp_path, "val.txt"))
    (tmp_path / "val.txt").write_text("\n")
    with pytest.raises(DataError, match=r"val\.txt: the list is empty"):
        build_semseg_folder(make_source(tmp_path, "val.txt"))


def test_missing_and_empty_folders_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="images: there is no such folder of images"):
        build_semseg_folder(make_source(tmp_path))
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match=r"images: no images in it \(\.jpg"):
        build_semseg_folder(make_source(tmp_path))
    write(tmp_path / "images" / "a.png", np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(DataError, match="labels: there is no such folder of label images"):
        build_semseg_folder(make_source(tmp_path))


def test_two_images_of_one_name_are_reported(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    write(tmp_path / "images" / "a.jpg", np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(DataError, match=r"images: a\.(png|jpg) and a\.(png|jpg) have one name \(a\)"):
        build_semseg_folder(make_source(tmp_path))


def test_another_size_names_both_files(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    write(tmp_path / "labels" / "a.png", np.zeros((6, 5), np.uint8))
    image, label = tmp_path / "images" / "a.png", tmp_path / "labels" / "a.png"
    message = f"{label}: the label image is 5x6 (width x height), but its image {image} is 6x4"
    with pytest.raises(DataError, match=re.escape(message)):
        build_semseg_folder(make_source(tmp_path))[0]


def test_a_value_outside_of_the_classes_is_reported(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", np.array([[0, 2, 3, 255]], np.uint8))
    with pytest.raises(DataError, match=r"a\.png: the label image has the value 3, 0 to 2 expected for 3 classes"):
        build_semseg_folder(make_source(tmp_path))[0]


def test_classes_and_annotations_are_needed(tmp_path: Path) -> None:
    # a folder that is missing comes first: the names of classes are asked for after that
    with pytest.raises(DataError, match="there is no such folder of images"):
        build_semseg_folder(make_source(tmp_path / "gone")._replace(classes=None))
    write_pair(tmp_path, "a", make_labels())
    with pytest.raises(DataError, match=r"set Source\.classes to the names of all classes"):
        build_semseg_folder(make_source(tmp_path)._replace(classes=None))
    with pytest.raises(ConfigError, match="semseg_folder need annotations"):
        build_semseg_folder(make_source(tmp_path)._replace(annotations=None))


def test_other_kinds_of_targets_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", make_labels())
    with pytest.raises(DataError, match="no boxes in these data; they have semseg"):
        build_semseg_folder(make_source(tmp_path, kinds=frozenset({"boxes", "semseg"})))


# ADE20K


def make_ade(folder: Path, split: str) -> SemsegFolder:
    return build_ade20k(Source(path=folder, split=split, classes=None))


@pytest.mark.parametrize(("split", "name"), [("train", "training"), ("val", "validation")])
def test_ade20k_counts_from_one_and_zero_does_not_count(split: str, name: str, tmp_path: Path) -> None:
    write(tmp_path / "images" / name / "ADE_1.jpg", np.zeros((2, 2, 3), np.uint8))
    write(tmp_path / "annotations" / name / "ADE_1.png", np.array([[0, 1], [150, 13]], np.uint8))
    dataset = make_ade(tmp_path, split)
    assert dataset[0]["semseg"].tolist() == [[255, 0], [149, 12]]
    assert len(dataset.info.semseg_classes) == len(set(ADE20K_CLASSES)) == 150
    assert [dataset.info.semseg_classes[label] for label in (0, 12, 149)] == ["wall", "person", "flag"]


def test_wrong_values_and_splits_of_ade20k_are_reported(tmp_path: Path) -> None:
    write(tmp_path / "images" / "training" / "ADE_1.jpg", np.zeros((2, 2, 3), np.uint8))
    write(tmp_path / "annotations" / "training" / "ADE_1.png", np.array([[0, 1], [151, 13]], np.uint8))
    with pytest.raises(DataError, match=r"ADE_1\.png: the label image has the value 151, 0 to 150 expected for 150 classes"):
        make_ade(tmp_path, "train")[0]
    with pytest.raises(ConfigError, match="ade20k: the split 'vla' given, train or val expected; did you mean val"):
        make_ade(tmp_path, "vla")
