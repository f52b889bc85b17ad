"""Image files of any depth and number of bands, whole or a window of them; GeoTIFF through rasterio."""

import importlib.util
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.files.image_size import PNG_START, opened
from pet.data.files.images import image_size, read_image
from pet.data.files.limits import LIMITS, check_pixels
from pet.data.files.opening import check_file, open_file
from pet.data.files.orientation import UPRIGHT, tiff_orientation, turned, turned_size
from pet.data.files.windows import Window
from petlib.errors import ConfigError, DataError

TIFF_SUFFIXES = (".tif", ".tiff")
PLAIN_MODES = ("1", "L", "P", "RGB")
PNG_DEPTH = 24
"""Place of the depth in a PNG file (https://www.w3.org/TR/png-3/#11IHDR)."""

MOST_ITEM_BYTES = 16
"""Of a complex number of two float64."""

WIDENED = {"int16": np.float32, "float64": np.float32}
"""Types of GeoTIFF that no transform takes, and what they become; float32 has all values of int16."""


class RasterInfo(NamedTuple):
    """What the head of a raster file says.

    Attributes:
        height: rows.
        width: columns.
        bands: number of bands.
        dtype: type of the pixels, a name of numpy's.
        nodata: the value of pixels without data; None: there is none.
        crs: coordinate reference system, a ``rasterio.crs.CRS``; None: the file has none.
        transform: from (column, row) to the coordinates of ``crs``, an ``affine.Affine``; None: the file has no place on the earth.
    """

    height: int
    width: int
    bands: int
    dtype: str
    nodata: float | None = None
    crs: Any = None
    transform: Any = None


class Pixels(NamedTuple):
    """Pixels of a raster file.

    Attributes:
        values: (H, W, C), C chosen bands.
        void: bool (H, W), where no chosen band has data; None: every pixel has.
        size: height and width of the whole file.
    """

    values: np.ndarray
    void: np.ndarray | None
    size: tuple[int, int]


def uses_rasterio(path: str | Path) -> bool:
    """Return whether a file is read by rasterio: a TIFF, where rasterio is installed."""
    return str(path).lower().endswith(TIFF_SUFFIXES) and _has_rasterio()


def raster_info(path: str | Path) -> RasterInfo:
    """Return what the head of a raster file says; bands and type of files that are no TIFF are those that :func:`read_pixels` gives.

    Raises:
        DataError: the file cannot be read.
    """
    if uses_rasterio(path):
        with open_raster(path) as file, _reading(path):
            transform = file.transform if _is_placed(file) else None
            height, width = turned_size((file.height, file.width), _orientation(path, file))
            return RasterInfo(height, width, file.count, file.dtypes[0], file.nodata, file.crs, transform)
    height, width = raster_size(path)
    deep = _has_16_bits(path)
    return RasterInfo(height, width, 3, "uint16" if deep else "uint8")


def raster_size(path: str | Path) -> tuple[int, int]:
    """Return height and width of a raster file, from its head.

    Raises:
        DataError: the file cannot be read.
    """
    if uses_rasterio(path):
        with open_raster(path) as file:
            return turned_size((file.height, file.width), _orientation(path, file))
    return image_size(Path(path))


def read_pixels(path: str | Path, *, bands: Sequence[int] = (), window: Window | None = None, channels: int | None = None) -> Pixels:
    """Return the pixels of an image file: uint8, uint16 or float32.

    Of a TIFF only the window is read, by blocks of the file; other files are decoded whole and cut. Gray images become RGB where
    no bands are chosen and ``channels`` is None or 3.

    Args:
        path: the file.
        bands: the bands that are wanted, counted from 1, in their order; empty: all. A PNG has R, G, B and perhaps alpha.
        window: the part that is wanted; None: all.
        channels: how many channels there have to be; None: any number.

    Raises:
        DataError: the file cannot be read, or has not the bands or channels.
        ConfigError: only rasterio can read the file, and it is not installed.
    """
    if uses_rasterio(path):
        pixels = read_geotiff(path, bands=bands, window=window)
    else:
        pixels = _read_file(path, bands, window, colour=channels in (None, 3))
    values = pixels.values
    if values.shape[2] == 1 and not bands and channels in (None, 3):
        values = np.repeat(values, 3, axis=2)
    if channels is not None and values.shape[2] != channels:
        raise DataError(
            f"{path}: {values.shape[2]} bands given, {channels} expected; choose them by bands, e.g. bands: "
            f"{list(range(1, channels + 1))} in CatalogEntry, or set Source.channels"
        )
    return pixels._replace(values=values)


def read_geotiff(path: str | Path, *, bands: Sequence[int] = (), window: Window | None = None) -> Pixels:
    """Return the pixels of a TIFF, of the type that the file has; int16 and float64 become float32.

    A file that has an orientation, as photographs have, is read whole and turned; one that has a place on the earth is as it lies there.

    Raises:
        DataError: the file cannot be read, or has not the bands.
        ConfigError: rasterio is not installed.
    """
    with open_raster(path) as file:
        _check_bands(path, bands, file.count)
        orientation = _orientation(path, file)
        if orientation == UPRIGHT:
            return _read_open(path, file, bands, window)
        values, void, size = _read_open(path, file, bands, None)
    upright = np.ascontiguousarray(cut(turned(values, orientation), window))
    return Pixels(upright, None if void is None else cut(turned(void, orientation), window), turned_size(size, orientation))


def _read_open(path: str | Path, file: Any, bands: Sequence[int], window: Window | None) -> Pixels:
    rasterio = load_rasterio()
    part = None if window is None else rasterio.windows.Window(window.left, window.top, window.width, window.height)
    indexes = list(bands) or list(file.indexes)
    size = file.height, file.width
    _check_size(path, (window.height, window.width) if window else size, len(indexes), max(map(_item_bytes, file.dtypes)))
    with _reading(path):
        values = np.ascontiguousarray(np.moveaxis(file.read(indexes, window=part), 0, -1))
        complete = all(rasterio.enums.MaskFlags.all_valid in file.mask_flag_enums[index - 1] for index in indexes)
        void = None if complete else (file.read_masks(indexes, window=part) == 0).all(axis=0)
    return Pixels(values.astype(WIDENED.get(values.dtype.name, values.dtype), copy=False), void, size)


def _is_placed(file: Any) -> bool:
    return file.crs is not None or not file.transform.is_identity


def _orientation(path: str | Path, file: Any) -> int:
    """Return the orientation of an open raster file; one with a place on the earth lies as it is."""
    return UPRIGHT if _is_placed(file) else tiff_orientation(path)


def open_raster(path: str | Path) -> Any:
    """Return an open ``rasterio.DatasetReader``, to be used in a ``with`` statement.

    Raises:
        DataError: the file is missing or no raster.
        ConfigError: rasterio is not installed.
    """
    rasterio = load_rasterio()
    check_file(path, what="the GeoTIFF")
    try:
        # other drivers of GDAL fetch what a file asks them to, from other files and from the network
        return rasterio.open(Path(path).absolute(), driver="PNG" if str(path).lower().endswith(".png") else "GTiff")
    except _gdal_errors() as error:
        raise DataError(f"{path}: the GeoTIFF cannot be read: {error}") from error


@contextmanager
def _reading(path: str | Path) -> Iterator[None]:
    """Turn what GDAL says of a damaged file into our own error."""
    try:
        yield
    except DataError:
        raise
    except _gdal_errors() as error:
        raise DataError(f"{path}: the GeoTIFF is cut off or damaged: {error}") from error


def _gdal_errors() -> tuple[type[Exception], ...]:
    rasterio = load_rasterio()
    errors: tuple[type[Exception], ...] = (
        rasterio.errors.RasterioError,
        rasterio._err.CPLE_BaseError,
        ValueError,
        LookupError,
        TypeError,
        MemoryError,
    )
    return errors


def _check_size(path: str | Path, size: tuple[int, int], bands: int, item_bytes: int) -> None:
    """Refuse to read what has more pixels, or pixels of more bands, than fit into the memory."""
    check_pixels(*size, path)
    if size[0] * size[1] * bands * item_bytes > LIMITS.image_bytes:
        raise DataError(
            f"{path}: {bands} bands of {size[1]}x{size[0]} pixels of {item_bytes} bytes are more than {LIMITS.image_bytes:,} bytes; read "
            "fewer bands (bands) or windows (window), or set set_limits.pixels, of which each counts for 8 bytes, higher"
        )


def _item_bytes(name: str) -> int:
    return np.dtype(name).itemsize if hasattr(np, name) else MOST_ITEM_BYTES


@cache
def load_rasterio() -> Any:
    """Return the module ``rasterio``, which is slow to import and rarely needed.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import rasterio
        import rasterio._err
        import rasterio.enums
        import rasterio.windows
    except ImportError as error:
        raise ConfigError(f"GeoTIFF files need rasterio, which cannot be imported ({error}); pip install 'pet-vision[geo]'") from error
    # a picture that has no place on the earth is no mistake here
    warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
    return rasterio


@cache
def _has_rasterio() -> bool:
    return importlib.util.find_spec("rasterio") is not None


def _read_file(path: str | Path, bands: Sequence[int], window: Window | None, *, colour: bool) -> Pixels:
    """Read a file that OpenCV decodes."""
    _check_plain(path)
    unchanged = bool(bands) or not colour or _has_16_bits(path)
    values = read_image(path, unchanged=unchanged)
    size = values.shape[0], values.shape[1]
    if unchanged and not bands and colour:
        # transparency is no colour
        values = values[..., :3]
    if bands:
        _check_bands(path, bands, values.shape[2])
        values = values[..., [band - 1 for band in bands]]
    return Pixels(np.ascontiguousarray(cut(values, window)), None, size)


def cut(values: np.ndarray, window: Window | None) -> np.ndarray:
    """Return the window of an array (H, W, ...), as a view."""
    if window is None:
        return values
    return values[window.top : window.top + window.height, window.left : window.left + window.width]


def _check_plain(path: str | Path) -> None:
    """Refuse a TIFF that OpenCV would not read as it is."""
    if not str(path).lower().endswith(TIFF_SUFFIXES):
        return
    try:
        with open_file(path, what="the image") as file, opened(io.BufferedReader(file), str(path)) as image:
            mode = image.mode
    except DataError:
        mode = "unknown"
    if mode not in PLAIN_MODES and Path(path).is_file():
        raise ConfigError(
            f"{path}: a TIFF of other than 8 bits or of other than 1 or 3 bands (mode {mode}) needs rasterio; pip install 'pet-vision[geo]'"
        )


def _has_16_bits(path: str | Path) -> bool:
    if not str(path).lower().endswith(".png"):
        return False
    try:
        with open_file(path, what="the image") as file:
            head = file.read(PNG_DEPTH + 1)
    except (OSError, DataError):
        # the reader reports it
        return False
    return head.startswith(PNG_START) and head[PNG_DEPTH:] == b"\x10"


def _check_bands(path: str | Path, bands: Sequence[int], count: int) -> None:
    missing = [band for band in bands if not 1 <= band <= count]
    if missing:
        raise DataError(f"{path}: {count} bands given, band {missing[0]} expected by bands: {list(bands)}; they count from 1")
