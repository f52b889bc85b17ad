"""Video files from outside."""

import math
from pathlib import Path
from typing import Any

import cv2

from pet.data.files.limits import check_pixels
from pet.data.files.opening import check_file
from petlib.errors import DataError

MOST_FRAMES = 2**31
MOST_FRAMES_PER_SECOND = 1000.0


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
    return rate if 0 < rate <= MOST_FRAMES_PER_SECOND else 25.0


def _number(capture: Any, entry: int) -> float:
    value = float(capture.get(entry))
    return value if math.isfinite(value) else 0.0
