"""Files of points: ``.bin`` as KITTI has them, ``.npy`` and ``.txt``."""

import io
from pathlib import Path

import numpy as np

from pet.data.files.limits import LIMITS
from pet.data.files.opening import read_file
from petlib.errors import DataError

SUFFIXES = (".bin", ".npy", ".txt")


def read_points(path: Path, *, channels: int = 4) -> np.ndarray:
    """Return the points of a file, float32 (N, channels): x, y, z in metres, and what else is measured. Points that are not finite go.

    Args:
        path: ``.bin``: float32 numbers, ``channels`` for each point; ``.npy``: an array (N, channels or more); ``.txt``: a point a line.
        channels: numbers of a point; where a file of rows has three alone, the others are 0.

    Raises:
        DataError: the file is missing or damaged.
    """
    data = read_file(path, what="the points", most_bytes=LIMITS.file_bytes)
    if not data:
        raise DataError(f"{path}: the file is empty, points expected")
    try:
        if path.suffix == ".bin":
            points = np.frombuffer(data, "<f4")
            if len(points) % channels:
                raise DataError(f"{path}: {len(points)} numbers of 32 bits, a multiple of {channels} expected: x, y, z, reflectance")
            points = points.reshape(-1, channels)
        elif path.suffix == ".npy":
            points = np.load(io.BytesIO(data), allow_pickle=False)
        else:
            points = np.loadtxt(io.BytesIO(data), dtype=np.float32, ndmin=2)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: the points cannot be read: {error}") from error
    if points.ndim != 2 or points.shape[1] < 3 or points.dtype.kind not in "fiu":
        raise DataError(f"{path}: an array of {points.dtype} {points.shape}, numbers (points, {channels}) expected")
    lacking = channels - points.shape[1]
    points = np.pad(points, ((0, 0), (0, lacking))) if lacking > 0 else points[:, :channels]
    points = np.ascontiguousarray(points, np.float32)
    finite: np.ndarray = points[np.isfinite(points).all(axis=1)]
    return finite
