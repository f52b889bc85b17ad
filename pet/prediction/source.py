"""The pixels of what is predicted, a few rows at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from pet.data.files.rasters import Pixels, RasterInfo, cut, raster_info, read_pixels, uses_rasterio
from pet.data.files.windows import Window
from petlib.errors import DataError


class PixelSource(Protocol):
    """What windows are read from.

    Attributes:
        size: (height, width).
    """

    size: tuple[int, int]

    def read(self, window: Window) -> list[np.ndarray]:
        """Return the pixels of a window, (h, w, C), of each image."""
        ...


class ImageSource:
    """An image file or a pair of them; a :class:`PixelSource`. TIFFs are read where they are asked for; others are decoded whole, once.

    Args:
        paths: one file, or two of the same size.
        bands: the bands that become channels, counted from 1; empty: all.
        channels: how many channels there have to be; None: any number.

    Attributes:
        size: (height, width).
        info: of the first file.

    Raises:
        DataError: a file cannot be read, or the two differ in size.
    """

    def __init__(self, paths: Sequence[Path], *, bands: Sequence[int], channels: int | None) -> None:
        infos = [raster_info(path) for path in paths]
        self.info: RasterInfo = infos[0]
        self.size = self.info.height, self.info.width
        for path, info in zip(paths, infos, strict=True):
            if (info.height, info.width) != self.size:
                raise DataError(
                    f"{path}: {info.width}x{info.height} pixels (width x height), but {paths[0]} has {self.size[1]}x{self.size[0]}; "
                    "the images of a pair have one size"
                )
        self._paths = list(paths)
        self._bands = tuple(bands)
        self._channels = channels
        self._whole = [None if uses_rasterio(path) else read_pixels(path, bands=bands, channels=channels) for path in paths]

    def read(self, window: Window) -> list[np.ndarray]:
        """Return the pixels of a window, (h, w, C), of each image.

        Raises:
            DataError: a file is damaged there.
        """
        return [pixels.values for pixels in self._read(window)]

    def read_with_void(self, window: Window) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the pixels of a window of the first image, and where an image has no data, bool (h, w); None: nowhere."""
        pixels = self._read(window)
        voids = [part.void for part in pixels if part.void is not None]
        return pixels[0].values, np.logical_or.reduce(voids) if voids else None

    def _read(self, window: Window) -> list[Pixels]:
        found = []
        for path, whole in zip(self._paths, self._whole, strict=True):
            if whole is None:
                found.append(read_pixels(path, bands=self._bands, window=window, channels=self._channels))
            else:
                found.append(Pixels(cut(whole.values, window), None, whole.size))
        return found
