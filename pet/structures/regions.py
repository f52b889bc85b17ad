"""Convex polygons of an image: which part of it shows what."""

import numpy as np

from pet.structures.affine import is_axis_aligned, move_points

TOLERANCE = 1e-6


def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Return the four corners, float64 (4, 2), from the first one clockwise as one sees it."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def contains(region: np.ndarray, points: np.ndarray) -> bool:
    """Return whether all points (P, 2) lie in a convex polygon (K, 2); a polygon of fewer than three corners holds none."""
    if len(region) < 3:
        return False
    edges = np.roll(region, -1, axis=0) - region
    offsets = points[:, None] - region[None]
    sides = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
    return bool((sides >= -TOLERANCE).all() or (sides <= TOLERANCE).all())


def clip_to_image(region: np.ndarray | None, matrix: np.ndarray, size: tuple[int, int], new_size: tuple[int, int]) -> np.ndarray | None:
    """Return the part of a moved convex polygon that lies in the new image; None: it covers the new image.

    Args:
        region: (K, 2) of the old image; None: all of it.
        matrix: (3, 3), from old to new coordinates.
        size: (height, width) of the old image.
        new_size: (height, width) of the new image.
    """
    moved = move_points(rectangle(0, 0, size[1], size[0]) if region is None else region, matrix)
    height, width = new_size
    if region is None and is_axis_aligned(matrix):
        low, high = moved.min(axis=0), moved.max(axis=0)
        if (low <= TOLERANCE).all() and high[0] >= width - TOLERANCE and high[1] >= height - TOLERANCE:
            return None
    elif contains(moved, rectangle(0, 0, width, height)):
        return None
    for axis, limit, sign in ((0, 0.0, 1.0), (1, 0.0, 1.0), (0, float(width), -1.0), (1, float(height), -1.0)):
        moved = _cut(moved, sign * (moved[:, axis] - limit)) if len(moved) else moved
    return moved


def _cut(region: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return what is left of a convex polygon where ``heights`` of its corners, which grow evenly, are not negative.

    Source: Sutherland and Hodgman, Reentrant Polygon Clipping, 1974 (https://doi.org/10.1145/360767.360802).
    """
    corners: list[np.ndarray] = []
    for index in range(len(region)):
        here, there = heights[index - 1], heights[index]
        if (here >= 0) != (there >= 0):
            corners.append(region[index - 1] + (region[index] - region[index - 1]) * (here / (here - there)))
        if there >= 0:
            corners.append(region[index])
    return np.array(corners, np.float64).reshape(-1, 2)
