"""Networks of pixels on images of any size, read a few rows at a time: label maps, pictures of them and polygons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from pet.data.files.rasters import Pixels, RasterInfo, cut, raster_info, read_pixels, uses_rasterio
from pet.data.files.windows import Window
from pet.data.targets.dataset import IGNORE
from pet.data.transforms.normalize import as_eight_bits
from pet.models.segmentation.pixels import labels_of
from pet.models.segmentation.sliding_window import Strip, sliding_window
from pet.prediction.inputs import FileInput, as_picture
from pet.prediction.inputs import ImageSource as AnySource
from pet.prediction.output import Output, Predictions
from pet.prediction.predictors.pixels import PixelPredictor
from pet.prediction.videos import predict_frame_by_frame
from pet.prediction.writers.label_files import LabelFile, label_map_suffix, open_label_map, write_label_polygons
from pet.prediction.writers.pictures import Overlay, write_picture
from pet.visual.names import TargetNames
from petlib.errors import ConfigError, DataError


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


FRAMES_AT_ONCE = 4


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


class LabelledWindows:
    """Writes the label of each pixel; a :class:`pet.prediction.FilePredictor` that looks through overlapping windows.

    An image becomes ``<name>.png``, or a TIFF ``<name>.tif`` at the same place on the earth; pixels without data get 255. Next to it are
    written ``<name>_overlay.png`` and ``<name>.geojson``, if asked for. Memory does not depend on the height of a TIFF.

    Args:
        predictor: the network.
        windows: how images are divided.
        names: what the labels mean; those without a colour are background.
    """

    def __init__(self, predictor: PixelPredictor, windows: WindowSettings, names: TargetNames) -> None:
        self.names = names
        self.num_images = predictor.num_images
        self.frames_at_once = FRAMES_AT_ONCE
        self._predictor = predictor
        self._windows = windows

    def predict_images(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of images or pairs."""
        for entry in inputs:
            progress = _Progress(output)
            try:
                with output.writing(entry.place) as target:
                    self._write(entry, target, output, progress)
                output.summary.images += 1
            except DataError as error:
                output.leave_out(str(error))
            progress.finish()

    def predict_videos(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of videos, frame by frame."""
        predict_frame_by_frame(self, inputs, output)

    def predict_frames(self, frames: Sequence[np.ndarray], *, first: int, file: Path) -> Iterator[Predictions]:
        """Yield the labels of frames as ``semseg``, uint8 (H, W)."""
        for frame in frames:
            if self._predictor.num_channels not in (None, frame.shape[2]):
                raise DataError(f"{file}: {frame.shape[2]} channels given, the network takes {self._predictor.num_channels}")
            strips = self._look(FrameSource(frame))
            yield {"semseg": np.concatenate([strip.values for strip in strips])}

    def predict_in_memory(self, inputs: Sequence[Sequence[AnySource]]) -> Iterator[Predictions]:
        """Yield the labels of images or pairs as ``semseg``, uint8 (H, W); pixels without data are 255."""
        for images in inputs:
            arrays = [image for image in images if isinstance(image, np.ndarray)]
            files = [image for image in images if not isinstance(image, np.ndarray)]
            if arrays and files:
                raise DataError("predict_in_memory.inputs: a file and an array given; the two images of a pair are of one kind")
            yield {"semseg": self._label_arrays(arrays) if arrays else self._label_files(files)}

    def picture_of(self, images: Sequence[AnySource]) -> np.ndarray:
        """Return the image, of a pair the earlier one."""
        return as_picture(images[0])

    def _label_arrays(self, images: Sequence[np.ndarray]) -> np.ndarray:
        for image in images:
            if self._predictor.num_channels not in (None, image.shape[2]):
                raise DataError(
                    f"predict_in_memory.inputs: {image.shape[2]} channels given, the network takes {self._predictor.num_channels}"
                )
            if image.shape[:2] != images[0].shape[:2]:
                raise DataError("predict_in_memory.inputs: images of different sizes given; the images of a pair have one size")
        labels: np.ndarray = np.concatenate([strip.values for strip in self._look(FrameSource(*images))])
        return labels

    def _label_files(self, files: Sequence[Path]) -> np.ndarray:
        source = ImageSource(files, bands=self._predictor.description.bands, channels=self._predictor.num_channels)
        parts = []
        for top, labels in self._look(source):
            _, void = source.read_with_void(Window(top, 0, len(labels), source.size[1]))
            if void is not None:
                labels[void] = IGNORE
            parts.append(labels)
        return np.concatenate(parts)

    def _write(self, entry: FileInput, target: Path, output: Output, progress: "_Progress") -> None:
        """Write the results of an image or a pair."""
        source = ImageSource(entry.paths, bands=self._predictor.description.bands, channels=self._predictor.num_channels)
        overlay = Overlay(source.size, names=self.names, settings=output.drawing) if output.overlays else None
        written = [target.with_name(f"{target.name}{label_map_suffix(entry.paths[0])}")]
        with open_label_map(written[0], source.info, self.names.pixel_class_colour) as file:
            self._write_labels(source, file, overlay, progress)
        if overlay is not None:
            written.append(target.with_name(f"{target.name}_overlay.png"))
            write_picture(written[-1], overlay.finish())
        if output.polygons:
            written.append(target.with_name(f"{target.name}.geojson"))
            write_label_polygons(written[-1], written[0], info=source.info, names=self.names)
        output.summary.written += written

    def _write_labels(self, source: ImageSource, file: LabelFile, overlay: Overlay | None, progress: "_Progress") -> None:
        height, width = source.size
        for top, labels in self._look(source):
            pixels, void = source.read_with_void(Window(top, 0, len(labels), width))
            if void is not None:
                labels[void] = IGNORE
            file.write(labels)
            if overlay is not None:
                overlay.add(top, pixels, labels)
            progress.add(len(labels) / height)

    def _look(self, source: PixelSource) -> Iterator[Strip]:
        """Return labels, uint8 (h, W), from top to bottom."""
        predictor, windows = self._predictor, self._windows
        height, width = source.size

        def read(window: Window) -> list[np.ndarray]:
            pixels = source.read(window)
            return pixels if predictor.description.maximum else [as_eight_bits(image) for image in pixels]

        return sliding_window(
            read,
            source.size,
            predictor,
            window=predictor.fixed_size or (min(windows.size, height), min(windows.size, width)),
            overlap=windows.overlap,
            batch_size=predictor.fixed_batch or windows.batch_size,
            decide=partial(labels_of, threshold=predictor.description.threshold, class_axis=0),
        )


class FrameSource:
    """An image in memory, or a pair; a :class:`pet.prediction.windows.PixelSource`.

    Args:
        frames: (H, W, C) each, of one size.
    """

    def __init__(self, *frames: np.ndarray) -> None:
        self.size = frames[0].shape[0], frames[0].shape[1]
        self._frames = frames

    def read(self, window: Window) -> list[np.ndarray]:
        """Return the pixels of a window, (h, w, C), of each image."""
        return [cut(frame, window) for frame in self._frames]


class _Progress:
    """Reports shares of an image that add up to 1."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._left = 1.0

    def add(self, share: float) -> None:
        self._left -= share
        self._output.progress(share)

    def finish(self) -> None:
        self._output.progress(max(self._left, 0.0))
