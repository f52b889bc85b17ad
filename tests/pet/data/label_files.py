"""Writes small images and label images for the tests of data sets."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from rasterio.transform import from_origin


def write(path: Path, pixels: np.ndarray) -> Path:
    """Write a picture; colours are R, G, B."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return path


def write_image(path: Path, value: int = 7, size: tuple[int, int] = (4, 6)) -> Path:
    """Write a picture of one gray."""
    return write(path, np.full((*size, 3), value, np.uint8))


def write_geotiff(path: Path, pixels: np.ndarray, **more: Any) -> Path:
    """Write (H, W, C) as a GeoTIFF with half-metre pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, bands = pixels.shape
    place = {"crs": "EPSG:32650", "transform": from_origin(500000, 4000000, 0.5, 0.5)}
    with rasterio.open(path, "w", driver="GTiff", height=height, width=width, count=bands, dtype=pixels.dtype, **place, **more) as file:
        file.write(np.moveaxis(pixels, -1, 0))
    return path
