"""By how much the boxes in space are off that were found: metres and degrees, which average precision does not show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pet.metrics.kitti import Frames, difficulty_flags
from pet.metrics.ranked_matching import COUNTS
from pet.structures.objects3d import Objects3D

REACH = 2.0
"""Distance of the centres on the ground below which a detection is of an annotation, metres, as nuScenes has it."""


@dataclass(frozen=True)
class BoxErrors:
    """Medians over the annotations of a class that were found.

    Attributes:
        name: the class.
        place: distance of the centres, metres.
        size: mean difference of length, width and height, metres.
        yaw: difference of the directions, degrees from 0 to 180.
        found: annotations that were found.
        count: annotations.
    """

    name: str
    place: float
    size: float
    yaw: float
    found: int
    count: int


def measure_errors(frames: Frames, classes: Sequence[str], *, min_score: float) -> list[BoxErrors]:
    """Return the errors of the detections whose score is at least ``min_score``, each class by itself; NaN where nothing was found."""
    return [_measure_class(frames, name, min_score) for name in classes]


def _measure_class(frames: Frames, name: str, min_score: float) -> BoxErrors:
    has_image = any((truth.heights > 0).any() for truth, _ in frames)
    parts, count = [np.zeros((0, 3))], 0
    for truth, found in frames:
        own = truth[difficulty_flags(truth, name, has_image)[2] == COUNTS]
        count += len(own)
        if len(own):
            parts.append(_errors_of_frame(own, found[(found.types == name) & (found.scores >= min_score)]))
    errors = np.concatenate(parts)
    place, size, yaw = np.median(errors, axis=0).tolist() if len(errors) else [float("nan")] * 3
    return BoxErrors(name, place=place, size=size, yaw=yaw, found=len(errors), count=count)


def _errors_of_frame(truth: Objects3D, found: Objects3D) -> np.ndarray:
    """Return (M, 3) of the matches: each detection, the best first, takes the nearest free annotation."""
    ground = [0, 2]
    distances = np.linalg.norm(found.boxes.values[:, None, ground] - truth.boxes.values[None, :, ground], axis=2)
    matches = []
    for place in np.argsort(-found.scores, kind="stable"):
        nearest = int(distances[place].argmin())
        if distances[place, nearest] <= REACH:
            matches.append((place, nearest))
            distances[:, nearest] = np.inf
    one, two = np.array(matches, np.int64).reshape(-1, 2).T
    found_boxes, boxes = found.boxes.values[one], truth.boxes.values[two]
    turn = np.abs((found_boxes[:, 6] - boxes[:, 6] + np.pi) % (2 * np.pi) - np.pi)
    offsets = np.linalg.norm(found.boxes.centres[one] - truth.boxes.centres[two], axis=1)
    return np.stack([offsets, np.abs(found_boxes[:, 3:6] - boxes[:, 3:6]).mean(axis=1), np.degrees(turn)], axis=1)
