"""Folders and lists of images, several together: what their samples are, and what is reported when files are wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pet.data import build_dataset
from pet.data.catalog.source import Source
from pet.data.config import DATA_SCHEMA
from pet.data.datasets.image_folder import ImageFolder
from pet.data.datasets.images import build_images
from pet.data.datasets.list_file import ListFile, names_in_list
from pet.data.files.allowed_paths import INSIDE
from pet.data.loading.renumbered import with_names
from pet.data.targets.check import check_info
from pet.data.targets.dataset import Dataset, Expectation
from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError, merge_schemas
from petlib.data.protocols import NamedFiles
from petlib.errors import DataError


def make_cfg(**values: Any) -> CfgNode:
    cfg = CfgNode(merge_schemas(PETLIB_SCHEMA, DATA_SCHEMA))
    for key, value in values.items():
        cfg.set(key.replace("__", "."), value)
    return cfg


def write_image(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((4, 5, 3), value, np.uint8))


def labels_of(dataset: Dataset) -> list[int]:
    return [dataset[index]["label"] for index in range(len(dataset))]


# what has splits


@pytest.mark.parametrize("kind", ["digits", "cifar10"])
def test_an_unknown_split_is_reported(kind: str, tmp_path: Path) -> None:
    cfg = make_cfg(DATA__CATALOG={"x": {"type": kind, "split": "tets", "path": str(tmp_path)}})
    with pytest.raises(ConfigError, match="the split 'tets' given, train or test expected; did you mean test"):
        build_dataset(cfg, ["x"], ["label"])


# folders


def test_folders_are_classes_and_files_are_sorted(tmp_path: Path) -> None:
    for name, value in (("dog/b.png", 3), ("cat/2.JPG", 1), ("cat/deep/er/1.png", 2), ("dog/a.bmp", 4)):
        write_image(tmp_path / name, value)
    (tmp_path / "cat/notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    dataset = ImageFolder(folder=tmp_path)
    assert dataset.info.classes == ["cat", "dog"]
    assert labels_of(dataset) == [0, 0, 1, 1]
    files = [Path(dataset[index]["meta"]["file"]).relative_to(tmp_path).as_posix() for index in range(4)]
    assert files == ["cat/2.JPG", "cat/deep/er/1.png", "dog/a.bmp", "dog/b.png"]
    assert [dataset.file_of(index) for index in range(4)] == [dataset[index]["meta"]["file"] for index in range(4)]
    assert int(dataset[2]["image"][0, 0, 0]) == 4
    assert dataset[2]["image"].shape == (4, 5, 3)
    assert dataset[-1]["meta"]["file"] == str(tmp_path / "dog/b.png")


def test_folders_say_how_many_files_they_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("cat/1.png", "cat/.trash/2.png", "__MACOSX/cat/1.png", "alone.png"):
        write_image(tmp_path / name)
    (tmp_path / "cat/1.png").rename(tmp_path / "cat/1.jfif")
    (tmp_path / "cat/._1.jfif").write_bytes(b"what a Mac leaves behind")
    for name in ("cat/3.heic", "readme.md"):
        (tmp_path / name).touch()
    dataset = ImageFolder(folder=tmp_path)
    assert (dataset.info.classes, len(dataset)) == (["cat"], 1)
    system = "file or folder of the system (hidden, or a name like Thumbs.db, __MACOSX)"
    assert dataset.info.skipped == {
        "file of another kind (.md)": 1,
        "image that lies in no folder of a class": 1,
        system: 3,
        "file of another kind (.heic)": 1,
    }
    assert f"{tmp_path}: while reading: 3 x {system} (the first: {tmp_path}/__MACOSX)" in caplog.messages
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog/1.heic").touch()
    with pytest.raises(DataError, match=r"dog: the class 'dog' has no images .*; left out: .*2 x file of another kind \(\.heic\)"):
        ImageFolder(folder=tmp_path)


def test_lists_next_to_the_class_folders_are_no_oddity(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_image(tmp_path / "cat" / "1.png")
    for name in ("train.txt", "split.json", "labels.csv"):
        (tmp_path / name).write_text("cat/1.png cat")
    assert ImageFolder(folder=tmp_path).info.skipped == {}
    assert not caplog.messages


def test_given_classes_fix_the_labels(tmp_path: Path) -> None:
    write_image(tmp_path / "dog/1.png")
    assert labels_of(ImageFolder(folder=tmp_path, classes=["ant", "dog"])) == [1]
    with pytest.raises(DataError, match=r"the folders dog are no classes of Source.classes \(ant, cat\)"):
        ImageFolder(folder=tmp_path, classes=["ant", "cat"])


def test_missing_and_empty_folders_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no/such: there is no such folder; an image folder has a folder for each class.*Source\.root"):
        ImageFolder(folder=tmp_path / "no/such")
    write_image(tmp_path / "cat" / "1.png")
    with pytest.raises(DataError, match="cat: no class folders in it"):
        ImageFolder(folder=tmp_path / "cat")
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match=r"dog: the class 'dog' has no images \(\.jpg"):
        ImageFolder(folder=tmp_path)


# lists


def write_list(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "list.txt"
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("text", ["a.png cat\nb c.png dog\n", "a.png\tcat\r\nb c.png\tdog", "\ufeff# two\na.png,cat\n\nb c.png, dog\n"])
def test_lines_of_a_list_file(text: str, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", 8)
    write_image(tmp_path / "b c.png", 9)
    dataset = ListFile(path=write_list(tmp_path, text))
    assert dataset.info.classes == ["cat", "dog"]
    assert labels_of(dataset) == [0, 1]
    assert [int(dataset[index]["image"][0, 0, 0]) for index in range(2)] == [8, 9]
    assert not dataset.info.numbered


def test_an_image_with_two_labels_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_image(tmp_path / "a.png")
    dataset = ListFile(path=write_list(tmp_path, "a.png cat\na.png cat\na.png dog\n"))
    (reason,) = dataset.info.skipped
    assert reason.startswith("image that an earlier line gives another label")
    assert dataset.info.skipped[reason] == 1
    assert "(the first: line 3: a.png is 'cat' and 'dog')" in caplog.text
    assert labels_of(dataset) == [0, 0, 1]


def test_labels_as_numbers_and_given_classes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    numbers = ListFile(path=write_list(tmp_path, "a.png 0\na.png 2\n"))
    assert (numbers.info.classes, numbers.info.numbered, labels_of(numbers)) == (["0", "1", "2"], True, [0, 2])
    named = ListFile(path=write_list(tmp_path, "a.png 0\na.png 2\n"), classes=["x", "y", "z"])
    assert (named.info.classes, named.info.numbered, labels_of(named)) == (["x", "y", "z"], False, [0, 2])
    words = ListFile(path=write_list(tmp_path, "a.png z\n"), classes=["x", "y", "z"])
    assert (words.info.classes, labels_of(words)) == (["z"], [0])
    assert labels_of(with_names("a", words, {"label": ["x", "y", "z"]}, ["label"])) == [2]
    with pytest.raises(DataError, match=r"list\.txt:2: the label 3 of a\.png is none of the 3 classes \(x, y, z\)"):
        ListFile(path=write_list(tmp_path, "a.png 0\na.png 3\n"), classes=["x", "y", "z"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png 1\na.png\n", r"list\.txt:2: 'a\.png' given, 'image label' expected"),
        ("a.png,1,2\n", r"list\.txt:1: 'a\.png,1,2' given"),
        (",1\n", r"list\.txt:1: ',1' given"),
        ("# c\nimage,label\na.png,0\n", r"list\.txt:3: the label 0 of a\.png, but 'label' in line 2: .*no line of headings"),
        ("a.png 0\na.png -1\n", r"list\.txt:2: the label -1 of a\.png: labels count the classes from 0"),
        ("a.png 20231105\n", r"list\.txt:1: the label 20231105 of a\.png: labels count the classes from 0 \(at most 9999999\)"),
        ("\n# nothing\n", r"list\.txt: the list file names no images"),
    ],
)
def test_a_wrong_line_is_reported_with_its_number(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        ListFile(path=write_list(tmp_path, text))


def test_labels_from_one_are_reported_as_the_cause(tmp_path: Path) -> None:
    path, expected = write_list(tmp_path, "a.png 1\na.png 2\n"), Expectation(("label",), {"label": 2}, settings={"label": "X"})
    with pytest.raises(DataError) as error:
        check_info(ListFile(path=path), expected)
    assert str(error.value) == (
        "the data have the labels 1 to 2 and none below, and labels count the classes from 0: subtract 1 from every label, "
        "or write names of classes for numbers; the model has 2 classes"
    )
    with pytest.raises(DataError, match=r"list\.txt:2: the label 2 of a\.png is none of .*; no line has the label 0: subtract 1 from"):
        ListFile(path=path, classes=["x", "y"])
    with pytest.raises(DataError, match="the data have 3 classes .0, 1, 2., the model has 2: set X to 3, or"):
        check_info(ListFile(path=write_list(tmp_path, "a.png 0\na.png 2\n")), expected)


def test_other_mistakes_of_lists_are_reported(tmp_path: Path) -> None:
    message = r"list\.txt has classes that DATA\.CLASSES does not know: dgo \(1 times\); the first is in .*b\.png; 'dgo' may be 'dog' of"
    with pytest.raises(DataError, match=message):
        build_dataset(make_cfg(DATA__CLASSES=["cat", "dog"]), [str(write_list(tmp_path, "a.png cat\nb.png dgo\n"))], ["label"])
    with pytest.raises(DataError, match=r"list\.txt:2: the list file is no UTF-8 text"):
        ListFile(path=write_list(tmp_path, "a.png 0\n\u00e4.png 1\n", encoding="latin-1"))
    with pytest.raises(DataError, match=r"no\.txt: the list file cannot be read: No such file"):
        ListFile(path=tmp_path / "no.txt")
    with pytest.raises(DataError, match=r"a\.png: the image cannot be read: .*; it is named by .*list\.txt:1$"):
        ListFile(path=write_list(tmp_path, "a.png 0\n"))[0]
    for name in ("a", "/a/b"):
        with pytest.raises(DataError, match=r"list.txt:2: '.{90,100}' given, the name of a file of at most 4096 letters expected"):
            ListFile(path=write_list(tmp_path, f"a.png 0\n{name * 100_000} 1\n"))


# several


def folders(root: Path, **classes: Sequence[str]) -> list[str]:
    for name, names in classes.items():
        for kind in names:
            write_image(root / name / kind / "1.png")
    return [str(root / name) for name in classes]


def test_several_data_sets_follow_one_another(tmp_path: Path) -> None:
    names = folders(tmp_path, first=["cat", "dog"], second=["cat", "dog"])
    dataset = build_dataset(make_cfg(), names, ["label"])
    assert dataset.info.classes == ["cat", "dog"]
    assert labels_of(dataset) == [0, 1, 0, 1]
    assert dataset[2]["meta"]["file"].startswith(names[1])
    assert isinstance(dataset, NamedFiles)
    assert dataset.file_of(2) == dataset[2]["meta"]["file"]


def test_data_sets_of_other_classes_cannot_be_joined(tmp_path: Path) -> None:
    names = folders(tmp_path, first=["cat", "dog"], second=["cat", "eel", "fox"])
    with pytest.raises(DataError, match="2 and 3 classes, only the first has dog, only the second has eel, fox; set DATA.CLASSES"):
        build_dataset(make_cfg(), names, ["label"])
    joined = build_dataset(make_cfg(DATA__CLASSES=["cat", "dog", "eel", "fox"]), names, ["label"])
    assert labels_of(joined) == [0, 1, 0, 2, 3]


def test_lists_of_numbers_are_joined_whatever_their_greatest_is(tmp_path: Path) -> None:
    for name, label in (("a", 1), ("b", 4)):
        (tmp_path / f"{name}.txt").write_text(f"x.png {label}\n")
    dataset = build_dataset(make_cfg(MISC__DATA_ROOT=str(tmp_path)), ["a.txt", "b.txt"], ["label"])
    assert dataset.info.classes == ["0", "1", "2", "3", "4"]
    assert dataset.info.numbered


def test_given_classes_have_to_be_those_of_the_data() -> None:
    with pytest.raises(DataError, match=r"digits_train has classes that DATA\.CLASSES does not know: 0 \(\d+ times\).*\n.*has odd, even"):
        build_dataset(make_cfg(DATA__CLASSES=["odd", "even"]), ["digits_train"], ["label"])


def test_no_data_set_and_an_unknown_type_are_reported() -> None:
    with pytest.raises(ConfigError, match="no data set is named; set TRAIN.DATASETS and TEST.DATASETS"):
        build_dataset(make_cfg(), [], ["label"])
    with pytest.raises(ConfigError, match="unknown type of data set 'image_foldr'; did you mean image_folder"):
        build_dataset(make_cfg(DATA__CATALOG={"x": {"type": "image_foldr", "path": "y"}}), ["x"], ["label"])


def test_csv_files_have_headings_and_quoted_fields(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="pet.data.datasets.list_file")
    cv2.imwrite(str(tmp_path / "a, b.png"), np.full((4, 4, 3), 7, np.uint8))
    (tmp_path / "list.csv").write_text('\ufefffilename,label\r\n"a, b.png","cat"\r\n', encoding="utf-8")
    (sample,) = ListFile(path=tmp_path / "list.csv")
    assert (sample["label"], sample["meta"]["file"]) == (0, str(tmp_path / "a, b.png"))
    assert "the heading filename, label is no image and is skipped" in caplog.text
    (tmp_path / "list.csv").write_text('"a, b.png";3\n', encoding="utf-8")
    assert ListFile(path=tmp_path / "list.csv")[0]["label"] == 3


@pytest.mark.parametrize(("labels", "warned"), [((1, 2), True), ((0, 2), False), (("b", "c"), False)])
def test_labels_that_begin_with_1_are_reported(
    labels: Sequence[Any], warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "list.txt").write_text("".join(f"{number}.png {label}\n" for number, label in enumerate(labels)))
    ListFile(path=tmp_path / "list.txt")
    assert ("no line has the label 0" in caplog.text) == warned
    caplog.clear()
    names_in_list(tmp_path / "list.txt", INSIDE)
    assert not caplog.text, "the data set reports it"


def test_images_without_classes_are_named_by_the_catalogue(tmp_path: Path) -> None:
    source = Source(tmp_path, "", None)
    with pytest.raises(DataError, match=r"^CatalogEntry: .*: no images in it"):
        build_images(source)


@pytest.mark.parametrize(
    "text",
    [
        "label,filename\ncat,a.png\ndog,b.png\n",
        ",image_path,width,class\n0,a.png,4,cat\n1,b.png,4,dog\n",
        "id;Class Name;File-Name\n0;cat;a.png\n1;dog;b.png\n",
    ],
)
def test_a_heading_names_the_columns(text: str, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((4, 4, 3), 7, np.uint8))
    (tmp_path / "list.csv").write_text(text)
    dataset = ListFile(path=tmp_path / "list.csv")
    assert [Path(dataset.file_of(place)).name for place in range(2)] == ["a.png", "b.png"]
    assert [dataset[place]["label"] for place in range(2)] == [0, 1]
    assert dataset.info.classes == ["cat", "dog"]


def test_columns_that_no_heading_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,what,name\n0,cat,a.png\n")
    with pytest.raises(DataError, match=r"list\.csv:2: '0,cat,a\.png' given, 'image label' expected"):
        ListFile(path=tmp_path / "list.csv")


def test_a_link_to_nothing_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "a.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"a\.png: the image cannot be read: .*; it is a link to .*gone\.png, where no file is"):
        ImageFolder(folder=tmp_path)[0]
