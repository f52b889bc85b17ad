"""Files, folders, patterns and pairs."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.prediction import Inputs, find_inputs
from pet.prediction.inputs import FileInput
from petlib.errors import DataError


def write_images(folder: Path, *names: str, value: int = 100) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((40, 60, 3), value, np.uint8))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("in", ["a.png", "b.jpg", "sub/c.bmp"]),
        ("in/a.png", ["a.png"]),
        ("in/*.jpg", ["b.jpg"]),
        ("in/**/*", ["a.png", "b.jpg", "sub/c.bmp"]),
    ],
)
def test_folders_files_and_patterns(tmp_path: Path, pattern: str, names: list[str]) -> None:
    write_images(tmp_path / "in", "a.png", "b.jpg", "sub/c.bmp")
    (tmp_path / "in" / "notes.txt").touch()
    found = find_inputs(str(tmp_path / pattern))
    assert found == Inputs([FileInput((tmp_path / "in" / name,), str(Path(name).with_suffix(""))) for name in names], [])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("in/notes.txt", "there are no images"),
        ("in", r"there are no images .* in it; left out: 2 x file of another kind \(\.txt\), e\.g\. .*/in/more\.txt$"),
        ("in/*.jpg", "the pattern fits no images"),
        ("in/more/a.jpg", "the path exists only up to .*in$"),
    ],
)
def test_no_images(tmp_path: Path, pattern: str, message: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").touch()
    (tmp_path / "in" / "more.txt").touch()
    with pytest.raises(DataError, match=message):
        find_inputs(str(tmp_path / pattern))


def test_what_is_left_out_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_images(tmp_path, "a.png", "b/c.png", "__MACOSX/a.png", ".cache/a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jfif")
    for name in ("b/._c.png", "notes.txt", "Thumbs.db"):
        (tmp_path / name).touch()
    for pattern, system in (("", 4), ("**/*", 2)):
        caplog.clear()
        assert [entry.place for entry in find_inputs(str(tmp_path / pattern)).images] == ["a", "b/c"]
        assert [text.partition(": ")[2].partition(" (the first")[0] for text in sorted(caplog.messages)] == [
            "while reading: 1 x file of another kind (.txt)",
            f"while reading: {system} x file or folder of the system (hidden, or a name like Thumbs.db, __MACOSX)",
        ]


def test_videos_are_found_and_stay_apart_from_images_of_their_name(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    for name in ("a.mp4", "c.AVI", "._a.mp4"):
        (tmp_path / name).touch()
    images = [FileInput((tmp_path / "a.png",), "a.png"), FileInput((tmp_path / "b.png",), "b")]
    assert find_inputs(str(tmp_path)) == Inputs(images, [FileInput((tmp_path / "a.mp4",), "a.mp4"), FileInput((tmp_path / "c.AVI",), "c")])
    assert find_inputs(str(tmp_path / "b.png"), str(tmp_path / "a.png")).images == [
        FileInput((tmp_path / "b.png", tmp_path / "a.png"), "b")
    ]
