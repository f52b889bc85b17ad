"""Label maps as files, written row by row: PNG of any size, GeoTIFF with the place of the image on the earth; their areas as GeoJSON."""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pet.data.files.label_images import read_label_image
from pet.data.files.rasters import RasterInfo, load_rasterio, uses_rasterio
from pet.data.targets.dataset import IGNORE
from pet.prediction.writers.polygons import Polygon, trace_label_image, trace_raster, write_geojson
from pet.visual.names import TargetNames
from pet.visual.palette import BLACK, Colour
from petlib.files import temporary_path

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


def open_label_map(path: Path, info: RasterInfo, colour_of: Callable[[int], Colour | None]) -> AbstractContextManager[LabelFile]:
    """Give a label image that is written from top to bottom.

    Args:
        path: the file: a GeoTIFF where it ends with ``.tif``, else a PNG.
        info: of the image.
        colour_of: the colour of a label, which programs show a GeoTIFF in; None: it is not coloured.
    """
    if path.suffix != ".tif":
        return open_png(path, (info.height, info.width))
    # the colour map has a colour for each value of a byte
    return open_geotiff(path, info, {label: colour_of(label) or BLACK for label in range(IGNORE)})


def label_map_suffix(image: Path) -> str:
    """Return how the label map of an image ends: ``.tif`` where the image may have a place on the earth."""
    return ".tif" if uses_rasterio(image) else ".png"


def write_label_polygons(path: Path, label_map: Path, *, info: RasterInfo, names: TargetNames) -> None:
    """Write the areas of the classes in a label map, the background apart, as GeoJSON.

    Args:
        path: the file.
        label_map: see :func:`open_label_map`.
        info: of the image.
        names: of the classes; those without a colour are background.
    """

    def wanted(label: int) -> bool:
        return names.pixel_class_colour(label) is not None

    found = trace_raster(label_map, wanted=wanted) if label_map.suffix == ".tif" else _trace_png(label_map, wanted)
    write_geojson(path, found, info=info, name_of=names.of_pixel_class)


def _trace_png(path: Path, wanted: Callable[[int], bool]) -> Iterator[Polygon]:
    return trace_label_image(read_label_image(path).astype(np.uint8), wanted=wanted)
