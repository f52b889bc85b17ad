"""The frames of videos, one sample each."""

import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from pet.compat.antgo.datasets.built_in import BuiltIn
from pet.data.files.images import read_image
from pet.data.files.listing import SUFFIXES, files_below
from pet.data.files.skipped import SkipCounter
from pet.data.files.videos import frame_count, open_video
from petlib.data.protocols import Sample
from petlib.errors import ConfigError, DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


class _Clip(NamedTuple):
    """A video.

    Attributes:
        path: the file, or the folder of the frames.
        frames: names of the image files in their order; None: it is a video file.
        length: number of frames.
    """

    path: Path
    frames: tuple[str, ...] | None
    length: int


class VideoFrames(BuiltIn):
    """The frames of the videos below ``dir/<train_or_test>``, or below ``dir`` where there is no such folder.

    A video is a file (mp4, avi, mov, mkv, webm, m4v) or a folder of images, which are its frames in the order of their names; videos
    are in the order of their paths. Fields are ``image``; ``video``, the number of the video; and ``frame``, the number of the frame in
    it, both from 0. Video files should have a constant frame rate: a frame is found by its number.

    Args:
        train_or_test: name of the folder in ``dir``.
        dir: the folder.
        ext_params: ``stride``: every so many frames one is a sample; by default 1, all of them.

    Raises:
        ConfigError: a setting is unknown or out of range.
        DataError: there are no videos, or one cannot be read.
    """

    params: Mapping[str, Any] = {"stride": 1}
    layout = f"video files ({', '.join(VIDEO_SUFFIXES)}) or a folder of images for each video"

    def __init__(self, train_or_test: str = "train", dir: str | None = None, ext_params: Mapping[str, Any] | None = None) -> None:  # noqa: A002 -- antgo's name
        super().__init__(train_or_test, dir, ext_params)
        self._stride = self.ext_params["stride"]
        if not isinstance(self._stride, int) or self._stride < 1:
            raise ConfigError(f"VideoFrames: ext_params.stride: {self._stride!r} given; a whole number of at least 1 expected")
        part = self.folder / train_or_test
        self._clips = list(_find_clips(part if part.is_dir() else self.folder))
        if not self._clips:
            raise DataError(f"{part if part.is_dir() else self.folder}: no videos in it; VideoFrames needs {self.layout}")
        self._ends = list(accumulate(-(-clip.length // self._stride) for clip in self._clips))
        self._reader = _VideoReader()

    @property
    def size(self) -> int:
        """Number of frames that are samples."""
        return self._ends[-1]

    def read(self, index: int) -> Sample:
        """Return a frame.

        Raises:
            DataError: it cannot be read.
        """
        video = bisect_right(self._ends, index)
        frame = (index - (self._ends[video - 1] if video else 0)) * self._stride
        clip = self._clips[video]
        if clip.frames is None:
            image, file = self._reader.read(clip.path, frame), f"{clip.path}, frame {frame}"
        else:
            path = clip.path / clip.frames[frame]
            image, file = read_image(path), str(path)
        return {"image": image, "video": video, "frame": frame, "meta": {"file": file}}


def _find_clips(root: Path) -> Iterator[_Clip]:
    skipped = SkipCounter(root)
    for parent, names in files_below(root, (*SUFFIXES, *VIDEO_SUFFIXES), skipped):
        folder = Path(parent)
        images = tuple(name for name in names if name.lower().endswith(SUFFIXES))
        if images:
            yield _Clip(folder, images, len(images))
        for name in names:
            if name.lower().endswith(VIDEO_SUFFIXES):
                yield _Clip(folder / name, None, _length_of(folder / name))
    skipped.log()


def _length_of(path: Path) -> int:
    capture = open_video(path)
    length = frame_count(capture)
    capture.release()
    if length < 1:
        raise DataError(f"{path}: the video does not say how many frames it has; write it anew, or as a folder of images")
    return length


class _VideoReader:
    """Reads frames of video files; the file that was read last stays open."""

    def __init__(self) -> None:
        # A worker neither moves in the file of its parent nor closes it: decoding threads, which closing waits for, do not survive a fork.
        self._opened: dict[int, _OpenVideo] = {}

    def read(self, path: Path, frame: int) -> np.ndarray:
        """Return a frame as uint8 RGB (H, W, 3)."""
        process = os.getpid()
        if process not in self._opened or self._opened[process].path != path:
            self._opened[process] = _OpenVideo(path)
        return self._opened[process].read(frame)


class _OpenVideo:
    """A video file that is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._capture = open_video(path)
        self._next = 0

    def read(self, frame: int) -> np.ndarray:
        """Return a frame as uint8 RGB (H, W, 3)."""
        if frame != self._next:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, frame)
        success, pixels = self._capture.read()
        # its position after a failure is not known
        self._next = frame + 1 if success else -1
        if not success:
            raise DataError(f"{self.path}: frame {frame} cannot be read; the video is damaged or shorter than it says")
        image: np.ndarray = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        return image
