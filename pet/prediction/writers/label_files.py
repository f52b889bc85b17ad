"""Label images, written row by row: PNG of any size, and GeoTIFF with the place of the image on the earth."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pet.data.files.rasters import RasterInfo, load_rasterio
from pet.data.targets.dataset import IGNORE
from pet.prediction.output import temporary_path
from pet.visual.palette import Colour

BLOCK = 256
"""Rows and columns of a tile of a GeoTIFF."""

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_LEVEL = 6


class LabelFile(Protocol):
    """A label image that is being written."""

    def write(self, labels: np.ndarray) -> None:
        """Append rows, uint8 (h, W)."""
        ...


@contextmanager
def open_png(path: Path, size: tuple[int, int]) -> Iterator[LabelFile]:
    """Give a gray PNG of 8 bits, whose pixels are labels, of ``size`` (height, width)."""
    with temporary_path(path) as temporary, temporary.open("wb") as file:
        labels = _PngRows(file, size)
        yield labels
        labels.close()


@contextmanager
def open_geotiff(path: Path, info: RasterInfo, colours: Mapping[int, Colour]) -> Iterator[LabelFile]:
    """Give a tiled, compressed GeoTIFF of one band with the extent, coordinate system and transform of an image.

    255 is its value of pixels without data.

    Args:
        path: the file.
        info: of the image.
        colours: of labels, which programs show them in.

    Raises:
        ConfigError: rasterio is not installed.
    """
    rasterio = load_rasterio()
    profile: dict[str, Any] = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": info.height, "width": info.width}
    profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "bigtiff": "if_safer"}
    if info.transform is not None:
        profile |= {"crs": info.crs, "transform": info.transform}
    with temporary_path(path) as temporary, rasterio.open(temporary, "w", nodata=IGNORE, photometric="palette", **profile) as file:
        file.write_colormap(1, {label: (*colour, 255) for label, colour in colours.items()})
        labels = _GeoTiffRows(file, rasterio.windows.Window)
        yield labels
        labels.close()


class _PngRows:
    """The chunks of a PNG (https://www.w3.org/TR/png-3/), whose rows are compressed as they come."""

    def __init__(self, file: Any, size: tuple[int, int]) -> None:
        self._file = file
        self._size = size
        self._rows = 0
        self._compressor = zlib.compressobj(PNG_LEVEL)
        file.write(PNG_START)
        # 8 bits, gray, and the usual compression, filters and order of rows
        self._write_chunk(b"IHDR", struct.pack(">IIBBBBB", size[1], size[0], 8, 0, 0, 0, 0))

    def write(self, labels: np.ndarray) -> None:
        assert labels.dtype == np.uint8 and labels.shape[1] == self._size[1], f"{labels.dtype} {labels.shape}"
        # each row begins with the number of its filter, 0 for none
        rows = np.pad(labels, ((0, 0), (1, 0)))
        self._rows += len(labels)
        self._write_chunk(b"IDAT", self._compressor.compress(rows.tobytes()))

    def close(self) -> None:
        assert self._rows == self._size[0], f"{self._rows} rows written, {self._size[0]} expected"
        self._write_chunk(b"IDAT", self._compressor.flush())
        self._write_chunk(b"IEND", b"")

    def _write_chunk(self, kind: bytes, data: bytes) -> None:
        if data or kind != b"IDAT":
            self._file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


class _GeoTiffRows:
    """Rows on their way to whole rows of tiles: a tile that is written twice takes its room twice."""

    def __init__(self, file: Any, window: Any) -> None:
        self._file = file
        self._window = window
        self._waiting = np.empty((0, file.width), np.uint8)
        self._top = 0

    def write(self, labels: np.ndarray) -> None:
        self._waiting = np.concatenate([self._waiting, labels])
        self._write_rows(len(self._waiting) // BLOCK * BLOCK)

    def close(self) -> None:
        self._write_rows(len(self._waiting))
        assert self._top == self._file.height, f"{self._top} rows written, {self._file.height} expected"

    def _write_rows(self, count: int) -> None:
        if count:
            self._file.write(self._waiting[:count], 1, window=self._window(0, self._top, self._file.width, count))
            self._waiting = self._waiting[count:].copy()
            self._top += count
