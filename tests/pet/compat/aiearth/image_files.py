"""Files of images and label images for tests."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

GID = "GID/img_dir/train", "GID/ann_dir/train"


def write(path: Path, pixels: np.ndarray) -> Path:
    """Write an image file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def write_gid(root: Path, count: int, size: int = 64) -> None:
    """Write tiles in the layout of GID-15, whose label images have bands with all of the numbers 0 to 15."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(16, dtype=np.uint8), size // 16)[:, None].repeat(size, axis=1)
    for number in range(count):
        write(root / GID[0] / f"tile {number}.tif", rng.integers(0, 255, (size, size, 3), dtype=np.uint8))
        write(root / GID[1] / f"tile {number}_15label.png", np.roll(labels, number, axis=0))


def write_pairs(root: Path, names: Sequence[str], size: int = 64) -> None:
    """Write pairs of dates in ``images1`` and ``images2``, and in ``annotations`` the rectangle that changed."""
    rng = np.random.default_rng(1)
    for name in names:
        first = rng.integers(0, 255, (size, size, 3), dtype=np.uint8)
        second, labels = first.copy(), np.zeros((size, size), np.uint8)
        second[: size // 2, : size // 2] = 255
        labels[: size // 2, : size // 2] = 1
        write(root / "images1" / f"{name}.jpg", first)
        write(root / "images2" / f"{name}.jpg", second)
        write(root / "annotations" / f"{name}.png", labels)
