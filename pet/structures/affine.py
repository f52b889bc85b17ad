"""Affine maps of the plane, and convex polygons in it. Coordinates are continuous: pixel i covers [i, i + 1), its centre is i + 0.5."""

import cv2
import numpy as np
import torch
from torch import Tensor


def move_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return (..., 2) points at their new places; ``matrix`` is (3, 3), from old to new coordinates."""
    moved: np.ndarray = points @ matrix[:2, :2].T + matrix[:2, 2]
    return moved


def is_axis_aligned(matrix: np.ndarray) -> bool:
    """Return whether rows stay rows and columns stay columns."""
    return bool(matrix[0, 1] == 0.0 and matrix[1, 0] == 0.0)


def is_mirrored(matrix: np.ndarray) -> bool:
    """Return whether left and right change places."""
    return bool(matrix[0, 0] * matrix[1, 1] < matrix[0, 1] * matrix[1, 0])


def is_inside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return bool (...): which of the points (..., 2) lie in an image of ``size`` (height, width).

    The far edge counts, since a mirrored 0 lies there.
    """
    inside: np.ndarray = np.all((points >= 0) & (points <= (size[1], size[0])), axis=-1)
    return inside


def shift(x: float, y: float) -> np.ndarray:
    """Return the (3, 3) matrix that moves points by (x, y)."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def centred(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix for coordinates in which whole numbers are the centres of pixels, as OpenCV has them."""
    result: np.ndarray = shift(-0.5, -0.5) @ matrix @ shift(0.5, 0.5)
    return result


def warp_labels(labels: np.ndarray, matrix: np.ndarray, size: tuple[int, int], fill: int) -> np.ndarray:
    """Return a map of labels at its new place: each pixel gets the label of the place where its centre comes from.

    Args:
        labels: (H, W), uint8 or uint16.
        matrix: (3, 3), from the coordinates of ``labels`` to the new ones.
        size: (height, width) of the new map.
        fill: the label of what comes from outside.
    """
    backwards = np.linalg.inv(matrix)
    if is_axis_aligned(matrix):
        rows = _source_places(size[0], backwards[1, 1], backwards[1, 2])
        columns = _source_places(size[1], backwards[0, 0], backwards[0, 2])
        return _take(labels, rows, columns, fill)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    warped: np.ndarray = cv2.warpAffine(labels, centred(backwards)[:2], (size[1], size[0]), flags=flags, borderValue=fill)
    return warped


def _source_places(length: int, scale: float, offset: float) -> np.ndarray:
    # the least bit: a centre that comes from the edge between two pixels, give or take a rounding error, belongs to the second
    places: np.ndarray = np.floor((np.arange(length) + 0.5) * scale + offset + 1e-9).astype(np.int64)
    return places


def _take(labels: np.ndarray, rows: np.ndarray, columns: np.ndarray, fill: int) -> np.ndarray:
    valid_rows = np.flatnonzero((rows >= 0) & (rows < labels.shape[0]))
    valid_columns = np.flatnonzero((columns >= 0) & (columns < labels.shape[1]))
    if len(valid_rows) == len(rows) and len(valid_columns) == len(columns):
        return labels.take(rows, axis=0).take(columns, axis=1)
    result = np.full((len(rows), len(columns)), fill, labels.dtype)
    if len(valid_rows) and len(valid_columns):
        inside = labels.take(rows[valid_rows], axis=0).take(columns[valid_columns], axis=1)
        # what is inside is one rectangle, for the places ascend or descend
        top, left = valid_rows[0], valid_columns[0]
        result[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return result


def move_tensor_points(points: Tensor, matrix: np.ndarray) -> Tensor:
    """Return points (..., 2) on any device moved by an affine (3, 3)."""
    affine = torch.from_numpy(matrix).to(points)
    return points @ affine[:2, :2].T + affine[:2, 2]


def enclose_tensor(boxes: Tensor, matrix: np.ndarray) -> Tensor:
    """Return the boxes (N, 4), XYXY, around the moved corners of boxes on any device."""
    corners = move_tensor_points(boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2), matrix)
    return torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)


def clip_tensor(boxes: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Return boxes (N, 4), XYXY, cut off at the edges of an image of ``size`` (height, width); None: there are no edges."""
    if size is None:
        return boxes
    height, width = size
    limits = boxes.new_tensor([width, height, width, height])
    return boxes.clamp(min=0).minimum(limits)


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
