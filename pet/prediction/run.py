"""Predicts files and writes what was found."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from pet.prediction.inputs import FileInput, ImageSource, Inputs
from pet.prediction.output import Output, Predictions, PredictionSummary
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from petlib.errors import ConfigError, OutputError

ENDINGS = (".png", ".jpg", ".tif", ".mp4", ".json", ".geojson", "_overlay.png")
"""Of the names of results that could be names of inputs."""


class FilePredictor(Protocol):
    """A trained model that predicts files and says how its results are written; a task builds one.

    Attributes:
        names: what the numbers in its predictions mean.
        num_images: images of an input: 1, or 2 for pairs of dates.
    """

    names: TargetNames
    num_images: int

    def predict_images(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of images or pairs; a file that cannot be read is reported to ``output`` and left out."""
        ...

    def predict_videos(self, inputs: Sequence[FileInput], output: Output) -> None:
        """Write the results of videos; likewise."""
        ...


@runtime_checkable
class InMemoryPredictor(FilePredictor, Protocol):
    """A :class:`FilePredictor` that also gives predictions to the program that asks for them."""

    def predict_in_memory(self, inputs: Sequence[Sequence[ImageSource]]) -> Iterator[Predictions]:
        """Yield what is found in each input, ``num_images`` images, in the coordinates of the first one.

        Raises:
            DataError: a file cannot be read, or has not what the model takes.
        """
        ...

    def picture_of(self, images: Sequence[ImageSource]) -> np.ndarray:
        """Return uint8 (H, W, 3), RGB: what the predictions of an input are drawn on."""
        ...


def predict_files(
    predictor: FilePredictor,
    inputs: Inputs,
    folder: Path,
    *,
    drawing: DrawSettings,
    overlays: bool = True,
    polygons: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> PredictionSummary:
    """Write the results of each image and video; sub-folders are kept.

    A video becomes ``<name>.mp4`` with what was found drawn on it, and ``<name>.json`` with a record of each frame; what an image becomes
    the predictor says. A file that cannot be read is reported and left out; nothing half-written stays.

    Args:
        predictor: the model.
        inputs: the files, see :func:`pet.prediction.find_inputs`.
        folder: where the results go; it is made.
        drawing: what is drawn, and how.
        overlays: draw label maps over their images.
        polygons: write areas and objects as GeoJSON.
        progress: called with the share of an image or frame that was finished since the last call; each adds up to 1.

    Raises:
        ConfigError: the network takes another number of images.
        OutputError: a result would replace an input, or cannot be written.
    """
    _check_inputs(predictor, inputs, folder)
    output = Output(folder, drawing, overlays=overlays, polygons=polygons, progress=progress)
    predictor.predict_images(inputs.images, output)
    predictor.predict_videos(inputs.videos, output)
    return output.summary


def _check_inputs(predictor: FilePredictor, inputs: Inputs, folder: Path) -> None:
    """Refuse inputs of another number of images, and a folder in which a result would replace an input."""
    every = [*inputs.images, *inputs.videos]
    for entry in every:
        if len(entry.paths) != predictor.num_images:
            raise ConfigError(
                f"{entry.paths[0]}: the network takes {predictor.num_images} images at once, {len(entry.paths)} given; see "
                "find_inputs.images2"
            )
    files = {path.resolve() for entry in every for path in entry.paths}
    for entry in every:
        target = folder / entry.place
        for ending in ENDINGS:
            result = target.with_name(f"{target.name}{ending}")
            if result.resolve() in files:
                raise OutputError(
                    f"predict_files.folder: {folder} given, but {result} is one of the inputs and would be replaced; choose another folder"
                )
