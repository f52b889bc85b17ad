"""Label images on their way to files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from petlib.distributed.collectives import gather_objects


class _Encoded(NamedTuple):
    place: int
    stem: str
    data: bytes


class LabelImages:
    """Label images of this process, kept as PNG files in memory, about a twentieth of their pixels."""

    def __init__(self) -> None:
        self._images: list[_Encoded] = []

    def add(self, labels: np.ndarray, meta: dict[str, Any]) -> None:
        """Take a label image, uint8 (H, W), of the image that ``meta`` describes: its ``file`` and its ``index`` in the data set."""
        done, data = cv2.imencode(".png", labels)
        assert done, f"a label image of shape {labels.shape} could not be encoded"
        self._images.append(_Encoded(int(meta.get("index", len(self._images))), Path(meta["file"]).stem, data.tobytes()))

    def write(self, folder: Path) -> None:
        """Write the images of all processes as ``<stem of the file>.png``; every process calls it, the main process writes.

        Where several files have the same stem, the second in the order of the data set becomes ``<stem>_2.png``, and so on.
        """
        shares = gather_objects(self._images)
        if shares is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        images = sorted((image for share in shares for image in share), key=lambda image: image.place)
        for name, image in zip(_distinct([image.stem for image in images]), images, strict=True):
            (folder / f"{name}.png").write_bytes(image.data)


def _distinct(stems: Sequence[str]) -> list[str]:
    taken = set(stems)
    seen: set[str] = set()
    names = []
    for stem in stems:
        name, number = stem, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{stem}_{number}"
        seen.add(name)
        names.append(name)
    return names
