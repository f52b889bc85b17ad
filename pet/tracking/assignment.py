"""Which detection belongs to which track: costs, and the assignment with the least of them."""

import numpy as np
from scipy.optimize import linear_sum_assignment

EXCLUDED = 1e6
"""A cost of pairs that cannot be."""


def assign(costs: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of the pairs with the least sum of costs, where a row or column without a partner costs ``limit`` / 2.

    That differs from the assignment without a limit whose dear pairs are left out afterwards: these may have kept others from a partner.

    Args:
        costs: float (N, M).
        limit: the greatest cost of a pair.
    """
    rows, columns = costs.shape
    if not rows or not columns:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    padded = np.full((rows + columns, rows + columns), limit / 2)
    padded[:rows, :columns] = np.where(costs <= limit, costs, EXCLUDED)
    padded[rows:, columns:] = 0.0
    first, second = linear_sum_assignment(padded)
    chosen = (first < rows) & (second < columns)
    return first[chosen], second[chosen]


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersections over unions of boxes XYXY, (N, 4) and (M, 4), float64 (N, M)."""
    first, second = first.astype(np.float64).reshape(-1, 1, 4), second.astype(np.float64).reshape(1, -1, 4)
    extent = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    common = np.maximum(extent, 0.0).prod(axis=2)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(axis=2) for boxes in (first, second)]
    union = areas[0] + areas[1] - common
    shares: np.ndarray = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares


def cosine_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return 1 minus the cosine between vectors of length 1, (N, D) and (M, D), at least 0, float (N, M)."""
    distances: np.ndarray = np.maximum(1.0 - first @ second.T, 0.0)
    return distances


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (N, D) of length 1, float32."""
    vectors = vectors.astype(np.float32)
    scaled: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return scaled
