"""Files and frames as samples of a data set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.files.images import read_image
from petlib.errors import DataError

UNREADABLE = "unreadable"
"""Entry of ``meta`` that says why an image could not be read."""

PLACEHOLDER = (64, 64, 3)


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
            image = np.zeros(PLACEHOLDER, np.uint8)
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
