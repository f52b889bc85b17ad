"""Small folders in the layout of MOTChallenge."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

SIZE = (48, 64)


def write_sequence(
    folder: Path, rows: Sequence[Sequence[float]] | None, *, frames: int = 4, rate: float | None = 10, size: tuple[int, int] = SIZE
) -> Path:
    """Write black images, and lines of ``gt.txt`` where there are any; without a rate no ``seqinfo.ini``."""
    (folder / "img1").mkdir(parents=True)
    for frame in range(1, frames + 1):
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), np.zeros((*size, 3), np.uint8))
    if rows is not None:
        (folder / "gt").mkdir()
        (folder / "gt" / "gt.txt").write_text("".join(",".join(f"{value:g}" for value in row) + "\n" for row in rows))
    if rate is not None:
        (folder / "seqinfo.ini").write_text(
            f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate={rate:g}\nseqLength={frames}\nimWidth={size[1]}\nimHeight={size[0]}\n"
        )
    return folder
