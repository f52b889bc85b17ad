"""Masks as one outline, for formats that have no runs and no objects of several parts."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from pet.data.datasets.coco_segmentations import rle_counts


def outline_of(segmentation: Any) -> np.ndarray | None:
    """Return one polygon around an object, float64 (N, 2), x and y in pixels.

    Several polygons are joined by lines there and back between their nearest points, which have no area. Runs are followed along the
    edges of their pixels; holes are filled.

    Args:
        segmentation: polygons or a run-length encoding as in COCO files.

    Returns:
        None where there is nothing to draw.
    """
    parts = _contours(segmentation) if isinstance(segmentation, dict) else [np.reshape(part, (-1, 2)) for part in segmentation]
    parts = [np.asarray(part, np.float64) for part in parts if len(part) >= 3]
    return _joined(parts) if parts else None


def _contours(rle: dict[str, Any]) -> list[np.ndarray]:
    """Return the outer edges of a mask of runs."""
    height, width = rle["size"]
    counts = rle_counts(rle["counts"], height * width)
    flat = np.repeat(np.arange(len(counts)) % 2, counts).astype(np.uint8)
    # at twice the size an edge of a pixel is the first or the second of its two rows
    doubled = np.kron(flat.reshape(width, height).T, np.ones((2, 2), np.uint8))
    found, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [(contour[:, 0] + 1) // 2 for contour in found]


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    outline = parts[0]
    for part in parts[1:]:
        distances = np.linalg.norm(outline[:, None] - part[None], axis=2)
        start, end = np.unravel_index(np.argmin(distances), distances.shape)
        around = np.concatenate([part[end:], part[: end + 1]])
        outline = np.concatenate([outline[: start + 1], around, outline[start:]])
    return outline


def as_text_counts(segmentation: Any) -> Any:
    """Return a segmentation as JSON can hold it: runs whose counts are bytes become text, all others stay."""
    if isinstance(segmentation, dict) and isinstance(segmentation["counts"], bytes):
        return {**segmentation, "counts": segmentation["counts"].decode()}
    return segmentation
