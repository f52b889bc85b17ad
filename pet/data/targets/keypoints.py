"""Keypoints of objects."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from pet.data.targets.boxes import largest_first
from pet.data.targets.dataset import DatasetInfo, Expectation, ImageTruth, sample_name
from pet.data.targets.kind import Fields, Judgement, Kind, Motion, Tile
from pet.data.targets.left_right import swap_in_order
from pet.data.targets.numbering import Sides
from pet.data.targets.observation import Found, Observation, evidence_of_box
from pet.metrics.box_matching import match_boxes
from pet.structures.affine import is_inside, move_points, move_tensor_points
from pet.structures.moves import Size
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample
from petlib.errors import DataError

POINT_OUTSIDE = "a keypoint lies outside of its image"
SPREAD = 0.08
"""Of the similarity by which pictures are chosen: of COCO's keypoints the mean, as a share of the size of an object."""


class Keypoints(Kind):
    """``keypoints``, float32 (N, K, 3), of the objects that have boxes: x, y, visibility (0 absent, 1 hidden, 2 visible).

    ``meta["keypoint_swap"]`` says which keypoints change places in a mirrored image.
    """

    name = "keypoints"
    fields = ("keypoints",)
    object_fields = ("keypoints",)
    objects = "boxes"
    has_places = True
    counted = "keypoints"
    has_lines = True
    fixed_names = True
    layer = 40

    def names(self, info: DatasetInfo) -> Sequence[str]:
        """Return the names of the keypoints."""
        return info.keypoint_set.names if info.keypoint_set else ()

    def sides(self, info: DatasetInfo) -> Sides | None:
        """Return which keypoint is which in a mirrored image; known: some have a partner, or the data say that none has."""
        keypoints = info.keypoint_set
        if keypoints is None:
            return None
        paired = list(keypoints.swap) != list(range(len(keypoints.names)))
        return Sides(keypoints.swap, known=paired or len(keypoints.names) <= 1 or keypoints.swap_given)

    def compare(self, first: DatasetInfo, second: DatasetInfo) -> str:
        """Return how the keypoints differ, or what a mirrored image makes of them."""
        difference = super().compare(first, second)
        same = first.keypoint_set is None or second.keypoint_set is None or first.keypoint_set.swap == second.keypoint_set.swap
        return difference or ("" if same else "other keypoints change places in a mirrored image (flip_pairs)")

    def renamed(self, info: DatasetInfo, names: Sequence[str], table: np.ndarray) -> DatasetInfo:
        """Return the keypoints in another order."""
        own = info.keypoint_set
        if own is None:
            return info
        order = np.argsort(table)
        lines = tuple((int(table[start]), int(table[end])) for start, end in own.skeleton)
        sigmas = tuple(own.sigmas[place] for place in order)
        swap = swap_in_order(own.swap, table)
        return replace(info, keypoint_set=replace(own, names=tuple(names), swap=swap, skeleton=lines, sigmas=sigmas))

    def renumber(self, fields: Fields, table: np.ndarray) -> tuple[Fields, np.ndarray | None]:
        """Return the keypoints in another order, and which of them change places in a mirrored image."""
        if fields.get("keypoints") is None:
            return {}, None
        changed: Fields = {"keypoints": fields["keypoints"][:, np.argsort(table)]}
        swap = fields.get("meta", {}).get("keypoint_swap")
        if swap is not None:
            changed["meta"] = {**fields["meta"], "keypoint_swap": swap_in_order(swap, table)}
        return changed, None

    def has_target(self, truth: ImageTruth) -> np.ndarray:
        """Return which objects have a marked keypoint."""
        if truth.keypoints is None:
            return np.zeros(len(truth.labels), bool)
        return np.asarray((truth.keypoints[:, :, 2] > 0).any(axis=1))

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check that each box has all keypoints."""
        given = sample["keypoints"].shape
        required = (len(sample["boxes"]), expected.counts.get(self.name, given[1]), 3)
        if given != required:
            raise DataError(f"{sample_name(sample)}: keypoints of shape {given}, {required} expected")

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Look for points that cannot be seen."""
        points = sample["keypoints"]
        outside = (points[..., :2] < 0).any(axis=-1) | (points[..., :2] > (seen.size[1], seen.size[0])).any(axis=-1)
        for place in np.flatnonzero(((points[..., 2] > 0) & outside).any(axis=1)):
            yield POINT_OUTSIDE, f"object {place}", False, evidence_of_box(sample["boxes"][place])

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the moved points; those that leave the image become absent: 0, 0, 0."""
        keypoints = sample["keypoints"]
        moved = np.concatenate([move_points(keypoints[..., :2].astype(np.float64), motion.matrix), keypoints[..., 2:]], axis=-1)
        swap = sample.get("meta", {}).get("keypoint_swap")
        if swap is not None and motion.mirrored:
            moved = moved[:, list(swap)]
        present = (moved[..., 2] > 0) & is_inside(moved[..., :2], motion.size)
        return {"keypoints": np.where(present[..., None], moved, 0.0).astype(np.float32)}

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Return the keypoints of all tiles; absent ones stay 0, 0, 0."""
        parts = []
        for tile in tiles:
            keypoints = tile.sample["keypoints"]
            moved = keypoints + np.array([tile.left, tile.top, 0.0], np.float32)
            parts.append(np.where(keypoints[..., 2:] > 0, moved, keypoints))
        return {"keypoints": np.concatenate(parts)}

    def restore(self, predictions: Fields, inverse: np.ndarray, size: Size | None) -> Fields:
        """Return the moved points with their scores."""
        points = predictions["keypoints"]
        return {"keypoints": torch.cat([move_tensor_points(points[..., :2], inverse), points[..., 2:]], dim=-1)}

    def judge(self, predictions: Fields, sample: Fields, truth: ImageTruth | None, names: TargetNames) -> Judgement | None:
        """Return the mean similarity of the marked keypoints of each object with those of the box that fits it best."""
        points, boxes = predictions.get("keypoints"), predictions.get("boxes")
        if points is None or boxes is None or truth is None or truth.keypoints is None:
            return None
        marked = np.flatnonzero((truth.keypoints[..., 2] > 0).any(axis=1) & ~truth.crowd)
        if not len(marked):
            return None
        scores = np.asarray(predictions.get("scores", np.ones(len(boxes))))
        places = match_boxes(truth.boxes[marked], boxes, scores, ignored=np.zeros(len(marked), bool)).places
        similarities = np.zeros(len(marked))
        for found in np.flatnonzero(places >= 0):
            own, box = truth.keypoints[marked[places[found]]], truth.boxes[marked[places[found]]]
            area = max(float(np.prod(box[2:] - box[:2])), 1.0)
            squared = ((points[found, :, :2] - own[:, :2]) ** 2).sum(axis=1) / (2 * area * (2 * SPREAD) ** 2)
            similarities[places[found]] = np.exp(-squared)[own[:, 2] > 0].mean()
        return Judgement(float(similarities.mean()), f"similarity of keypoints {similarities.mean():.0%}")

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Draw points and skeletons, the largest objects first; of predictions those points whose scores are high enough."""
        boxes = fields.get("boxes")
        if not settings.keypoints or boxes is None:
            return {}
        for index in largest_first(boxes):
            if names.has_keypoints(int(fields["labels"][index])):
                points = fields["keypoints"][index]
                found = fields.get("scores") is not None
                states = [2 if score >= settings.keypoint_threshold else 0 for score in points[:, 2]] if found else points[:, 2].astype(int)
                canvas.draw_keypoints(points[:, :2], list(states), names.pairs(len(points)))
        return {}
