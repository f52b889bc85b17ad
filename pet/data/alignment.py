"""Faces brought to one place by five points: eyes, nose, corners of the mouth."""

import numpy as np

from pet.structures.moves import Affine
from petlib.errors import DataError

EDGE = 112
"""Height and width of an aligned face, pixels."""
TEMPLATE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]) + 0.5
"""Where left eye, right eye, nose and the corners of the mouth are in an aligned face, x and y, as InsightFace and ArcFace have them; left
is left in the image. In their coordinates the centre of a pixel is a whole number; here pixel i covers [i, i + 1)."""


def similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the turn, scale and shift that bring points nearest to their targets, by least squares and without a mirror.

    Umeyama's closed form (https://doi.org/10.1109/34.88573).

    Args:
        points: float (N, 2).
        targets: float (N, 2).

    Returns:
        float64 (3, 3).

    Raises:
        DataError: all points are one.
    """
    centre, goal = points.mean(axis=0), targets.mean(axis=0)
    own, wanted = points - centre, targets - goal
    spread = float(np.square(own).sum())
    if not spread > 0 or not np.isfinite(wanted).all():
        raise DataError(f"the points {points.tolist()} are no five different places")
    left, sizes, right = np.linalg.svd(wanted.T @ own)
    signs = np.array([1.0, np.sign(np.linalg.det(left @ right))])
    turn = (left * signs) @ right
    scale = float((sizes * signs).sum()) / spread
    matrix = np.eye(3)
    matrix[:2, :2] = scale * turn
    matrix[:2, 2] = goal - scale * turn @ centre
    return matrix


def align_face(image: np.ndarray, points: np.ndarray, *, size: int = EDGE) -> np.ndarray:
    """Return a face at its place in an image of ``size`` by ``size`` pixels, uint8 (size, size, 3).

    Args:
        image: uint8 (H, W, 3).
        points: (5, 2), x and y of left eye, right eye, nose, left and right corner of the mouth, pixels; pixel i covers [i, i + 1).
        size: edge of the result.

    Raises:
        DataError: the points are all at one place.
    """
    return Affine(similarity(points, TEMPLATE * (size / EDGE)), (size, size))(image)


def distance_from_template(points: np.ndarray, *, size: int = EDGE) -> float:
    """Return how far points (5, 2) of an aligned face of ``size`` pixels are from where they belong: the mean distance, as a share of the
    distance of the eyes."""
    template = TEMPLATE * (size / EDGE)
    return float(np.linalg.norm(points - template, axis=1).mean() / np.linalg.norm(template[1] - template[0]))
