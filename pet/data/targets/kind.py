"""What a kind of target knows of itself: all that the data path, the checks and the reports ask of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pet.data.targets.dataset import IGNORE, DatasetInfo, Expectation
from pet.data.targets.observation import Found, Observation
from pet.structures.affine import is_mirrored
from pet.structures.moves import Move, Size
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample
from petlib.errors import DataError

Fields = dict[str, Any]
"""Some fields of a sample."""

MOST_NAMES = 5
"""Names that a message lists."""


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


class Kind:
    """A kind of target: what heads ask for and data sets provide.

    A new one derives from this class, overrides what differs and is registered under its name,
    ``@KINDS.register("dots")`` (:data:`pet.data.targets.kinds.KINDS`). Nothing else compares names of kinds.

    Attributes:
        name: its name, and that of the field by which a sample is known to have it.
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
        counted: what its numbers count, for messages, e.g. ``keypoints``; empty: nothing.
        classifies: its numbers are the classes of images or objects that :meth:`Dataset.labels_of` gives.
        has_lines: pictures join its places by lines, which only a data set knows.
        fixed_names: all data sets of a run have all of its names, in whatever order: what lacks one is something else.
        layer: kinds of higher layers are drawn over those of lower ones.
    """

    name: str
    fields: tuple[str, ...]
    object_fields: tuple[str, ...] = ()
    objects = ""
    map_fields: Mapping[str, int] = {}
    has_places = False
    whole_image = False
    takes_any_image = False
    filters_empty = False
    truth_fields: Mapping[str, str] = {}
    counted = ""
    classifies = False
    has_lines = False
    fixed_names = False
    layer = 60

    @property
    def leads_objects(self) -> bool:
        """Whether a list of objects is its own."""
        return bool(self.objects) and self.objects == self.name

    # what a data set says

    def names(self, info: DatasetInfo) -> Sequence[str]:
        """Return the names of its numbers, where it counts something."""
        return ()

    def count(self, info: DatasetInfo) -> int:
        """Return how many numbers there are."""
        return len(self.names(info))

    def swap(self, info: DatasetInfo) -> Sequence[int] | None:
        """Return which of its numbers is which in a mirrored image; None: it has no left and right."""
        return None

    def lacks_sides(self, info: DatasetInfo) -> bool:
        """Return whether nothing is known of left and right although its numbers may well have sides."""
        return False

    def check_info(self, info: DatasetInfo, expected: Expectation, source: str) -> None:
        """Compare what data have with what a model knows.

        Raises:
            DataError: the numbers differ; ``source`` names the data.
        """
        found, known = self.count(info), expected.counts.get(self.name)
        if self.counted and known is not None and found != known:
            raise DataError(self.describe_misfit(info, expected, source))

    def describe_misfit(self, info: DatasetInfo, expected: Expectation, source: str) -> str:
        """Return that the numbers of data and model differ, and what to do."""
        found, names = self.count(info), self.names(info)
        shown = f" ({', '.join(names[:MOST_NAMES])}{', ...' if found > MOST_NAMES else ''})" if names or not found else ""
        hint = f": set {expected.settings[self.name]} to {found}" if self.name in expected.settings else ""
        return f"{source} have {found} {self.counted}{shown}, the model has {expected.counts[self.name]}{hint}"

    def compare(self, first: DatasetInfo, second: DatasetInfo) -> str:
        """Return how the numbers of two data sets differ, in words; empty: they agree."""
        names, others = list(self.names(first)), list(self.names(second))
        return "" if names == others else describe_difference(names, others, what=self.counted)

    def renamed(self, info: DatasetInfo, names: Sequence[str], table: np.ndarray) -> DatasetInfo:
        """Return what a data set says of itself when its numbers are places in ``names``.

        Args:
            info: what it says now.
            names: the names of the new numbers.
            table: int64, for each number of now the new one, -1: none.
        """
        return info

    def renumber(self, fields: Fields, table: np.ndarray) -> tuple[Fields, np.ndarray | None]:
        """Return the fields, of a sample or of an image's truth, that have other numbers now, and bool (N,): which of its objects stay.

        None: all. ``table`` is that of :meth:`renamed`.
        """
        return {}, None

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

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Draw its field of a sample, or of predictions, which have ``scores``; return what colours mean that have no text next to them."""
        return {}


def describe_difference(first: Sequence[str], second: Sequence[str], what: str = "classes") -> str:
    """Return how the names of two sources differ, in words."""
    only_first = [name for name in first if name not in second]
    only_second = [name for name in second if name not in first]
    parts = [
        f"only the {which} has {', '.join(names[:MOST_NAMES])}{', ...' if len(names) > MOST_NAMES else ''}"
        for which, names in (("first", only_first), ("second", only_second))
        if names
    ]
    return f"{len(first)} and {len(second)} {what}, " + (", ".join(parts) or "in another order")


def paste_tiles(tiles: Sequence[Tile], field: str, size: Size) -> np.ndarray:
    """Return an image or a label image of ``size`` (height, width), all of which the tiles cover."""
    first = tiles[0].sample[field]
    joined = np.empty((*size, *first.shape[2:]), first.dtype)
    for tile in tiles:
        part = tile.sample[field]
        joined[tile.top : tile.top + part.shape[0], tile.left : tile.left + part.shape[1]] = part
    return joined
