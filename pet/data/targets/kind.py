"""What a kind of target knows of itself: all that the data path, the checks and the reports ask of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pet.data.targets.dataset import IGNORE, DatasetInfo, Expectation, ImageTruth
from pet.data.targets.numbering import Numbering
from pet.data.targets.observation import Found, Observation
from pet.structures.affine import is_mirrored
from pet.structures.moves import Move, Size
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample

Fields = dict[str, Any]
"""Some fields of a sample."""


class Judgement(NamedTuple):
    """How well a sample was predicted.

    Attributes:
        score: the higher the better; comparable among samples of one test.
        remark: what the score says, in a few words.
    """

    score: float
    remark: str


def all_survive(boxes: np.ndarray, size: Size) -> np.ndarray:  # noqa: ARG001 -- what Motion.survivors may be
    """Return bool (N,): all of the boxes stay."""
    return np.ones(len(boxes), bool)


class Motion(NamedTuple):
    """What happens to the places of a sample.

    Attributes:
        move: what was done to the image.
        matrix: its matrix for this image, (3, 3).
        size: (height, width) of the moved image.
        label_fill: the label in ``semseg`` of what comes in from outside of the image.
        min_share: share of the area of its box that must be left of an object inside of the image.
        survivors: of moved boxes (N, 4), not yet cut off, and the size: bool (N,), which objects stay.
    """

    move: Move
    matrix: np.ndarray
    size: Size
    label_fill: int = IGNORE
    min_share: float = 0.0
    survivors: Callable[[np.ndarray, Size], np.ndarray] = all_survive

    @property
    def mirrored(self) -> bool:
        """Whether left and right change."""
        return is_mirrored(self.matrix)


class Tile(NamedTuple):
    """A sample that becomes a part of a larger image.

    Attributes:
        sample: the sample, of the size of its part.
        top: row of its upper edge in the larger image.
        left: column of its left edge.
    """

    sample: Sample
    top: int
    left: int


class Kind(Numbering):
    """A kind of target: what heads ask for and data sets provide.

    A new one derives from this class, overrides what differs and is registered under its name,
    ``@KINDS.register("dots")`` (:data:`pet.data.targets.kinds.KINDS`). Nothing else compares names of kinds.
    What its numbers mean is in :class:`pet.data.targets.numbering.Numbering`, from which it derives.

    Attributes:
        fields: the fields of a sample that hold it, all of which a model gets.
        object_fields: those of them with one element for each object.
        objects: the kind that leads the list of these objects: ``boxes``, or its own name; empty: it has none.
        map_fields: fields with one label for each pixel -> the label of what comes in from outside of the image.
        has_places: it says where things are, so it moves with the image.
        whole_image: it says something of an image as a whole: batches have images of one size, which may be mixed, and nothing has to
            be brought back to the coordinates of the file.
        takes_any_image: models that learn it alone take images of uint16 and float32, not only of uint8.
        filters_empty: images without its objects can be left out (``DATA.FILTER_EMPTY``).
        truth_fields: fields that an evaluation compares as the file has them -> their names in its batches, which no transform moves.
        layer: kinds of higher layers are drawn over those of lower ones.
    """

    fields: tuple[str, ...]
    object_fields: tuple[str, ...] = ()
    objects = ""
    map_fields: Mapping[str, int] = {}
    has_places = False
    whole_image = False
    takes_any_image = False
    filters_empty = False
    truth_fields: Mapping[str, str] = {}
    layer = 60

    # what a data set knows

    def has_target(self, truth: ImageTruth) -> np.ndarray:
        """Return bool (M,): which objects of an image have it; of kinds that only the sample shows, all of them."""
        return np.ones(len(truth.labels), bool)

    # what a sample has

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check its fields, which are there.

        Raises:
            DataError: they do not fit each other, the image or the model; the message names the file.
        """

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Yield what is wrong or odd, and write what a report counts into ``seen``; its fields are there."""
        yield from ()

    def summarise(self, seen: Sequence[Observation]) -> Iterator[Found]:
        """Yield what is odd about all samples together."""
        yield from ()

    def survey(self, seen: Sequence[Observation], info: DatasetInfo) -> Iterator[Found]:
        """Yield what is odd about all samples of a data set, every one of which was looked at."""
        yield from ()

    # transforms

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the fields that say where things are, moved; they may lie outside of the image yet."""
        return {}

    def crop(self, sample: Sample, motion: Motion) -> tuple[Fields, np.ndarray | None]:
        """Return moved fields cut off at the edges of the image, and bool (N,): which of its objects stay. None: all.

        Only the kind that leads a list of objects is asked.
        """
        return {}, None

    def select(self, sample: Sample, kept: np.ndarray) -> Fields:
        """Return the fields of objects with those for which ``kept`` (N,) is true."""
        return {field: sample[field][kept] for field in self.object_fields if field in sample}

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Return the fields of a larger image of ``size`` (height, width) that tiles make up; fields left out stay the first one's."""
        first = tiles[0].sample
        joined: Fields = {field: paste_tiles(tiles, field, size) for field in self.map_fields if field in first}
        return joined | {field: np.concatenate([tile.sample[field] for tile in tiles]) for field in self.object_fields if field in first}

    def finish(self, sample: Sample) -> tuple[Fields, np.ndarray | None]:
        """Return what changes before a sample joins a batch, and bool (N,): which of its objects stay. None: all.

        Raises:
            DataError: a field cannot join a batch.
        """
        return {}, None

    # what a network finds

    def restore(self, predictions: Fields, inverse: np.ndarray, size: Size | None) -> Fields:
        """Return fields of the predictions for an image, brought back to the coordinates of its file.

        Args:
            predictions: tensors.
            inverse: (3, 3), from the coordinates of the network's input to those of the file.
            size: (height, width) of the file; None: not known.
        """
        return {}

    # pictures

    def judge(self, predictions: Fields, sample: Fields, truth: ImageTruth | None, names: TargetNames) -> Judgement | None:
        """Return how well a sample was predicted, by which the best and the worst ones are chosen; None: it does not say.

        Args:
            predictions: for the sample, numpy arrays in the coordinates of its file.
            sample: its fields in the batch of a test, numpy arrays: those of :attr:`fields` or of :attr:`truth_fields`.
            truth: what the data set knows of its objects; None: nothing.
            names: what the numbers mean.
        """
        return None

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Draw its field of a sample, or of predictions, which have ``scores``; return what colours mean that have no text next to them."""
        return {}


def paste_tiles(tiles: Sequence[Tile], field: str, size: Size) -> np.ndarray:
    """Return an image or a label image of ``size`` (height, width), all of which the tiles cover."""
    first = tiles[0].sample[field]
    joined = np.empty((*size, *first.shape[2:]), first.dtype)
    for tile in tiles:
        part = tile.sample[field]
        joined[tile.top : tile.top + part.shape[0], tile.left : tile.left + part.shape[1]] = part
    return joined
