"""Moves of points and of the boxes among them; the calibration goes along, so that everything projects to the pixels where it was."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pet.data.transforms.base import check_probability, check_range
from pet.structures.boxes3d import Boxes3D
from pet.structures.calibration import move_in_space
from pet.structures.rotated import rotated_iou
from petlib.data.protocols import Dataset, Sample
from petlib.errors import ConfigError


@dataclass(frozen=True)
class WorldMove:
    """What is done to the world, in this order.

    Attributes:
        mirror: left and right change places.
        angle: counter-clockwise about the vertical axis, radians.
        factor: by which it grows.
    """

    mirror: bool = False
    angle: float = 0.0
    factor: float = 1.0

    @property
    def matrix(self) -> np.ndarray:
        """Float64 (4, 4), from old to new points."""
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(self.angle), -np.sin(self.angle)], [np.sin(self.angle), np.cos(self.angle)]]
        return np.diag([self.factor] * 3 + [1.0]) @ turn @ np.diag([1.0, -1.0 if self.mirror else 1.0, 1.0, 1.0])

    def boxes(self, boxes: Boxes3D) -> Boxes3D:
        """Return the moved boxes."""
        return (boxes.mirrored() if self.mirror else boxes).turned(self.angle).scaled(self.factor)


class WorldTransform(ABC):
    """Moves the points of a sample, its boxes, and the calibration in its ``meta``."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the moved sample."""
        check_points(sample, type(self).__name__)
        move = self.decide(rng)
        points, meta = sample["points"].copy(), dict(sample["meta"])
        points[:, :3] = move_in_space(points[:, :3].astype(np.float64), move.matrix)
        meta["calibration"] = meta["calibration"].with_moved_points(move.matrix)
        moved = {**sample, "points": points, "meta": meta}
        if sample.get("boxes3d") is not None:
            moved["boxes3d"] = move.boxes(Boxes3D(sample["boxes3d"], "lidar")).values.astype(np.float32)
        return moved

    @abstractmethod
    def decide(self, rng: np.random.Generator) -> WorldMove:
        """Draw what is done."""


class RandomMirrorPoints(WorldTransform):
    """Left and right change places.

    Args:
        probability: share of the samples.
    """

    def __init__(self, *, probability: float = 0.5) -> None:
        self.probability = check_probability("RandomMirrorPoints: probability", probability)

    def decide(self, rng: np.random.Generator) -> WorldMove:
        """Draw whether they do."""
        return WorldMove(mirror=bool(rng.random() < self.probability))


class RandomTurnPoints(WorldTransform):
    """The world turns about the vertical axis through the LiDAR.

    Args:
        degrees: at most so far in either direction.
    """

    def __init__(self, *, degrees: float = 45.0) -> None:
        self.degrees = check_range("RandomTurnPoints: degrees", [0.0, degrees], high=180.0)[1]

    def decide(self, rng: np.random.Generator) -> WorldMove:
        """Draw the angle."""
        return WorldMove(angle=float(np.radians(rng.uniform(-self.degrees, self.degrees))))


class RandomScalePoints(WorldTransform):
    """The world grows or shrinks.

    Args:
        scale: least and greatest factor.
    """

    def __init__(self, *, scale: Sequence[float] = (0.95, 1.05)) -> None:
        self.scale = check_range("RandomScalePoints: scale", scale, low=0.1, high=10.0)

    def decide(self, rng: np.random.Generator) -> WorldMove:
        """Draw the factor."""
        return WorldMove(factor=float(rng.uniform(*self.scale)))


class PointsInImage:
    """Leaves the points that the camera sees: KITTI annotates nothing else. Frames without an image keep all; it comes before moves."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with these points."""
        check_points(sample, "PointsInImage")
        meta = sample["meta"]
        if "size" not in meta:
            return sample
        pixels, _ = meta["calibration"].project_points(sample["points"][:, :3].astype(np.float64))
        # what lies behind the camera has no pixel, and no comparison holds for it
        inside = ((pixels >= 0) & (pixels < (meta["size"][1], meta["size"][0]))).all(axis=1)
        return {**sample, "points": sample["points"][inside]}


class PasteObjects:
    """Puts objects of other frames, with their points, where they were there; none touches another one.

    Nothing is prepared in advance: the other frames are read when they are needed. It comes before moves.

    Args:
        dataset: where the other frames come from; given by the builder.
        frames: how many other frames give their objects.
        least: points that an object has to have.
        probability: share of the samples.
    """

    def __init__(self, *, dataset: Dataset, frames: int = 2, least: int = 5, probability: float = 1.0) -> None:
        if frames < 1 or least < 1:
            raise ConfigError(f"PasteObjects: frames: {frames} and least: {least} given, numbers from 1 on expected")
        self.dataset, self.frames, self.least = dataset, frames, least
        self.probability = check_probability("PasteObjects: probability", probability)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with further objects."""
        check_points(sample, "PasteObjects")
        if sample.get("boxes3d") is None or rng.random() >= self.probability:
            return sample
        for place in rng.integers(len(self.dataset), size=self.frames).tolist():
            sample = self._paste(sample, self.dataset[place])
        return sample

    def _paste(self, sample: Sample, other: Sample) -> Sample:
        boxes, new = Boxes3D(sample["boxes3d"], "lidar"), Boxes3D(other["boxes3d"], "lidar")
        both = torch.from_numpy(Boxes3D.joined([boxes, new], "lidar").footprints)
        overlaps = (rotated_iou(both, both) > 0).numpy()
        inside = new.contains(other["points"])
        free = ~overlaps[len(boxes) :, : len(boxes)].any(axis=1) & (inside.sum(axis=1) >= self.least)
        if not free.any():
            return sample
        chosen = new[free]
        kept = sample["points"][~chosen.contains(sample["points"]).any(axis=0)]
        return {
            **sample,
            "points": np.concatenate([kept, other["points"][inside[free].any(axis=0)]]),
            "boxes3d": np.concatenate([sample["boxes3d"], other["boxes3d"][free]]),
            "labels3d": np.concatenate([sample["labels3d"], other["labels3d"][free]]),
        }


def check_points(sample: Sample, name: str) -> None:
    """Check that a sample has points.

    Raises:
        ConfigError: it has none.
    """
    if sample.get("points") is None:
        raise ConfigError(f"transform {name}: it moves points, and the samples have none; take it out of TRANSFORMS")
