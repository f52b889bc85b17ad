"""Frames of video files."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.files.videos import FrameFolder, VideoFacts, count_decoded, read_frames
from petlib.errors import DataError
from tests.pet.data.video_files import write_video


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 16, 24, 3), dtype=np.uint8)


@pytest.fixture
def video(tmp_path: Path, frames: np.ndarray) -> Path:
    return write_video(tmp_path / "video_%d.avi", frames)


@pytest.mark.parametrize("numbers", [[0], [3, 4, 9], [11], [9, 3, 3, 0], list(range(12))])
def test_frames_are_those_of_the_file(video: Path, frames: np.ndarray, numbers: list[int]) -> None:
    assert np.array_equal(read_frames(video, np.array(numbers)), frames[numbers])


def test_decoding_counts(video: Path) -> None:
    assert count_decoded(video) == VideoFacts(frames=12, stated=12, rate=10.0, height=16, width=24)


def test_a_file_that_is_cut_off_has_fewer_frames_than_it_states(tmp_path: Path, frames: np.ndarray) -> None:
    whole = write_video(tmp_path / "whole.avi", np.repeat(frames, 5, axis=0), code="MJPG")
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    facts = count_decoded(cut)
    assert 0 < facts.frames < 40
    with pytest.raises(DataError, match=f"frame 59 is requested and the video has {facts.frames} frames that can be decoded"):
        read_frames(cut, np.array([0, 59]))


def no_video(path: Path) -> None:
    path.write_bytes(b"no video at all" * 100)


def empty(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize(("make", "message"), [(no_video, "not a video"), (empty, "not a video"), (None, "No such file")])
def test_what_is_no_video_is_reported(tmp_path: Path, make: Callable[[Path], None] | None, message: str) -> None:
    path = tmp_path / "a.mp4"
    if make is not None:
        make(path)
    with pytest.raises(DataError, match=message):
        count_decoded(path)


def test_a_folder_of_frames(tmp_path: Path, frames: np.ndarray) -> None:
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(tmp_path / f"img_{number:05}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    folder = FrameFolder(tmp_path, name="img_{:05}.png", first=3, count=10)
    assert folder.size == (16, 24)
    assert np.array_equal(folder.read(np.array([0, 9, 9])), frames[[2, 11, 11]])
    with pytest.raises(DataError, match="img_00013.png"):
        folder.read(np.array([10]))
    cv2.imwrite(str(tmp_path / "img_00004.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match="different sizes"):
        folder.read(np.array([0, 1]))
