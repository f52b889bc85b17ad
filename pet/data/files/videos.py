"""Video files from outside, and folders with a file for each frame."""

import math
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from pet.data.files.image_cache import MEMORY
from pet.data.files.images import decode_image, read_image
from pet.data.files.limits import check_pixels
from pet.data.files.opening import check_file
from petlib.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ts")
"""How the names of video files end, in lower case."""

MOST_FRAMES = 2**31
MOST_FRAMES_PER_SECOND = 1000.0
USUAL_RATE = 25.0


class VideoFacts(NamedTuple):
    """What is known of a video whose frames were counted.

    Attributes:
        frames: those that can be decoded; 0: none can.
        stated: frames that its header states; 0: it states none.
        rate: frames a second; 0: not known.
        height: rows of a frame, pixels.
        width: columns of a frame, pixels.
    """

    frames: int
    stated: int = 0
    rate: float = 0.0
    height: int = 0
    width: int = 0


def open_video(path: Path) -> Any:
    """Return an open ``cv2.VideoCapture``.

    Raises:
        DataError: it is missing, no file, no video, or its frames have more pixels than ``DATA.MAX_PIXELS``.
    """
    check_file(path, what="the video")
    # other backends take numbers in the name for a pattern, and read the files that it fits
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise DataError(f"{path}: not a video that can be read, or one in a format that OpenCV here lacks")
    check_pixels(int(_number(capture, cv2.CAP_PROP_FRAME_HEIGHT)), int(_number(capture, cv2.CAP_PROP_FRAME_WIDTH)), path)
    return capture


def frame_count(capture: Any) -> int:
    """Return how many frames a video says that it has; 0 where it does not say."""
    count = _number(capture, cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if 0 < count < MOST_FRAMES else 0


def frames_per_second(capture: Any) -> float:
    """Return the rate that a video says; 25 where it says none that can be."""
    rate = _number(capture, cv2.CAP_PROP_FPS)
    return rate if 0 < rate <= MOST_FRAMES_PER_SECOND else USUAL_RATE


def _number(capture: Any, entry: int) -> float:
    value = float(capture.get(entry))
    return value if math.isfinite(value) else 0.0


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    capture = open_video(path)
    try:
        yield capture
    finally:
        capture.release()


def count_decoded(path: Path) -> VideoFacts:
    """Return what is known of a video after all of its frames were decoded: headers may state more frames than there are.

    Raises:
        DataError: it cannot be opened.
    """
    with _opened(path) as capture:
        frames = 0
        while capture.grab():
            frames += 1
        size = int(_number(capture, cv2.CAP_PROP_FRAME_HEIGHT)), int(_number(capture, cv2.CAP_PROP_FRAME_WIDTH))
        return VideoFacts(frames, frame_count(capture), frames_per_second(capture), *size)


def read_frames(path: Path, numbers: np.ndarray) -> np.ndarray:
    """Return frames of a video in the order that is given, uint8 (T, H, W, 3), RGB.

    The file is decoded in order up to the last of them and those in between are not converted. After a seek OpenCV gives other frames of
    some files, which their timestamps need not betray, and with the usual distance of key frames it takes longer; see docs/benchmarks.md.

    Args:
        path: the file.
        numbers: frames from 0, int (T,), in any order, also more than once.

    Raises:
        DataError: the file cannot be opened, or ends before one of them.
    """
    wanted, places = np.unique(numbers, return_inverse=True)
    with _opened(path) as capture:
        frames = np.stack(list(_decode(capture, wanted.tolist(), path)))
    return frames if len(frames) == len(numbers) and (places[1:] > places[:-1]).all() else frames[places]


def _decode(capture: Any, wanted: Iterable[int], path: Path) -> Iterator[np.ndarray]:
    """Yield frames, ``wanted`` in ascending order."""
    place = 0
    for number in wanted:
        while place <= number:
            if not capture.grab():
                raise DataError(f"{path}: frame {number} is requested and the video has {place} frames that can be decoded")
            place += 1
        found, frame = capture.retrieve()
        if not found:
            raise DataError(f"{path}: frame {number} of the video cannot be decoded")
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


class FrameSource(ABC):
    """A video that is not read yet: what a sample of a data set has in place of frames, until a transform chooses some.

    Attributes:
        path: file or folder.
        count: frames that can be read.
        stated: frames that the file states; 0: it states none.
        rate: frames a second; 0: not known.
    """

    path: Path
    count: int
    stated: int
    rate: float

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Height and width of a frame."""

    @abstractmethod
    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return frames by their numbers from 0, in the order that is given, uint8 (T, H, W, 3), RGB.

        Raises:
            DataError: they cannot be read.
        """

    def decoded(self, numbers: np.ndarray) -> int:
        """Return how many frames :meth:`read` decodes to give some; 0: frames are not read from files."""
        return 0

    def check(self) -> None:
        """Check that there are frames, without a look at all of them.

        Raises:
            DataError: there are none; the message says why.
        """
        if self.count < 1:
            self.read(np.zeros(1, np.int64))
            raise DataError(f"{self.path}: none of its frames could be decoded when they were counted")


class VideoFile(FrameSource):
    """A video file.

    Args:
        path: the file.
        facts: what is known of it.
    """

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        self.path = path
        self.count, self.stated, self.rate = facts.frames, facts.stated, facts.rate
        self._size = facts.height, facts.width

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame."""
        return self._size

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return frames, see :func:`read_frames`."""
        return read_frames(self.path, numbers)

    def decoded(self, numbers: np.ndarray) -> int:
        """Return how many there are up to the last one."""
        return int(numbers.max()) + 1


class FrameFolder(FrameSource):
    """A folder with an image for each frame.

    Args:
        path: the folder.
        name: of the images, with a place for the number, e.g. ``img_{:05}.jpg``.
        first: number of the first one.
        count: how many there are.
    """

    rate = 0.0

    def __init__(self, path: Path, *, name: str, first: int, count: int) -> None:
        self.path = path
        self.count = self.stated = count
        self._name, self._first = name, first

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame."""
        image = self._frame(0)
        return image.shape[0], image.shape[1]

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return frames; all have to be of one size."""
        return _of_one_size([self._frame(int(number)) for number in numbers], self.path)

    def decoded(self, numbers: np.ndarray) -> int:
        """Return the number of images."""
        return len(numbers)

    def check(self) -> None:
        """Check that the first and the last image are there."""
        for number in (0, self.count - 1):
            check_file(self._file(number), what="the frame")

    def files(self) -> list[Path]:
        """Return the images of its frames."""
        return [self._file(number) for number in range(self.count)]

    def _frame(self, number: int) -> np.ndarray:
        return read_image(self._file(number))

    def _file(self, number: int) -> Path:
        return Path(os.path.join(self.path, self._name.format(self._first + number)))  # noqa: PTH118 -- many files


class VideoInMemory(FrameSource):
    """A video whose file is in memory.

    Args:
        data: what the file holds.
        facts: what is known of it.
        name: what messages call it.
    """

    def __init__(self, data: bytes, facts: VideoFacts, *, name: str) -> None:
        self.path = Path(name)
        self.count, self.stated, self.rate = facts.frames, facts.stated, facts.rate
        self._data, self._size = data, (facts.height, facts.width)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame."""
        return self._size

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return frames, see :func:`read_frames`."""
        # OpenCV takes the names of files alone
        with tempfile.NamedTemporaryFile(prefix="pet-video-", dir=MEMORY if MEMORY.is_dir() else None) as file:
            file.write(self._data)
            file.flush()
            try:
                return read_frames(Path(file.name), numbers)
            except DataError as error:
                raise DataError(str(error).replace(file.name, str(self.path))) from error

    def decoded(self, numbers: np.ndarray) -> int:
        """Return how many there are up to the last one."""
        return int(numbers.max()) + 1


class FramesInMemory(FrameSource):
    """The images of frames, in memory.

    Args:
        files: what the file of each frame holds.
        name: what messages call them.
    """

    rate = 0.0

    def __init__(self, files: list[bytes], *, name: str) -> None:
        self.path = Path(name)
        self.count = self.stated = len(files)
        self._files = files

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame."""
        frames = self.read(np.zeros(1, np.int64))
        return frames.shape[1], frames.shape[2]

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return frames; all have to be of one size."""
        return _of_one_size(
            [decode_image(self._files[number], name=f"{self.path}, frame {number}") for number in numbers.tolist()], self.path
        )

    def decoded(self, numbers: np.ndarray) -> int:
        """Return the number of images."""
        return len(numbers)


class FrameArray(FrameSource):
    """Frames in memory.

    Args:
        frames: uint8 (T, H, W, 3), RGB.
        rate: frames a second.
        stated: frames that were stated.
        name: what messages call them.
    """

    def __init__(self, frames: np.ndarray, *, rate: float, stated: int, name: str) -> None:
        self.path = Path(name)
        self.count, self.rate, self.stated = len(frames), rate, stated
        self._frames = frames

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame."""
        return self._frames.shape[1], self._frames.shape[2]

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return frames."""
        frames: np.ndarray = self._frames[numbers]
        return frames


def _of_one_size(frames: list[np.ndarray], path: Path) -> np.ndarray:
    sizes = sorted({frame.shape[:2] for frame in frames})
    if len(sizes) > 1:
        raise DataError(f"{path}: its frames have different sizes (height, width): {sizes[:4]}; make them one")
    return np.stack(frames)
