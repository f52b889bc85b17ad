"""Where results go, and what was done."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from petlib.errors import OutputError

Predictions = Mapping[str, np.ndarray]
"""Of an image, in the coordinates of its file; see :func:`pet.data.draw_predictions`."""

logger = logging.getLogger(__name__)


@dataclass
class PredictionSummary:
    """What was done.

    Attributes:
        images: images or pairs that were predicted.
        frames: frames of videos that were predicted.
        objects: objects of each class above the score threshold, or images of each class, in all of them; None: the model finds neither.
        written: the files, in order.
        unreadable: why files could not be predicted, one message each.
    """

    images: int = 0
    frames: int = 0
    objects: Counter[str] | None = None
    written: list[Path] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


@dataclass
class Output:
    """Where results go, and how they look.

    Attributes:
        folder: of the results; it is made.
        drawing: what is drawn on images.
        overlays: draw label maps over their images.
        polygons: write the areas of label maps, and objects, as GeoJSON.
        progress: called with the share of an image or frame that was finished since the last call; each adds up to 1.
        summary: what was done.
    """

    folder: Path
    drawing: DrawSettings
    overlays: bool = True
    polygons: bool = False
    progress: Callable[[float], None] = lambda share: None
    summary: PredictionSummary = field(default_factory=PredictionSummary)

    @contextmanager
    def writing(self, place: str) -> Iterator[Path]:
        """Give the path of a result without its suffix, in a folder that is there.

        Raises:
            OutputError: what is written to it cannot be.
        """
        target = self.folder / place
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield target
        except OSError as error:
            raise OutputError(f"{target}: the results cannot be written: {error}; choose another folder") from error

    def leave_out(self, reason: str) -> None:
        """Take note of a file that could not be predicted, and say so."""
        self.summary.unreadable.append(reason)
        logger.warning("left out: %s", reason)

    def count(self, predictions: Predictions, names: TargetNames) -> None:
        """Take note of the objects of an image, or of its class."""
        if "scores" in predictions:
            found = predictions["labels"][predictions["scores"] >= self.drawing.score_threshold]
        elif "scores3d" in predictions:
            found = predictions["labels3d"][predictions["scores3d"] >= self.drawing.score_threshold]
        elif "logits" in predictions:
            found = predictions["logits"].argmax(axis=0, keepdims=True)
        elif "class_scores" in predictions:
            found = np.flatnonzero(predictions["class_scores"] >= self.drawing.score_threshold)
        else:
            return
        self.summary.objects = (self.summary.objects or Counter()) + Counter(names.of_class(int(label)) for label in found)
