"""Found surfaces in files: IUV images, and records of the DensePose challenge."""

import base64
from typing import Any

import cv2
import numpy as np

Box = tuple[float, float, float, float]


def surface_pixels(surface: np.ndarray, box: Box) -> np.ndarray:
    """Return a surface over a box in whole pixels, uint8 (3, height, width): each takes the cell that its centre falls into.

    Args:
        surface: uint8 (3, M, M), part, u and v in 255ths.
        box: x, y, width, height, pixels.
    """
    cells = surface.shape[-1]
    width, height = max(int(box[2]), 1), max(int(box[3]), 1)
    rows, columns = (((np.arange(length) + 0.5) * cells / length).astype(np.int64) for length in (height, width))
    pixels: np.ndarray = surface[:, rows[:, None], columns]
    return pixels


def surface_record(surface: np.ndarray, box: Box) -> dict[str, Any]:
    """Return what a result file of the DensePose challenge has of a detection: ``bbox``, ``uv_shape`` and ``uv_data``, a PNG in base64.

    The PNG has the part as its red, u as its green and v as its blue channel.
    """
    pixels = surface_pixels(surface, box)
    data = cv2.imencode(".png", np.ascontiguousarray(pixels[::-1].transpose(1, 2, 0)))[1].tobytes()
    return {
        "bbox": [round(value, 2) for value in box],
        "uv_shape": list(pixels.shape),
        "uv_data": base64.b64encode(data).decode("ascii"),
    }


def read_surface_record(record: dict[str, Any]) -> np.ndarray:
    """Return the pixels of a record, uint8 (3, height, width)."""
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(record["uv_data"]), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None, "records have a PNG"
    pixels: np.ndarray = decoded.transpose(2, 0, 1)[::-1]
    return pixels
