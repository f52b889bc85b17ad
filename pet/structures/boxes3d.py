"""Boxes in space. What a yaw means, where the reference point lies and how both change between frames is written here and nowhere else."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pet.structures.calibration import Calibration

Frame = Literal["lidar", "camera"]
UP = {"lidar": 2, "camera": 1}
"""The vertical axis of each frame."""


@dataclass(frozen=True)
class Boxes3D:
    """Upright boxes.

    Both frames are right-handed, in metres, and a yaw of 0 points along x:

    ========  ===================================  =================================  ==============================================
    frame     axes                                 x, y, z of a box                   yaw, from -pi to pi
    ========  ===================================  =================================  ==============================================
    lidar     x ahead, y to the left, z up         its centre                         counter-clockwise as seen from above
    camera    x to the right, y down, z ahead      the centre of its lower face       about y: clockwise as seen from above, as KITTI's
    ========  ===================================  =================================  ==============================================

    Attributes:
        values: float64 (N, 7): x, y, z, length, width, height, yaw; the length lies along the yaw.
        frame: ``lidar`` or ``camera``.
    """

    values: np.ndarray
    frame: Frame

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float64).reshape(-1, 7)
        values = np.concatenate([values[:, :6], wrap_angle(values[:, 6:])], axis=1)
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, kept: np.ndarray) -> "Boxes3D":
        """Return the boxes at some places, or those for which bool (N,) is true."""
        return replace(self, values=self.values[kept])

    @classmethod
    def empty(cls, frame: Frame) -> "Boxes3D":
        """Return no box."""
        return cls(np.zeros((0, 7)), frame)

    @classmethod
    def joined(cls, boxes: Iterable["Boxes3D"], frame: Frame) -> "Boxes3D":
        """Return the boxes of several lists, which are all in ``frame``."""
        found = list(boxes)
        assert all(own.frame == frame for own in found), f"boxes in {frame} expected"
        return cls(np.concatenate([np.zeros((0, 7)), *(own.values for own in found)]), frame)

    @property
    def centres(self) -> np.ndarray:
        """Float64 (N, 3), the middle of each box in its frame."""
        centres = self.values[:, :3].copy()
        if self.frame == "camera":
            centres[:, 1] -= self.values[:, 5] / 2
        return centres

    @property
    def headings(self) -> np.ndarray:
        """Float64 (N,), counter-clockwise angle of each box in its :attr:`footprints`."""
        return self.values[:, 6] if self.frame == "lidar" else -self.values[:, 6]

    @property
    def footprints(self) -> np.ndarray:
        """Float64 (N, 5), the bird's-eye view: both horizontal coordinates of the centre, length, width, heading.

        The heading turns the first horizontal axis towards the second: x to y of ``lidar``, x to z of ``camera``.
        """
        horizontal = [axis for axis in range(3) if axis != UP[self.frame]]
        return np.concatenate([self.values[:, horizontal], self.values[:, 3:5], self.headings[:, None]], axis=1)

    @property
    def extents(self) -> np.ndarray:
        """Float64 (N, 2), the lower and the upper end of each box on the vertical axis of its frame, in ascending order."""
        middle = self.centres[:, UP[self.frame]]
        return np.stack([middle - self.values[:, 5] / 2, middle + self.values[:, 5] / 2], axis=1)

    def corners(self) -> np.ndarray:
        """Return float64 (N, 8, 3): the lower face, its front edge first, and then the upper one in the same order."""
        signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]], np.float64) / 2
        flat = signs[None] * self.values[:, None, 3:5]
        cosine, sine = np.cos(self.headings)[:, None], np.sin(self.headings)[:, None]
        first = flat[..., 0] * cosine - flat[..., 1] * sine
        second = flat[..., 0] * sine + flat[..., 1] * cosine
        face = np.zeros((len(self), 4, 3))
        horizontal = [axis for axis in range(3) if axis != UP[self.frame]]
        face[..., horizontal] = np.stack([first, second], axis=-1)
        face += self.centres[:, None]
        half = np.zeros((len(self), 1, 3))
        # upwards is against the axis of the camera
        half[:, 0, UP[self.frame]] = self.values[:, 5] / 2 * (1 if self.frame == "lidar" else -1)
        return np.concatenate([face - half, face + half], axis=1)

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Return bool (N, P): which points (P, 3) of the same frame lie in each box."""
        offsets = points[None, :, :3].astype(np.float64) - self.centres[:, None]
        cosine, sine = np.cos(self.headings)[:, None], np.sin(self.headings)[:, None]
        first, second = (offsets[..., axis] for axis in range(3) if axis != UP[self.frame])
        along, across = first * cosine + second * sine, second * cosine - first * sine
        local = np.stack([along, across, offsets[..., UP[self.frame]]], axis=-1)
        inside: np.ndarray = (np.abs(local) <= self.values[:, None, 3:6] / 2).all(axis=-1)
        return inside

    def to_camera(self, calibration: Calibration) -> "Boxes3D":
        """Return the boxes in the frame of the camera.

        As everywhere with KITTI, boxes stay upright and turn by a quarter: the tilt between both devices, below a degree, is not
        taken into account.
        """
        if self.frame == "camera":
            return self
        bottom = self.values[:, :3] - np.array([0.0, 0.0, 0.5]) * self.values[:, 5:6]
        places = calibration.to_camera(bottom)
        return Boxes3D(np.concatenate([places, self.values[:, 3:6], -self.values[:, 6:] - np.pi / 2], axis=1), "camera")

    def to_lidar(self, calibration: Calibration) -> "Boxes3D":
        """Return the boxes in the frame of the points; the inverse of :meth:`to_camera`."""
        if self.frame == "lidar":
            return self
        places = calibration.to_lidar(self.values[:, :3])
        places[:, 2] += self.values[:, 5] / 2
        return Boxes3D(np.concatenate([places, self.values[:, 3:6], -self.values[:, 6:] - np.pi / 2], axis=1), "lidar")

    def mirrored(self) -> "Boxes3D":
        """Return the boxes after left and right changed places: y of ``lidar``, x of ``camera``."""
        values = self.values.copy()
        if self.frame == "lidar":
            values[:, 1], values[:, 6] = -values[:, 1], -values[:, 6]
        else:
            values[:, 0], values[:, 6] = -values[:, 0], np.pi - values[:, 6]
        return replace(self, values=values)

    def turned(self, angle: float) -> "Boxes3D":
        """Return the boxes turned about the vertical axis through the origin, counter-clockwise in the bird's-eye view, radians."""
        values, (cosine, sine) = self.values.copy(), (np.cos(angle), np.sin(angle))
        one, two = (axis for axis in range(3) if axis != UP[self.frame])
        values[:, one], values[:, two] = cosine * values[:, one] - sine * values[:, two], sine * values[:, one] + cosine * values[:, two]
        values[:, 6] += angle if self.frame == "lidar" else -angle
        return replace(self, values=values)

    def scaled(self, factor: float) -> "Boxes3D":
        """Return the boxes after the world grew by ``factor``."""
        return replace(self, values=np.concatenate([self.values[:, :6] * factor, self.values[:, 6:]], axis=1))

    def shifted(self, offset: np.ndarray) -> "Boxes3D":
        """Return the boxes moved by ``offset`` (3,), metres."""
        return replace(self, values=np.concatenate([self.values[:, :3] + offset, self.values[:, 3:]], axis=1))

    def observed_angles(self) -> np.ndarray:
        """Return float64 (N,), KITTI's alpha: the yaw relative to the line of sight, from -pi to pi.

        Raises:
            ValueError: the boxes are not in the frame of a camera.
        """
        if self.frame != "camera":
            raise ValueError("the angle of observation is defined in the frame of a camera")
        return wrap_angle(self.values[:, 6] - np.arctan2(self.values[:, 0], self.values[:, 2]))


def wrap_angle(angles: np.ndarray) -> np.ndarray:
    """Return the same angles from -pi to pi; those that lie there already stay as they are."""
    inside = (angles >= -np.pi) & (angles <= np.pi)
    wrapped: np.ndarray = np.where(inside, angles, (angles + np.pi) % (2 * np.pi) - np.pi)
    return wrapped
