"""Boxes around objects, and the class of each."""

from collections.abc import Iterator, Sequence

import numpy as np

from pet.data.targets.dataset import Expectation, ImageTruth, sample_name
from pet.data.targets.identities import colour_number
from pet.data.targets.kind import Fields, Judgement, Motion, Tile
from pet.data.targets.label import Classes
from pet.data.targets.observation import LABEL_OUTSIDE, Found, Observation, evidence_of_box
from pet.metrics.box_matching import IGNORED, average_precision, match_boxes
from pet.structures.affine import clip_tensor, enclose_tensor, move_points
from pet.structures.moves import Size
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.palette import class_colour
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample
from petlib.errors import DataError

NO_AREA = "a box has no area"
NO_OBJECTS = "no image has an object"


class Boxes(Classes):
    """``boxes``, float32 (N, 4) XYXY in pixels, and ``labels``, int64 (N,): the classes of the N objects."""

    name = "boxes"
    fields = ("boxes", "labels")
    object_fields = ("boxes", "labels")
    objects = "boxes"
    has_places = True
    filters_empty = True
    layer = 30

    def renumber(self, fields: Fields, table: np.ndarray) -> tuple[Fields, np.ndarray | None]:
        """Return the new labels; objects without one go."""
        labels = table[fields["labels"]]
        kept = labels >= 0
        return {"labels": labels}, None if kept.all() else kept

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check that each box has an area inside of the image, and a class of the model."""
        boxes, labels = sample["boxes"], sample["labels"]
        height, width = sample["image"].shape[:2]
        name, known = sample_name(sample), expected.counts.get(self.name)
        if len(boxes) != len(labels):
            raise DataError(f"{name}: {len(boxes)} boxes and {len(labels)} labels; one label a box expected")
        outside = _outside(labels, known)
        if len(outside):
            raise DataError(f"{name}: object {outside[0]} has the label {labels[outside[0]]}, {_range(known)} expected")
        inside = (boxes >= 0).all(axis=1) & (boxes <= (width, height) * 2).all(axis=1)
        # not the other way round: no comparison holds for what is not a number
        wrong = np.flatnonzero(~(inside & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)))
        if len(wrong):
            raise DataError(
                f"{name}: object {wrong[0]} has the box {boxes[wrong[0]].tolist()} (left, top, right, bottom), "
                f"one with an area inside of {width} x {height} expected"
            )

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Look at boxes and their classes."""
        boxes, labels = sample["boxes"], sample["labels"]
        seen.has_objects = True
        seen.labels = [int(label) for label in labels]
        seen.areas = [float(area) for area in (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])]
        for place in np.flatnonzero(~((boxes[:, 2:] > boxes[:, :2]).all(axis=1))):
            yield NO_AREA, f"object {place}: {boxes[place].tolist()} (left, top, right, bottom)", True, evidence_of_box(boxes[place])
        known = expected.counts.get(self.name)
        for place in _outside(labels, known):
            detail = f"object {place}: label {labels[place]}, {_range(known)} expected"
            yield LABEL_OUTSIDE, detail, True, evidence_of_box(boxes[place])

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the upright boxes around the moved ones, float64, which may lie outside of the image yet."""
        return {"boxes": move_boxes(sample["boxes"], motion.matrix)}

    def crop(self, sample: Sample, motion: Motion) -> tuple[Fields, np.ndarray | None]:
        """Return the boxes cut off at the edges, and those that are left."""
        boxes, kept = clip_boxes(sample["boxes"], motion.size, motion.min_share)
        return {"boxes": boxes}, kept & motion.survivors(sample["boxes"], motion.size)

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Return the objects of all tiles."""
        shifted = [tile.sample["boxes"] + np.array([tile.left, tile.top] * 2, np.float32) for tile in tiles]
        return {**super().join(tiles, size), "boxes": np.concatenate(shifted)}

    def restore(self, predictions: Fields, inverse: np.ndarray, size: Size | None) -> Fields:
        """Return the boxes around the moved corners, inside of the image."""
        return {"boxes": clip_tensor(enclose_tensor(predictions["boxes"], inverse), size)}

    def judge(self, predictions: Fields, sample: Fields, truth: ImageTruth | None, names: TargetNames) -> Judgement | None:
        """Return the average precision in this image at an intersection over union of 0.5, the boxes of all classes together.

        Of an image without objects it is what is left by the highest score.
        """
        boxes, scores, labels = (predictions.get(name) for name in ("boxes", "scores", "labels"))
        if boxes is None or scores is None or labels is None or truth is None:
            return None
        right = np.zeros(len(boxes), bool)
        counts = np.ones(len(boxes), bool)
        for label in np.unique(labels):
            own, there = np.flatnonzero(labels == label), truth.crowd | (truth.labels == label)
            places = match_boxes(truth.boxes[there], boxes[own], scores[own], ignored=truth.crowd[there]).places
            right[own], counts[own] = places >= 0, places != IGNORED
        objects = int((~truth.crowd).sum())
        if not objects:
            highest = float(scores[counts].max(initial=0.0))
            return Judgement(1 - highest, f"no object; highest score {highest:.2f}")
        precision = average_precision(scores[counts], right[counts], objects)
        return Judgement(precision, f"{int(right.sum())} of {objects} objects found at any score; AP50 of the image {precision:.0%}")

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Draw the boxes, the largest first, and write class, identity and score next to each, the best first."""
        boxes, labels, scores = fields["boxes"], fields["labels"], fields.get("scores")
        if settings.boxes:
            for index in largest_first(boxes):
                canvas.draw_box(boxes[index], class_colour(colour_number(fields, index)))
        if settings.labels:
            for index in range(len(labels)) if scores is None else np.argsort(-scores, kind="stable"):
                score = "" if scores is None else f"{scores[index]:.2f}"
                colour = class_colour(colour_number(fields, index))
                canvas.labels.add(
                    names.of_class(int(labels[index])), _suffix(fields, index, score), canvas.box_on_canvas(boxes[index]), colour
                )
        return {}


def _suffix(fields: Fields, index: int, score: str) -> str:
    """Return identity and score of an object, as far as it has them."""
    identity = int(fields["identities"][index]) if "identities" in fields else -1
    return " ".join(part for part in (f"#{identity}" if identity >= 0 else "", score) if part)


def largest_first(boxes: np.ndarray) -> list[int]:
    """Return the places of boxes (N, 4), XYXY, in the order of their areas: smaller ones are drawn over larger ones."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return [int(index) for index in np.argsort(-areas, kind="stable")]


def move_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the boxes, float64 (N, 4) XYXY, that enclose the moved corners of ``boxes``."""
    corners = boxes.astype(np.float64)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    corners = move_points(corners, matrix)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def clip_boxes(boxes: np.ndarray, size: Size, min_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut boxes off at the edges of the image.

    Args:
        boxes: float64 (N, 4).
        size: (height, width) of the image.
        min_share: share of its area that must be left of a box.

    Returns:
        float32 (N, 4), and bool (N,): which boxes are left, at least one pixel wide and high.
    """
    limits = np.array([size[1], size[0], size[1], size[0]], np.float64)
    clipped = np.clip(boxes, 0.0, limits)
    edges, left = boxes[:, 2:] - boxes[:, :2], clipped[:, 2:] - clipped[:, :2]
    # a thousandth of a pixel: coordinates are rounded to float32
    kept = (left >= 1.0 - 1e-3).all(axis=1) & (left.prod(axis=1) >= (min_share - 1e-6) * edges.prod(axis=1))
    return clipped.astype(np.float32), kept


def _outside(labels: np.ndarray, known: int | None) -> np.ndarray:
    """Return the places of labels that are no class."""
    return np.flatnonzero((labels < 0) if known is None else (labels < 0) | (labels >= known))


def _range(known: int | None) -> str:
    return "a number from 0 on" if known is None else f"0 to {known - 1}"
