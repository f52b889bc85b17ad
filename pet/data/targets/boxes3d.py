"""Boxes in space, and the class of each."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pet.data.targets.dataset import DatasetInfo, Expectation, ImageTruth, sample_name
from pet.data.targets.kind import Fields, Judgement, Kind, Motion, Tile
from pet.data.targets.observation import LABEL_OUTSIDE, Found, Observation
from pet.metrics.box_matching import average_precision
from pet.structures.boxes3d import Boxes3D, Frame
from pet.structures.calibration import Calibration
from pet.structures.moves import Size
from pet.structures.objects3d import boxes_in_image
from pet.visual.birds_eye import BirdsEyeView, draw_footprint, draw_wireframe
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.palette import class_colour
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample
from petlib.errors import ConfigError, DataError

NO_POINTS = "a box has no point in it"
BEYOND = "a box lies outside of what the model looks at"
REACH = 2.0
"""Distance of the centres on the ground up to which a box is that of an object, metres, as nuScenes has it."""


class SpatialBoxes(Kind):
    """``boxes3d``, float32 (N, 7), as :class:`pet.structures.boxes3d.Boxes3D` has them, and ``labels3d``, int64 (N,).

    The frame is that of the points of a sample, or else of the camera of its image. ``meta["calibration"]`` is that of the file: after
    moves of an image, ``calibration.with_moved_image(meta["matrix"])`` projects the boxes to its pixels.
    """

    name = "boxes3d"
    fields = ("boxes3d", "labels3d")
    object_fields = ("boxes3d", "labels3d")
    objects = "boxes3d"
    counted = "classes"
    has_places = True
    filters_empty = True
    layer = 35

    def names(self, info: DatasetInfo) -> Sequence[str]:
        """Return the names of the classes."""
        return info.classes

    def renamed(self, info: DatasetInfo, names: Sequence[str], table: np.ndarray) -> DatasetInfo:
        """Return other names of the classes."""
        return replace(info, classes=names, num_classes=len(names), category_ids=())

    def renumber(self, fields: Fields, table: np.ndarray) -> tuple[Fields, np.ndarray | None]:
        """Return the new labels; objects without one go. What evaluations compare has names of its own."""
        if "labels3d" not in fields:
            return {}, None
        labels = table[fields["labels3d"]]
        kept = labels >= 0
        return {"labels3d": labels}, None if kept.all() else kept

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check numbers, edges and classes of the boxes."""
        boxes, labels, name = sample["boxes3d"], sample["labels3d"], sample_name(sample)
        if boxes.shape != (len(labels), 7):
            raise DataError(f"{name}: boxes3d {boxes.shape} and {len(labels)} labels; (N, 7) and N expected")
        wrong = np.flatnonzero(~(np.isfinite(boxes).all(axis=1) & (boxes[:, 3:6] > 0).all(axis=1)))
        if len(wrong):
            raise DataError(f"{name}: object {wrong[0]} has the box {boxes[wrong[0]].tolist()}; finite numbers and edges above 0 expected")
        for place in self._outside(labels, expected):
            raise DataError(f"{name}: object {place} has the label {labels[place]}, {self._known(expected)} expected")

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Look at classes, at the points in each box, and whether the model looks where it is."""
        labels, boxes = sample["labels3d"], Boxes3D(sample["boxes3d"], frame_of(sample))
        seen.labels = [int(label) for label in labels]
        for place in self._outside(labels, expected):
            yield LABEL_OUTSIDE, f"object {place}: label {labels[place]}, {self._known(expected)} expected", True
        if "points" not in sample:
            return
        for place in np.flatnonzero(~boxes.contains(sample["points"]).any(axis=1)):
            yield NO_POINTS, f"object {place}: {_shown(boxes, int(place))}", False
        if expected.extent:
            low, high = np.array(expected.extent[:3]), np.array(expected.extent[3:])
            for place in np.flatnonzero(~((boxes.centres >= low) & (boxes.centres <= high)).all(axis=1)):
                yield BEYOND, f"object {place}: {_shown(boxes, int(place))}, from {low.tolist()} to {high.tolist()} expected", False

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the boxes of a mirrored image; other moves of an image change its calibration alone."""
        if not motion.mirrored:
            return {}
        return {"boxes3d": Boxes3D(sample["boxes3d"], "camera").mirrored().values.astype(np.float32)}

    def crop(self, sample: Sample, motion: Motion) -> tuple[Fields, np.ndarray | None]:
        """Return which objects can be seen in the image."""
        meta = sample["meta"]
        calibration: Calibration = meta["calibration"].with_moved_image(meta["matrix"])
        inside = boxes_in_image(Boxes3D(sample["boxes3d"], "camera"), calibration, motion.size)
        return {}, np.all(inside[:, 2:] > inside[:, :2], axis=1)

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Refuse to make one image of several, which have a camera each."""
        raise ConfigError("transform Mosaic: images with boxes in space are not joined; take it out of TRANSFORMS")

    def judge(self, predictions: Fields, sample: Fields, truth: ImageTruth | None, names: TargetNames) -> Judgement | None:
        """Return the average precision in this frame, an object found where the centre of a box of its class is within two metres."""
        values, scores, labels = (predictions.get(name) for name in ("boxes3d", "scores3d", "labels3d"))
        if values is None or scores is None or labels is None or truth is None or truth.objects3d is None:
            return None
        known = np.isin(truth.objects3d.types, list(names.classes))
        objects = truth.objects3d[known]
        if not len(objects):
            return None
        found = Boxes3D(values, frame_of(sample)).to_camera(sample["meta"]["calibration"]).values[:, [0, 2]]
        free, right = np.ones(len(objects), bool), np.zeros(len(found), bool)
        for place in np.argsort(-scores, kind="stable"):
            distances = np.linalg.norm(objects.boxes.values[:, [0, 2]] - found[place], axis=1)
            distances[~free | (objects.types != names.of_class(int(labels[place])))] = np.inf
            nearest = int(distances.argmin())
            if distances[nearest] <= REACH:
                free[nearest], right[place] = False, True
        precision = average_precision(scores, right, len(objects))
        return Judgement(precision, f"{int(right.sum())} of {len(objects)} objects found within {REACH:g} m")

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Draw the boxes from above where the frame is that of points, else into the image of the camera."""
        boxes, scores = Boxes3D(fields["boxes3d"], frame_of(fields)), fields.get("scores3d")
        far_first = np.argsort(-np.linalg.norm(boxes.centres, axis=1), kind="stable")
        places = _places_in_picture(boxes, fields.get("meta", {}))
        for place in far_first if settings.boxes else ():
            if scores is None or scores[place] >= settings.score_threshold:
                label = int(fields["labels3d"][place])
                draw = draw_footprint if boxes.frame == "lidar" else draw_wireframe
                corners = canvas.to_canvas(places[place])
                draw(canvas.pixels, corners[:4] if boxes.frame == "lidar" else corners, class_colour(label), max(canvas.line // 2, 1))
        return {names.of_class(int(label)): class_colour(int(label)) for label in np.unique(fields["labels3d"])}

    def _known(self, expected: Expectation) -> str:
        known = expected.counts.get(self.name)
        return "a number from 0 on" if known is None else f"0 to {known - 1}"

    def _outside(self, labels: np.ndarray, expected: Expectation) -> np.ndarray:
        known = expected.counts.get(self.name)
        return np.flatnonzero((labels < 0) if known is None else (labels < 0) | (labels >= known))


def frame_of(sample: Fields) -> Frame:
    """Return the frame of the boxes of a sample, or of predictions with the ``meta`` of their sample."""
    frame: Frame = sample["meta"].get("frame3d", "camera")
    return frame


def _places_in_picture(boxes: Boxes3D, meta: Fields) -> np.ndarray:
    """Return (N, 8, 2), the corners in the picture from above, or in the image."""
    if boxes.frame == "lidar":
        return BirdsEyeView().to_pixels(boxes.corners())
    calibration: Calibration = meta["calibration"].with_moved_image(meta.get("matrix", np.eye(3)))
    return calibration.project(boxes.corners())[0]


def _shown(boxes: Boxes3D, place: int) -> str:
    x, y, z, length, width, height, _ = boxes.values[place]
    return f"{length:.2f} x {width:.2f} x {height:.2f} m at {x:.1f}, {y:.1f}, {z:.1f}"
