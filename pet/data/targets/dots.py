"""Dots: where the things are that are counted, one point each."""

from collections.abc import Iterator, Sequence

import numpy as np

from pet.data.targets.dataset import Expectation, ImageTruth, sample_name
from pet.data.targets.kind import Fields, Judgement, Kind, Motion, Tile
from pet.data.targets.observation import Found, Observation
from pet.structures.affine import is_inside, move_points, move_tensor_points
from pet.structures.moves import Size
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.palette import class_colour
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample
from petlib.errors import DataError

LIMIT_OF_FEW = 400
"""Dots up to which each is drawn as large as the keypoints of a person; more are drawn smaller, so that the image is seen."""


class Dots(Kind):
    """``dots``, float32 (N, 2): x, y in pixels of the image; pixel i covers [i, i + 1).

    An image without dots is an ordinary sample. In evaluation ``truth_dots`` has them as the files say.
    """

    name = "dots"
    fields = ("dots",)
    object_fields = ("dots",)
    objects = "dots"
    has_places = True
    truth_fields = {"dots": "truth_dots"}
    layer = 45

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check the form of the dots, and that they are numbers."""
        dots = sample["dots"]
        if dots.ndim != 2 or dots.shape[1] != 2 or not np.isfinite(dots).all():
            raise DataError(f"{sample_name(sample)}: dots of shape {dots.shape}, finite numbers of shape (N, 2) expected")

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Look for dots that lie on each other."""
        dots = sample["dots"]
        twice = len(dots) - len(np.unique(dots, axis=0)) if len(dots) else 0
        if twice:
            yield "dots lie on each other", f"{twice} of {len(dots)}", False

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the moved dots."""
        return {"dots": move_points(sample["dots"].astype(np.float64), motion.matrix).astype(np.float32)}

    def crop(self, sample: Sample, motion: Motion) -> tuple[Fields, np.ndarray]:
        """Return which dots are left in the image."""
        return {}, is_inside(sample["dots"], motion.size)

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Return the dots of all tiles of a mosaic."""
        return {"dots": np.concatenate([tile.sample["dots"] + np.array([tile.left, tile.top], np.float32) for tile in tiles])}

    def restore(self, predictions: Fields, inverse: np.ndarray, size: Size | None) -> Fields:
        """Return the dots that a network found in the coordinates of the file."""
        return {"dots": move_tensor_points(predictions["dots"], inverse)}

    def judge(self, predictions: Fields, sample: Fields, truth: ImageTruth | None, names: TargetNames) -> Judgement | None:
        """Return the negative error of the count."""
        count, dots = predictions.get("count"), sample.get("truth_dots")
        if count is None or dots is None:
            return None
        return Judgement(-abs(float(count) - len(dots)), f"{float(count):.1f} counted, {len(dots)} in the file")

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Draw a disc at each dot, and write how many there are."""
        if not settings.dots:
            return {}
        dots, colour = fields["dots"], class_colour(0)
        canvas.draw_discs(dots, colour, large=len(dots) <= LIMIT_OF_FEW)
        canvas.labels.add("dots", str(len(dots)), (0, 0, canvas.size[1], canvas.size[0]), colour)
        return {}
