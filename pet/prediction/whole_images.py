"""Models that look at whole images: files and frames as samples; a drawn picture, a record and label images of each file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pet.data.files.images import read_image
from pet.data.files.rasters import RasterInfo, raster_info
from pet.data.targets.drawing import draw_predictions
from pet.prediction.inputs import FileInput, ImageSource, as_picture
from pet.prediction.output import Output, Predictions
from pet.prediction.videos import predict_frame_by_frame
from pet.prediction.writers.label_files import label_map_suffix, open_label_map, write_label_polygons
from pet.prediction.writers.pictures import write_picture
from pet.prediction.writers.polygons import trace_objects, write_geojson
from pet.prediction.writers.records import LABEL_IMAGES, describe_predictions, label_images, surface_image
from pet.visual.names import TargetNames
from petlib.data.protocols import Dataset
from petlib.errors import ConfigError, DataError
from petlib.files import write_text_atomically

UNREADABLE = "unreadable"
"""Entry of ``meta`` that says why an image could not be read."""

PLACEHOLDER = (64, 64, 3)


class ImageFiles:
    """Image files, or images in memory, as samples.

    A file that cannot be read becomes a black image whose ``meta`` says why, so that the others go on.

    Args:
        sources: the files, or the images, uint8 (H, W, 3), RGB.
    """

    def __init__(self, sources: Sequence[ImageSource]) -> None:
        self._sources = list(sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, index: int) -> dict[str, Any]:
        source = self._sources[index]
        meta: dict[str, Any] = {"id": index, "file": f"image {index}" if isinstance(source, np.ndarray) else str(source)}
        try:
            image = source if isinstance(source, np.ndarray) else read_image(source)
        except DataError as error:
            image = np.zeros(PLACEHOLDER, np.uint8)
            meta[UNREADABLE] = str(error)
        return {"image": image, "meta": {**meta, "size": image.shape[:2]}}


def check_readable(meta: Mapping[str, Any]) -> None:
    """Check that the file of a sample was read, where nothing goes on without it.

    Raises:
        DataError: it was not.
    """
    if UNREADABLE in meta:
        raise DataError(meta[UNREADABLE])


class Frames:
    """Some frames of a video as samples.

    Args:
        frames: uint8 (H, W, 3), RGB.
        first: number of the first one in its video.
        file: the video.
    """

    def __init__(self, frames: Sequence[np.ndarray], *, first: int, file: Path) -> None:
        self._frames = list(frames)
        self._first = first
        self._file = file

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = self._frames[index]
        number = self._first + index
        return {"image": image, "meta": {"id": number, "file": f"{self._file}, frame {number}", "size": image.shape[:2]}}


PIXELS = "semseg"

CHUNK_BATCHES = 4
"""Batches of a video that are in memory at once."""


class SamplePredictor(Protocol):
    """A model and how images are prepared for it.

    Attributes:
        batch_size: samples of a batch.
    """

    batch_size: int

    def predict(self, dataset: Dataset) -> Iterator[tuple[dict[str, Any], Predictions]]:
        """Yield ``meta`` and the predictions of each sample, in their order, in the coordinates of its image."""
        ...


class WholeImages:
    """Writes ``<name>.jpg``, what was found drawn on the image, and ``<name>.json``; a :class:`pet.prediction.FilePredictor`.

    Surfaces are ``<name>_IUV.png``: red is the part, green u and blue v.
    Label images are ``<name>_semseg.png`` and ``<name>_parsing.png``, of a TIFF GeoTIFFs at the same place on the earth. With ``polygons``
    objects, and the areas of pixel classes, go into ``<name>.geojson`` and ``<name>_semseg.geojson``.

    Args:
        predictor: the model.
        names: what the numbers of the model mean.

    Attributes:
        predictor: the model, for what works on its predictions.
    """

    num_images = 1

    def __init__(self, predictor: SamplePredictor, names: TargetNames) -> None:
        self.names = names
        self.frames_at_once = CHUNK_BATCHES * predictor.batch_size
        self.predictor = predictor

    def predict_images(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of images; the next batches are prepared by loader workers meanwhile."""
        if not inputs:
            return
        files = ImageFiles([entry.paths[0] for entry in inputs])
        for entry, (meta, predictions) in zip(inputs, self.predictor.predict(files), strict=True):
            if UNREADABLE in meta:
                output.leave_out(meta[UNREADABLE])
            else:
                with output.writing(entry.place) as target:
                    self.write(entry.paths[0], target, predictions, output)
            output.progress(1.0)

    def predict_videos(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of videos, frame by frame."""
        predict_frame_by_frame(self, inputs, output)

    def predict_frames(self, frames: Sequence[np.ndarray], *, first: int, file: Path) -> Iterator[Predictions]:
        """Yield what is found in frames."""
        for _, predictions in self.predictor.predict(Frames(frames, first=first, file=file)):
            yield predictions

    def predict_in_memory(self, inputs: Sequence[Sequence[ImageSource]]) -> Iterator[Predictions]:
        """Yield what is found in images."""
        for meta, predictions in self.predictor.predict(ImageFiles([image for (image,) in inputs])):
            check_readable(meta)
            yield predictions

    def picture_of(self, images: Sequence[ImageSource]) -> np.ndarray:
        """Return the image."""
        return as_picture(images[0])

    def write(self, path: Path, target: Path, predictions: Predictions, output: Output) -> None:
        """Write the results of an image: picture, record and label images."""
        image = read_image(path)
        size = image.shape[0], image.shape[1]
        info = _place_of(path, size)
        record = {"file": str(path), **describe_predictions(predictions, size, self.names)}
        written = [target.with_name(f"{target.name}.jpg"), target.with_name(f"{target.name}.json")]
        for kind, labels in label_images(predictions, size, self.names, output.drawing.score_threshold).items():
            label_map = target.with_name(f"{target.name}_{kind}{label_map_suffix(path)}")
            with open_label_map(label_map, info, partial(LABEL_IMAGES[kind].colour_of, self.names)) as file:
                file.write(labels)
            record[kind] = label_map.name
            written.append(label_map)
        if predictions.get("surface") is not None:
            written.append(target.with_name(f"{target.name}_IUV.png"))
            write_picture(written[-1], surface_image(predictions, size, output.drawing.score_threshold))
            record["surface"] = written[-1].name
        if output.polygons:
            written += self._write_polygons(target, predictions, info, record, output.drawing.score_threshold)
        write_picture(written[0], draw_predictions(image, predictions, self.names, output.drawing))
        write_text_atomically(written[1], json.dumps(record, ensure_ascii=False))
        output.count(predictions, self.names)
        output.summary.images += 1
        output.summary.written += written

    def _write_polygons(
        self, target: Path, predictions: Predictions, info: RasterInfo, record: dict[str, Any], score_threshold: float
    ) -> list[Path]:
        written = []
        if "scores" in predictions:
            written.append(target.with_name(f"{target.name}.geojson"))
            objects = trace_objects(predictions, (info.height, info.width), score_threshold=score_threshold)
            write_geojson(written[-1], objects, info=info, name_of=self.names.of_class)
        if PIXELS in record:
            written.append(target.with_name(f"{target.name}_{PIXELS}.geojson"))
            write_label_polygons(written[-1], target.with_name(record[PIXELS]), info=info, names=self.names)
        if not written:
            raise ConfigError(
                "predict_files.polygons: True given, but the model finds no areas, only the class of an image; leave them out"
            )
        return written


def _place_of(path: Path, size: tuple[int, int]) -> RasterInfo:
    """Return where an image lies on the earth, if it says so; ``size`` is that of the image as it was read."""
    if label_map_suffix(path) == ".tif":
        info = raster_info(path)
        if (info.height, info.width) == size:
            return info
    return RasterInfo(*size, bands=3, dtype="uint8")
