"""Which images and videos are looked at."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from pet.data.files.images import read_image
from pet.data.files.suffixes import SUFFIXES
from pet.data.files.videos import frame_count, frames_per_second, open_video
from petlib.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
UNREADABLE = "unreadable"
"""Entry of ``meta`` that says why an image could not be read."""


class Inputs(NamedTuple):
    """What is looked at.

    Attributes:
        root: the folder that the names of results are relative to.
        images: image files, sorted.
        videos: video files, sorted.
    """

    root: Path
    images: list[Path]
    videos: list[Path]


def find_inputs(pattern: str) -> Inputs:
    """Return the images and videos of a folder and the folders in it, one file, or the files that a pattern with ``*`` names.

    Raises:
        DataError: there are none.
    """
    path = Path(pattern)
    if path.is_dir():
        found, root = sorted(file for file in path.rglob("*") if file.is_file()), path
    elif path.is_file():
        found, root = [path], path.parent
    else:
        # patterns may start at the root and hold **, which Path.glob does not take
        found = sorted(Path(file) for file in glob.glob(pattern, recursive=True) if Path(file).is_file())  # noqa: PTH207
        root = _common_folder(found)
    images = [file for file in found if file.suffix.lower() in SUFFIXES]
    videos = [file for file in found if file.suffix.lower() in VIDEO_SUFFIXES]
    if not images and not videos:
        raise DataError(_nothing(pattern, path, len(found)))
    return Inputs(root, images, videos)


class ImageFiles:
    """Image files as samples. One that cannot be read becomes a black image whose ``meta`` says why, so that the others go on.

    Args:
        paths: the files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        path = self._paths[index]
        meta: dict[str, Any] = {"id": index, "file": str(path)}
        try:
            image = read_image(path)
        except DataError as error:
            image = np.zeros((64, 64, 3), np.uint8)
            meta[UNREADABLE] = str(error)
        return {"image": image, "meta": {**meta, "size": image.shape[:2]}}


class Frames:
    """Some frames of a video as samples.

    Args:
        frames: uint8 (H, W, 3), RGB.
        first: number of the first one in its video.
        file: the video.
    """

    def __init__(self, frames: Sequence[np.ndarray], *, first: int, file: Path) -> None:
        self._frames = list(frames)
        self._first = first
        self._file = file

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = self._frames[index]
        number = self._first + index
        return {"image": image, "meta": {"id": number, "file": f"{self._file}, frame {number}", "size": image.shape[:2]}}


class Video:
    """A video file that is read from its beginning to its end.

    Args:
        path: the file.

    Attributes:
        frames_per_second: as the file says; 25 where it does not.

    Raises:
        DataError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._capture = open_video(path)
        self.frames_per_second = frames_per_second(self._capture)

    def chunks(self, length: int) -> Iterator[list[np.ndarray]]:
        """Yield the frames, RGB, in lists of ``length``; the last one may be shorter. The file is closed at the end."""
        chunk: list[np.ndarray] = []
        try:
            while True:
                there, frame = self._capture.read()
                if not there:
                    break
                chunk.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
                if len(chunk) == length:
                    yield chunk
                    chunk = []
            if chunk:
                yield chunk
        finally:
            self._capture.release()


def count_frames(path: Path) -> int:
    """Return how many frames a video file says that it has; 0 where it says nothing or cannot be read."""
    try:
        capture = open_video(path)
    except DataError:
        # whoever reads it tells
        return 0
    try:
        return frame_count(capture)
    finally:
        capture.release()


def _common_folder(files: Sequence[Path]) -> Path:
    """Return the deepest folder that holds all files."""
    folders = [file.parent for file in files]
    if not folders:
        return Path()
    return next(parent for parent in (folders[0], *folders[0].parents) if all(parent in (folder, *folder.parents) for folder in folders))


def _nothing(pattern: str, path: Path, others: int) -> str:
    kinds = f"images ({', '.join(SUFFIXES)}) or videos ({', '.join(VIDEO_SUFFIXES)})"
    if path.exists():
        return f"--images {pattern}: there are no {kinds}" + (f" among its {others} files" if others > 1 else "")
    if glob.has_magic(pattern):
        return f"--images {pattern}: the pattern fits no {kinds}"
    folder = next((parent for parent in path.parents if parent.is_dir()), Path())
    return f"--images {pattern}: there is no such file or folder; the path exists only up to {folder}"
