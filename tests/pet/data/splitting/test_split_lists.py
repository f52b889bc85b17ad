"""List files of training and validation."""

import random
from pathlib import Path

import pytest

from pet.data.splitting.divide import divide_at_random, number_for_validation
from pet.data.splitting.lists import check_files, labelled_stems, list_lines, read_stems, write_lists
from petlib.errors import ConfigError, DataError, OutputError

STEMS = [f"tile_{number}" for number in range(50)]


def split_stems(*, val_count: int | None = None, val_percent: float | None = None, seed: int = 24) -> list[list[str]]:
    count = number_for_validation(len(STEMS), val_count=val_count, val_percent=val_percent)
    return [[STEMS[place] for place in side] for side in divide_at_random(len(STEMS), count, seed)]


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_the_split_is_that_of_the_notebook() -> None:
    random.seed(24)
    lines = [f"{stem}\n" for stem in STEMS]
    random.shuffle(lines)
    training, validation = split_stems(val_count=12)
    assert validation == [line.strip() for line in lines[:12]]
    assert training == [line.strip() for line in lines[12:]]


def test_the_seed_decides_and_the_global_generator_does_not() -> None:
    first = split_stems(val_percent=20, seed=1)
    random.seed(99)
    assert split_stems(val_percent=20, seed=1) == first
    assert split_stems(val_percent=20, seed=2) != first
    training, validation = first
    assert (len(training), len(validation)) == (40, 10)
    assert sorted(training + validation) == sorted(STEMS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"val_count": 50}, "--val-count 50 of 50 images: 50 for validation leave 0 for training"),
        ({"val_count": 5000}, "--val-count 5000 of 50 images"),
        ({"val_count": 0}, "0 for validation leave 50"),
        ({"val_percent": 0.5}, "--val-percent 0.5 of 50 images: 0 for validation leave 50"),
    ],
)
def test_empty_sides_are_reported_with_their_numbers(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_stems(**arguments)  # type: ignore[arg-type]


def test_one_size_is_needed() -> None:
    with pytest.raises(ConfigError, match="one of --val-count and --val-percent"):
        split_stems()
    with pytest.raises(ConfigError, match="not both"):
        split_stems(val_count=1, val_percent=1)
    for wrong in (0.0, 100.0, -3.0, float("nan")):
        with pytest.raises(ConfigError, match="a number above 0 and below 100"):
            split_stems(val_percent=wrong)


def test_lines_are_paths_of_both_files() -> None:
    assert list_lines(["1", "a{}"], "img/{}.jpg", "gt/{}.png") == "img/1.jpg gt/1.png\nimg/a{}.jpg gt/a{}.png\n"
    assert list_lines(["my tile"], "img/{}.jpg", "gt/{}.png", ",") == "img/my tile.jpg,gt/my tile.png\n"
    with pytest.raises(ConfigError, match="' ': it occurs in the path 'img/my tile.jpg'; take another one"):
        list_lines(["my tile"], "img/{}.jpg", "gt/{}.png")


def test_lists_of_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "train2.txt"
    path.write_text(" 1\r\n\n建筑\n3", encoding="utf-8")
    assert read_stems(path) == ["1", "建筑", "3"]
    path.write_text("1\n2\n1\n")
    with pytest.raises(DataError, match=r"train2.txt:3: '1' is in line 1 already"):
        read_stems(path)
    path.write_text("\n")
    with pytest.raises(DataError, match="no names in this list"):
        read_stems(path)
    with pytest.raises(DataError, match="other.txt: the list of names cannot be read"):
        read_stems(tmp_path / "other.txt")


def test_files_must_be_there(tmp_path: Path) -> None:
    images, labels = tmp_path / "img", tmp_path / "gt"
    touch(images / "1.jpg", images / "2.png", labels / "1.png", labels / "2.png")
    with pytest.raises(DataError, match=r"img: 1 of 2 files are missing: 2.jpg; there is 2.png, see --image-suffix"):
        labelled_stems(images, labels, ".jpg", ".png")
    with pytest.raises(DataError, match=r"gt: 1 of 1 files are missing: 1.tif; there is 1.png, see --label-suffix"):
        check_files(["1"], images, labels, ".jpg", ".tif")
    with pytest.raises(DataError, match=r"img: 1 of 1 files are missing: 9.jpg$"):
        check_files(["9"], images, labels, ".jpg", ".png")
    (images / "2.png").rename(images / "2.jpg")
    assert labelled_stems(images, labels, ".jpg", ".png") == ["1", "2"]


def test_both_lists_are_written_or_none(tmp_path: Path) -> None:
    train, val = tmp_path / "train.txt", tmp_path / "val.txt"
    write_lists({train: "1\n", val: "2\n"})
    assert (train.read_text(), val.read_text()) == ("1\n", "2\n")
    val.unlink()
    val.mkdir()
    with pytest.raises(OutputError, match="val.txt.*no list was changed"):
        write_lists({train: "new\n", val: "new\n"})
    assert train.read_text() == "1\n"
    with pytest.raises(OutputError, match="no list was changed"):
        write_lists({tmp_path / "other.txt": "new\n", val: "new\n"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.txt", "val.txt"]
