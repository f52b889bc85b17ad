"""Decoded images are kept, shared, and made anew where the file, the disk or the machine has changed."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.files import image_cache
from pet.data.files.image_cache import CACHE, MEMORY, free_memory, open_cache
from pet.data.files.images import read_image
from pet.data.files.label_images import read_label_image
from pet.data.files.limits import LIMITS
from petlib.errors import DataError, OutputError


@pytest.fixture(autouse=True)
def closed_after_the_test() -> Iterator[None]:
    yield
    CACHE.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_photo(tmp_path / "photo.jpg", seed=0)


def write_photo(path: Path, *, seed: int) -> Path:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (80, 60)))
    return path


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != ".unfinished")


def open_disk(folder: Path, *, spare: float = 0) -> None:
    open_cache("disk", folder=str(folder), spare=spare)


def test_an_image_is_decoded_once_and_is_the_same(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = read_image(photo)
    open_disk(tmp_path / "cache")
    first = read_image(photo)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it is decoded again"))
    second = read_image(photo)
    for image in (first, second):
        np.testing.assert_array_equal(image, decoded)
        assert image.dtype == np.uint8 and image.flags.writeable and image.flags.c_contiguous
    assert len(kept(tmp_path / "cache")) == 1


def test_what_a_reader_changes_is_its_own(photo: Path, tmp_path: Path) -> None:
    open_disk(tmp_path / "cache")
    expected = read_image(photo).copy()
    read_image(photo)[:] = 0
    np.testing.assert_array_equal(read_image(photo), expected)


@pytest.mark.parametrize("keeps_time", [False, True])
def test_a_changed_file_is_decoded_again(photo: Path, tmp_path: Path, keeps_time: bool) -> None:
    open_disk(tmp_path / "cache")
    read_image(photo)
    before = photo.stat()
    write_photo(photo, seed=1)
    if keeps_time:
        os.utime(photo, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert photo.stat().st_size != before.st_size
    changed = read_image(photo)
    CACHE.close()
    np.testing.assert_array_equal(changed, read_image(photo))
    assert len(kept(tmp_path / "cache")) == 1


def test_label_images_of_any_depth_are_kept_as_they_are_asked_for(tmp_path: Path) -> None:
    deep = np.arange(1200, dtype=np.uint16).reshape(30, 40)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    equal = np.repeat((deep % 7).astype(np.uint8)[..., None], 3, axis=2)
    cv2.imwrite(str(tmp_path / "equal.png"), equal)
    open_disk(tmp_path / "cache")
    for _ in range(2):
        np.testing.assert_array_equal(read_label_image(tmp_path / "deep.png"), deep)
        np.testing.assert_array_equal(read_label_image(tmp_path / "equal.png"), equal[..., 0])
        np.testing.assert_array_equal(read_label_image(tmp_path / "equal.png", colours=True), equal)
        assert read_image(tmp_path / "deep.png", unchanged=True).shape == (30, 40, 1)
        assert read_image(tmp_path / "deep.png").shape == (30, 40, 3)
    assert len(kept(tmp_path / "cache")) == 5


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: data[:-1], lambda data: b"", lambda data: b"x" * len(data)])
def test_a_damaged_file_of_the_cache_is_made_anew(photo: Path, tmp_path: Path, damage: object) -> None:
    open_disk(tmp_path / "cache")
    expected = read_image(photo).copy()
    (file,) = kept(tmp_path / "cache")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))  # type: ignore[operator]
    np.testing.assert_array_equal(read_image(photo), expected)
    assert file.read_bytes() == whole


def test_pixels_that_a_power_failure_took_are_found_by_their_checksum(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_disk(tmp_path / "cache")
    expected = read_image(photo).copy()
    (file,) = kept(tmp_path / "cache")
    whole = bytearray(file.read_bytes())
    whole[-500:] = bytes(500)
    file.write_bytes(whole)
    monkeypatch.setattr(image_cache, "_start_of_machine", lambda: b"another start..!")
    np.testing.assert_array_equal(read_image(photo), expected)


def test_errors_are_those_of_the_file_each_time(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:300])
    open_disk(tmp_path / "cache")
    for _ in range(2):
        with pytest.raises(DataError, match=r"cut\.jpg: not an image"):
            read_image(tmp_path / "cut.jpg")
        with pytest.raises(DataError, match=r"gone\.jpg: the image cannot be read: No such file"):
            read_image(tmp_path / "gone.jpg")
    assert kept(tmp_path / "cache") == []
    read_image(photo)
    monkeypatch.setattr(LIMITS, "pixels", 100)
    with pytest.raises(DataError, match=r"photo\.jpg: the image is 80x60"):
        read_image(photo)


def test_a_full_device_is_reported_once_and_images_are_still_read(photo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_disk(tmp_path / "cache", spare=100)
    other = write_photo(tmp_path / "other.jpg", seed=3)
    with caplog.at_level(logging.WARNING):
        assert read_image(photo).shape == read_image(other).shape == (60, 80, 3)
    (record,) = caplog.records
    assert "less than 100% of the disk is free" in record.message and "open_cache.spare" in record.message
    assert kept(tmp_path / "cache") == []


def test_a_write_that_fails_leaves_nothing(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_disk(tmp_path / "cache")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    assert read_image(photo).shape == (60, 80, 3)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_used_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file: the folder of decoded images \(open_cache\.folder\) cannot be used: File exists"):
        open_disk(tmp_path / "file")


def test_what_killed_processes_left_is_removed_after_an_hour(tmp_path: Path) -> None:
    unfinished = tmp_path / "cache" / ".unfinished"
    unfinished.mkdir(parents=True)
    for name, age in (("old", 7200), ("new", 60)):
        (unfinished / name).write_bytes(b"half")
        os.utime(unfinished / name, (time.time() - age,) * 2)
    open_disk(tmp_path / "cache")
    assert [path.name for path in unfinished.iterdir()] == ["new"]


def test_the_memory_that_is_free_is_that_of_the_container_where_it_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n")
    assert free_memory(tmp_path / "meminfo", tmp_path) == pytest.approx(0.4)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 700\ninactive_file 100\n")
    assert free_memory(tmp_path / "meminfo", tmp_path) == pytest.approx(0.4)
    (tmp_path / "memory.max").write_text("1000\n")
    assert free_memory(tmp_path / "meminfo", tmp_path) == pytest.approx(0.2)
    assert 0 < free_memory() <= 1


READER = """
import sys, time
from pathlib import Path
from pet.data.files import image_cache
image_cache.MEMORY = Path(sys.argv[1])
image_cache.open_cache("memory", folder="", spare=0)
from pet.data.files.images import read_image
print(read_image(sys.argv[2]).sum(), flush=True)
sys.stdin.read()
"""


def start_reader(memory: Path, photo: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", READER, str(memory), str(photo)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_the_last_process_leaves_nothing_in_the_memory(photo: Path, tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    first, second, killed = (start_reader(memory, photo) for _ in range(3))
    sums = {process.stdout.readline() for process in (first, second, killed) if process.stdout is not None}
    assert sums == {f"{read_image(photo).sum()}\n"}
    (folder,) = memory.iterdir()
    assert len(kept(folder)) == 2, "the lock, and the image"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    first.communicate()
    assert folder.is_dir()
    second.communicate()
    assert list(memory.iterdir()) == []


def test_a_system_without_such_a_memory_is_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert MEMORY == Path("/dev/shm")
    monkeypatch.setattr(image_cache, "MEMORY", tmp_path / "none")
    with pytest.raises(OutputError, match="choose disk"):
        open_cache("memory", folder="", spare=5)
