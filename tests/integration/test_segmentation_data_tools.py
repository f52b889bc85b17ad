"""tools/data/unzip.py, filter.py and split.py, as a user starts them, one after another."""

import zipfile
from pathlib import Path

import cv2
import numpy as np

from tests.integration.conftest import Run


def make_archive(path: Path, count: int = 10) -> None:
    """Write a zip of images with label images of 0 and 255; those of even numbers are background."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            label = np.zeros((20, 20, 3), np.uint8)
            label[: 10 * (number % 2)] = 255
            image = np.full((20, 20, 3), 20 * number, np.uint8)
            archive.writestr(f"img/{number}.jpg", cv2.imencode(".jpg", image)[1].tobytes())
            archive.writestr(f"gt/{number}.png", cv2.imencode(".png", label)[1].tobytes())


def test_from_a_zip_to_lists_of_training_and_validation(run: Run, tmp_path: Path) -> None:
    make_archive(tmp_path / "tiles.zip")
    done = run("data/unzip.py", tmp_path / "tiles.zip", "--out", "data/dataset").succeeded()
    assert "unpacked 20 files" in done.output
    root = tmp_path / "data" / "dataset"
    done = run("data/filter.py", root).succeeded()
    assert "kept 5 of 10 images (background up to 95.0%); written: " in done.output
    assert (root / "train2.txt").read_text() == "1\n3\n5\n7\n9\n"
    done = run("data/split.py", root, "--list", "train2.txt", "--val-count", "2").succeeded()
    assert "5 images: 3 in " in done.output
    training, validation = ((root / name).read_text().splitlines() for name in ("train.txt", "val.txt"))
    assert (len(training), len(validation)) == (3, 2)
    assert sorted(training + validation) == [f"img/{number}.jpg gt/{number}.png" for number in (1, 3, 5, 7, 9)]
    run("data/split.py", root, "--list", root / "train2.txt", "--val-percent", "40").succeeded()
    assert (root / "val.txt").read_text().splitlines() == validation
    run("data/split.py", root, "--val-percent", "20", "--seed", "1", "--separator", ",").succeeded()
    assert len((root / "train.txt").read_text().splitlines()) == 8
    assert "," in (root / "val.txt").read_text()


def test_mistakes_end_with_one_message(run: Run, tmp_path: Path) -> None:
    make_archive(tmp_path / "tiles.zip", 4)
    root = tmp_path / "out"
    run("data/unzip.py", tmp_path / "tiles.zip", "--out", root).succeeded()
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../evil.txt", "x")
    (root / "gt" / "2.png").write_bytes(b"damaged")
    for options, message in (
        (("data/unzip.py", tmp_path / "tiles.zip", "--out", root), "exist already; nothing was unpacked"),
        (("data/unzip.py", tmp_path / "evil.zip", "--out", root), "the member '../evil.txt' leads out of the target folder"),
        (("data/unzip.py", tmp_path, "--out", root, "--encoding", "klingon"), "--encoding klingon: unknown"),
        (
            ("data/unzip.py", tmp_path, "--out", root, "--max-size", "0"),
            "--max-size 0 --max-ratio 200 --max-files 1000000: numbers above 0 expected",
        ),
        (("data/filter.py", root), "1 of 4 label images cannot be used: "),
        (("data/filter.py", root, "--max-background", "95"), "95 given, a number from 0 to 1 expected"),
        (("data/split.py", root, "--val-count", "4"), "--val-count 4 of 4 images: 4 for validation leave 0"),
        (("data/split.py", root), "one of --val-count and --val-percent is expected"),
        (("data/split.py", root, "--val-count", "1", "--separator", ""), "--separator ''"),
        (("data/split.py", root, "--list", "missing.txt", "--val-count", "1"), "out/missing.txt: the list of names cannot be read"),
    ):
        done = run(*options)
        assert done.code == 2, done.output
        assert message in done.output.replace("\n", " ")
        assert done.output.count("error: ") == 1
        assert "Traceback" not in done.output
    assert not (tmp_path / "evil.txt").exists()
    assert not any((root / name).exists() for name in ("train.txt", "val.txt", "train2.txt"))


def test_a_filter_that_leaves_nothing_writes_nothing(run: Run, tmp_path: Path) -> None:
    make_archive(tmp_path / "tiles.zip", 4)
    run("data/unzip.py", tmp_path / "tiles.zip", "--out", "out").succeeded()
    done = run("data/filter.py", "out", "--max-background", "0.2")
    assert done.code == 2
    assert "all 4 label images are more than 20.0% background (the least: 50.0%)" in done.output
    assert not (tmp_path / "out" / "train2.txt").exists()
