"""Objects in space as the files of KITTI have them: what is annotated in a frame, or what was found there."""

from dataclasses import dataclass, fields

import numpy as np

from pet.structures.boxes3d import Boxes3D
from pet.structures.calibration import Calibration

UNKNOWN = -10.0
"""An angle of observation that is not known."""


@dataclass(frozen=True)
class Objects3D:
    """The objects of a frame.

    Attributes:
        types: str (N,), names of classes; of annotations also those that are not learned, e.g. ``Van`` and ``DontCare``.
        truncated: float64 (N,), share that lies outside of the image.
        occluded: int64 (N,), 0 visible to 2 largely hidden, 3 unknown.
        alphas: float64 (N,), angles of observation.
        boxes2d: float64 (N, 4), XYXY in pixels; without area: there is no image.
        boxes: the boxes, in the frame of the camera; of ``DontCare`` they mean nothing.
        scores: float64 (N,), from 0 to 1; of annotations 1.
    """

    types: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray
    alphas: np.ndarray
    boxes2d: np.ndarray
    boxes: Boxes3D
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.types)

    def __getitem__(self, kept: np.ndarray) -> "Objects3D":
        """Return the objects at some places, or those for which bool (N,) is true."""
        return Objects3D(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})

    @property
    def heights(self) -> np.ndarray:
        """Float64 (N,), of the boxes in the image, pixels."""
        heights: np.ndarray = self.boxes2d[:, 3] - self.boxes2d[:, 1]
        return heights

    @property
    def distances(self) -> np.ndarray:
        """Float64 (N,), from the camera on the ground, metres."""
        distances: np.ndarray = np.hypot(self.boxes.values[:, 0], self.boxes.values[:, 2])
        return distances

    @classmethod
    def empty(cls) -> "Objects3D":
        """Return no object."""
        return found_objects(np.zeros(0, "<U1"), Boxes3D.empty("camera"), np.zeros(0), Calibration.of_lidar_alone(), None)


def found_objects(
    types: np.ndarray, boxes: Boxes3D, scores: np.ndarray, calibration: Calibration, size: tuple[int, int] | None
) -> Objects3D:
    """Return what a network found, with what follows from the boxes: angles of observation, and boxes around the projected corners.

    Args:
        types: str (N,), names of the classes.
        boxes: in either frame.
        scores: (N,).
        calibration: of the frame.
        size: (height, width) of the image; None: there is none, and boxes in it have no area.
    """
    boxes = boxes.to_camera(calibration)
    count = len(boxes)
    return Objects3D(
        types=np.asarray(types),
        truncated=np.full(count, -1.0),
        occluded=np.full(count, -1, np.int64),
        alphas=boxes.observed_angles(),
        boxes2d=np.zeros((count, 4)) if size is None else boxes_in_image(boxes, calibration, size),
        boxes=boxes,
        scores=np.asarray(scores, np.float64),
    )


def boxes_in_image(boxes: Boxes3D, calibration: Calibration, size: tuple[int, int]) -> np.ndarray:
    """Return float64 (N, 4), XYXY: the boxes around the corners that lie in front of the camera, cut off at the edges of the image.

    Args:
        boxes: in the frame of the camera.
        calibration: of the frame.
        size: (height, width) of the image. Boxes outside of it have no area.
    """
    pixels, _ = calibration.project(boxes.corners())
    visible = ~np.isnan(pixels)
    low = np.where(visible, pixels, np.inf).min(axis=1)
    high = np.where(visible, pixels, -np.inf).max(axis=1)
    limits = np.array([size[1], size[0]], np.float64)
    low, high = np.clip(low, 0, limits), np.clip(high, 0, limits)
    found: np.ndarray = np.where((high > low).all(axis=1, keepdims=True), np.concatenate([low, high], axis=1), 0.0)
    return found
