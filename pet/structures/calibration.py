"""How places in space, in front of a camera and in its image belong together."""

from dataclasses import dataclass, replace

import numpy as np

MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])
NEAR = 1e-2
"""Depth from which on a place is in front of a camera, metres."""


@dataclass(frozen=True)
class Calibration:
    """A camera and a LiDAR. Frames are those of :class:`pet.structures.boxes3d.Boxes3D`; pixel i covers [i, i + 1).

    Attributes:
        projection: float64 (3, 4), places before the camera to pixels; its last column need not be zero.
        lidar_to_camera: float64 (4, 4), points of the LiDAR to places before the camera, with the rectification.
    """

    projection: np.ndarray
    lidar_to_camera: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "projection", np.asarray(self.projection, np.float64).reshape(3, 4))
        object.__setattr__(self, "lidar_to_camera", np.asarray(self.lidar_to_camera, np.float64).reshape(4, 4))

    @classmethod
    def of_lidar_alone(cls) -> "Calibration":
        """Return what is assumed where there is no camera: one at the place of the LiDAR that looks ahead, whose pixels mean nothing."""
        axes = np.array([[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
        return cls(np.eye(3, 4), axes)

    @property
    def camera_to_lidar(self) -> np.ndarray:
        """Float64 (4, 4), the inverse of ``lidar_to_camera``."""
        return np.linalg.inv(self.lidar_to_camera)

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Return places (..., 3) before the camera of points (..., 3) of the LiDAR."""
        return move_in_space(points, self.lidar_to_camera)

    def to_lidar(self, places: np.ndarray) -> np.ndarray:
        """Return points (..., 3) of the LiDAR of places (..., 3) before the camera."""
        return move_in_space(places, self.camera_to_lidar)

    def project(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels (..., 2) and depths (...,) of places (..., 3) before the camera; at depths below ``NEAR`` pixels are NaN."""
        flat = move_in_space(places, self.projection)
        depths = flat[..., 2]
        in_front = depths >= NEAR
        pixels = flat[..., :2] / np.where(in_front, depths, 1.0)[..., None]
        return np.where(in_front[..., None], pixels, np.nan), depths

    def project_points(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels and depths of points (..., 3) of the LiDAR; see :meth:`project`."""
        return self.project(self.to_camera(points))

    def unproject(self, pixels: np.ndarray, depths: np.ndarray) -> np.ndarray:
        """Return places (..., 3) before the camera that lie at pixels (..., 2) and depths (...,); the inverse of :meth:`project`."""
        flat = np.concatenate([pixels * depths[..., None], depths[..., None]], axis=-1)
        places: np.ndarray = (flat - self.projection[:, 3]) @ np.linalg.inv(self.projection[:, :3]).T
        return places

    def with_moved_image(self, matrix: np.ndarray) -> "Calibration":
        """Return what projects to the pixels of a moved image.

        Args:
            matrix: (3, 3), from old to new pixels. Where it mirrors the image the world before the camera is mirrored too, so that the
                focal lengths stay positive: ``x`` of every place changes its sign, see :meth:`pet.structures.boxes3d.Boxes3D.mirrored`.
        """
        projection = matrix @ self.projection
        if np.linalg.det(matrix[:2, :2]) > 0:
            return replace(self, projection=projection)
        return Calibration(projection @ MIRROR, MIRROR @ self.lidar_to_camera)

    def with_moved_points(self, matrix: np.ndarray) -> "Calibration":
        """Return what fits the points after ``matrix`` (4, 4) moved them; the camera and its image stay where they are."""
        return replace(self, lidar_to_camera=self.lidar_to_camera @ np.linalg.inv(matrix))


def move_in_space(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return points (..., 3) at their new places; ``matrix`` is (4, 4), or (3, 4)."""
    moved: np.ndarray = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved
