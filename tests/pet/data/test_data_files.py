"""Files from outside: what is opened, how much is read, and where their names may lead."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pet.data.files.allowed_paths import ANYWHERE, INSIDE, Reach
from pet.data.files.image_size import FORMATS
from pet.data.files.images import read_image
from pet.data.files.json_files import read_json
from pet.data.files.limits import shown
from pet.data.files.listing import SUFFIXES, class_folders, files_below, is_of_system
from pet.data.files.opening import check_file, is_name, open_file, read_file, read_text
from pet.data.files.skipped import SkipCounter
from petlib.errors import DataError
from petlib.suggest import shortened


def test_a_file_is_read_whole_and_no_larger_than_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_file(path, what="the file") == b"12345"
    assert read_file(path, what="the file", most_bytes=5) == b"12345"
    with pytest.raises(DataError, match=r"a: the file cannot be read: it has 5 bytes, and at most 4 are read .of such a file.!"):
        read_file(path, what="the file", most_bytes=4, hint="!")
    with open_file(path, what="the file") as file:
        assert file.read(2) == b"12"
    check_file(path, what="the file")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none", "No such file"),
        ("folder", "it is a folder"),
        ("pipe", "it is a named pipe, a file expected"),
        ("a\0", "its name has a null byte"),
    ],
)
def test_what_is_no_file_is_reported(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=f"the list cannot be read: .*{reason}"):
        read_text(tmp_path / name, what="the list")


def test_text_is_utf8_with_or_without_a_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffé\r\n".encode())
    assert read_text(tmp_path / "a", what="the list") == "é\r\n"
    (tmp_path / "a").write_bytes(b"1\n2\n\xff")
    with pytest.raises(DataError, match=r"a:3: the list is no UTF-8 text .invalid start byte.; save it as UTF-8"):
        read_text(tmp_path / "a", what="the list")


def test_json_is_read_or_reported(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"b": [1, 2.5, null]}')
    assert read_json(tmp_path / "a", what="the file") == {"b": [1, 2.5, None]}
    (tmp_path / "a").write_text('{"b": [1, 2.5, null')
    with pytest.raises(DataError, match="a: not a JSON file, or a damaged one: Expecting ',' delimiter: line 1 column 20"):
        read_json(tmp_path / "a", what="the file")


@pytest.mark.parametrize("text", ["[" * 5000, "[" * 201 + "]" * 201, '[{"a":' * 101 + "1" + "}]" * 101, "[[]," * 201 + "1" + "]" * 201])
def test_json_that_is_nested_too_deeply_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(DataError, match="a: the file is nested too deeply to be read"):
        read_json(tmp_path / "a", what="the file")


@pytest.mark.parametrize("value", ["[" * 5000, '\\"[{' * 600, [[]] * 600, {"[{" * 600: ["]"]}])
def test_brackets_that_nest_nothing_do_not_count(tmp_path: Path, value: Any) -> None:
    (tmp_path / "a").write_text(json.dumps(value))
    assert read_json(tmp_path / "a", what="the file") == value
    deep = "[" * 199 + json.dumps([value] if isinstance(value, str) else "x") + "]" * 199
    (tmp_path / "a").write_text(deep)
    assert read_json(tmp_path / "a", what="the file") == json.loads(deep)


def test_names_can_be_printed() -> None:
    assert all(map(is_name, ("cat", "großer Hund", "猫", "a b", "x" * 500)))
    assert not any(map(is_name, ("", "a\nb", "\x1b[2J", "\ud800", "x" * 501, 7, None)))


def test_values_are_shown_short() -> None:
    assert [shown(7), shown("a"), shown([1, [2, [3]]])] == ["7", "'a'", "[1, [2, [...]]]"]
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert len(shown(deep)) < 20
    assert len(shown(10**4000)) < 100
    assert shortened("x" * 101, 5) == "xxxxx..."


def test_names_lead_below_their_folder_or_the_root(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "lists"
    for name in ("a.png", "b/a.png", "b/../a.png", "..a/b.png", f"{folder}/a.png"):
        INSIDE.check(name, folder, "x:1")
    for name in ("../a.png", "b/../../a.png", "/a.png", f"{folder}2/a.png"):
        with pytest.raises(DataError, match="x:1: '.*a.png' leads out of .*/data/lists, and files named by other files have to lie there"):
            INSIDE.check(name, folder, "x:1")
        ANYWHERE.check(name, folder, "x:1")
    Reach(root=tmp_path / "data").check("../img/a.png", folder, "x:1")
    with pytest.raises(DataError, match=r"leads out of .*/data/lists and .*/data,"):
        Reach(root=tmp_path / "data").check("../../a.png", folder, "x:1")
    for name in ("", ".", "..", "./", "a\0b"):
        with pytest.raises(DataError, match="x:1: .* given, the name of a file expected"):
            ANYWHERE.check(name, folder, "x:1")


def test_files_below_a_folder_in_order_and_through_links(tmp_path: Path) -> None:
    for name in ("b/2", "a/1", "a/x/3"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "f").touch()
    (tmp_path / "data" / "c").symlink_to("a")
    skipped = SkipCounter(tmp_path)
    found = [os.path.relpath(parent, tmp_path / "data") for parent, names in files_below(tmp_path / "data", ("f",), skipped) if names]
    assert found == ["a/1", "a/x/3", "b/2", "c/1", "c/x/3"]
    (tmp_path / "data" / "a" / "up").symlink_to("..")
    with pytest.raises(DataError, match=r"data/a/up: this link leads to a folder that it lies in, .*; remove it"):
        list(files_below(tmp_path / "data", ("f",), skipped))


LEFT_BEHIND = (
    *(".DS_Store", "._a.png", "Thumbs.db", "desktop.ini", "sub/ehthumbs.db", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/._a.png"),
    *("@eaDir/a.png", "$RECYCLE.BIN/a.png", "System Volume Information/a.png"),
)


def test_what_the_system_leaves_behind_is_no_data_and_counted(tmp_path: Path) -> None:
    for name in ("a.png", "sub/b.JPG", "sub/notes.txt", "c.heic", "d.jpeg_old", "e", *LEFT_BEHIND):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    skipped = SkipCounter(tmp_path)
    assert [(os.path.relpath(parent, tmp_path), names) for parent, names in files_below(tmp_path, SUFFIXES, skipped)] == [
        (".", ["a.png"]),
        ("sub", ["b.JPG"]),
    ]
    assert sorted(skipped.counts.items()) == [
        ("file of another kind (.heic)", 1),
        ("file of another kind (.txt)", 1),
        ("file of another kind (without a usual suffix)", 2),
        ("file or folder of the system (hidden, or a name like Thumbs.db, __MACOSX)", 10),
    ]
    assert class_folders(tmp_path) == ["sub"]
    assert skipped.described().startswith("; left out: 10 x file or folder of the system (hidden, or a name like Thumbs.db")
    assert not is_of_system("thumbs.png")


KINDS_OF_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
}


def test_every_suffix_is_that_of_a_kind_that_is_decoded(tmp_path: Path) -> None:
    assert set(KINDS_OF_SUFFIXES) == set(FORMATS)
    assert sorted(suffix for suffixes in KINDS_OF_SUFFIXES.values() for suffix in suffixes) == sorted(SUFFIXES)
    pixels = np.repeat(np.repeat(np.array([[[200, 10, 90], [30, 220, 60]]], np.uint8), 8, axis=0), 8, axis=1)
    colours = {".pbm": pixels[..., 0] > 100, ".pgm": pixels[..., 0]}
    for kind, suffixes in KINDS_OF_SUFFIXES.items():
        for suffix in suffixes:
            image = Image.fromarray(colours.get(suffix, pixels))
            image.save(tmp_path / f"a{suffix}", kind)
            found = read_image(tmp_path / f"a{suffix}")
            assert np.abs(found.astype(int) - np.asarray(image.convert("RGB"))).mean() < 8, suffix


def test_a_folder_that_cannot_be_read_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    for name in ("a", "locked"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    assert len(list(files_below(tmp_path, SUFFIXES, SkipCounter(tmp_path)))) == 2
    assert "locked: this folder cannot be read and is left out: Permission denied" in caplog.text
