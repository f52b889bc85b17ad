"""Predicts files and writes what was found."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pet.data.files.label_images import read_label_image
from pet.data.files.rasters import uses_rasterio
from pet.data.files.windows import Window
from pet.data.targets.kinds import IGNORE
from pet.models.segmentation.sliding_window import labels_of, sliding_window
from pet.segmentation.prediction.geojson import write_geojson
from pet.segmentation.prediction.inputs import ImageInput
from pet.segmentation.prediction.label_files import LabelFile, open_geotiff, open_png, temporary_path
from pet.segmentation.prediction.overlay import Overlay
from pet.segmentation.prediction.polygons import Polygon, trace_label_image, trace_raster
from pet.segmentation.prediction.predictors import Predictor
from pet.segmentation.prediction.source import ImageSource
from pet.visual.palette import BLACK
from pet.visual.settings import DrawSettings
from petlib.errors import ConfigError, DataError, OutputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WindowSettings:
    """How images are divided.

    Attributes:
        size: edge of a window, pixels; smaller images are looked at whole. A network of a fixed size looks at windows of that.
        overlap: least share of a window that its neighbours cover too, from 0 to below 1.
        batch_size: windows at once.
    """

    size: int = 1024
    overlap: float = 0.25
    batch_size: int = 1

    def __post_init__(self) -> None:
        if self.size < 1 or self.batch_size < 1 or not 0.0 <= self.overlap < 1.0:
            raise ConfigError(
                f"windows of {self.size} pixels, overlap {self.overlap:g}, {self.batch_size} at once given; at least 1 pixel, an overlap "
                "from 0 to below 1, and at least 1 at once expected"
            )


@dataclass
class PredictionSummary:
    """What was done.

    Attributes:
        images: images or pairs that were predicted.
        written: the files, in order.
        unreadable: why files could not be predicted, one message each.
    """

    images: int = 0
    written: list[Path] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def predict_files(
    predictor: Predictor,
    inputs: Sequence[ImageInput],
    folder: Path,
    *,
    windows: WindowSettings,
    drawing: DrawSettings,
    overlays: bool = True,
    polygons: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> PredictionSummary:
    """Write for each image ``<name>.png``, or of a TIFF ``<name>.tif`` at the same place on the earth, with the label of each pixel.

    Pixels without data get 255. Beside it are written ``<name>_overlay.png`` and ``<name>.geojson``, if asked for. Sub-folders are kept.
    A file that cannot be read is told and left out; nothing half-written stays.

    Args:
        predictor: the network.
        inputs: the images, see :func:`pet.segmentation.prediction.find_images`.
        folder: where the results go; it is made.
        windows: how images are divided.
        drawing: how overlays are drawn.
        overlays: write overlays.
        polygons: write the areas of the classes, the background apart, as GeoJSON.
        progress: called with the share of an image that was finished since the last call; an image adds up to 1.

    Raises:
        ConfigError: the network takes another number of images.
        OutputError: a result would replace an image, or cannot be written.
    """
    for images in inputs:
        if len(images.paths) != predictor.num_images:
            raise ConfigError(
                f"{images.paths[0]}: the network takes {predictor.num_images} images at once, {len(images.paths)} given; see --images2"
            )
    _check_places(inputs, folder)
    summary = PredictionSummary()
    writer = _Writer(predictor, windows=windows, drawing=drawing, overlays=overlays, polygons=polygons)
    for images in inputs:
        told = _Progress(progress)
        try:
            summary.written += writer.write(images, folder / images.place, told)
            summary.images += 1
        except DataError as error:
            summary.unreadable.append(str(error))
            logger.warning("left out: %s", error)
        except OSError as error:
            raise OutputError(
                f"{folder / images.place}: the results cannot be written: {error}; choose another folder with --out"
            ) from error
        told.finish()
    return summary


class _Progress:
    """Tells shares of an image that add up to 1."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell = tell
        self._left = 1.0

    def add(self, share: float) -> None:
        self._left -= share
        self._tell(share)

    def finish(self) -> None:
        self._tell(max(self._left, 0.0))


class _Writer:
    """Writes the results of images."""

    def __init__(self, predictor: Predictor, *, windows: WindowSettings, drawing: DrawSettings, overlays: bool, polygons: bool) -> None:
        self._predictor = predictor
        self._windows = windows
        self._drawing = drawing
        self._overlays = overlays
        self._polygons = polygons

    def write(self, images: ImageInput, target: Path, progress: _Progress) -> list[Path]:
        """Write the results of an image or a pair, and return their files."""
        description = self._predictor.description
        source = ImageSource(images.paths, bands=description.bands, channels=self._predictor.num_channels)
        overlay = Overlay(source.size, names=description.target_names(), settings=self._drawing) if self._overlays else None
        is_tiff = uses_rasterio(images.paths[0])
        written = [target.with_name(f"{target.name}{'.tif' if is_tiff else '.png'}")]
        with self._open(written[0], source, is_tiff=is_tiff) as file:
            self._write_labels(source, file, overlay, progress)
        if overlay is not None:
            written.append(target.with_name(f"{target.name}_overlay.png"))
            _write_picture(written[-1], overlay.finish())
        if self._polygons:
            written.append(target.with_name(f"{target.name}.geojson"))
            found = trace_raster(written[0], wanted=self._is_area) if is_tiff else self._trace_png(written[0])
            write_geojson(written[-1], found, info=source.info, description=description)
        return written

    def _open(self, path: Path, source: ImageSource, *, is_tiff: bool) -> AbstractContextManager[LabelFile]:
        if not is_tiff:
            return open_png(path, source.size)
        names = self._predictor.description.target_names()
        # the colour map has a colour for each value of a byte
        colours = {label: names.pixel_class_colour(label) or BLACK for label in range(IGNORE)}
        return open_geotiff(path, source.info, colours)

    def _write_labels(self, source: ImageSource, file: LabelFile, overlay: Overlay | None, progress: _Progress) -> None:
        predictor, windows = self._predictor, self._windows
        height, width = source.size
        strips = sliding_window(
            source.read,
            source.size,
            predictor,
            window=predictor.fixed_size or (min(windows.size, height), min(windows.size, width)),
            overlap=windows.overlap,
            batch_size=predictor.fixed_batch or windows.batch_size,
            decide=partial(labels_of, threshold=predictor.description.threshold),
        )
        for top, labels in strips:
            pixels, void = source.read_with_void(Window(top, 0, len(labels), width))
            if void is not None:
                labels[void] = IGNORE
            file.write(labels)
            if overlay is not None:
                overlay.add(top, pixels, labels)
            progress.add(len(labels) / height)

    def _trace_png(self, path: Path) -> Iterator[Polygon]:
        return trace_label_image(read_label_image(path).astype(np.uint8), wanted=self._is_area)

    def _is_area(self, label: int) -> bool:
        return label != IGNORE and not self._predictor.description.is_background(label)


def _check_places(inputs: Sequence[ImageInput], folder: Path) -> None:
    """Refuse a folder in which a result would replace an image."""
    files = {path.resolve() for images in inputs for path in images.paths}
    for images in inputs:
        target = folder / images.place
        for name in (f"{target.name}.png", f"{target.name}.tif", f"{target.name}_overlay.png"):
            if target.with_name(name).resolve() in files:
                raise OutputError(
                    f"--out {folder}: {target.with_name(name)} is one of the images and would be replaced; choose another folder"
                )


def _write_picture(path: Path, picture: np.ndarray) -> None:
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert done, f"{path}: {picture.shape} {picture.dtype} cannot be encoded"
    with temporary_path(path) as temporary:
        temporary.write_bytes(data.tobytes())
