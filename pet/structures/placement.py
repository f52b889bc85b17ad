"""From the coordinates of the network's input back to those of the image files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def to_original(predictions: list[dict[str, Any]], metas: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return predictions with ``boxes`` and ``keypoints`` in the coordinates of the image files.

    Args:
        predictions: one dictionary for each image; boxes (N, 4) XYXY and keypoints (N, K, 3) in coordinates of the batch.
        metas: of each image ``size`` (height, width) of its file and, where a transform moved it, ``matrix`` (3, 3) from the file to
            the network's input.
    """
    return [_place(prediction, meta) for prediction, meta in zip(predictions, metas, strict=True)]


def _place(prediction: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    placed = dict(prediction)
    inverse = np.linalg.inv(meta["matrix"]) if "matrix" in meta else np.eye(3)
    if "boxes" in placed:
        placed["boxes"] = _clip(_enclose(placed["boxes"], inverse), meta.get("size"))
    if "keypoints" in placed:
        points = placed["keypoints"]
        placed["keypoints"] = torch.cat([_move(points[..., :2], inverse), points[..., 2:]], dim=-1)
    return placed


def _move(points: Tensor, matrix: np.ndarray) -> Tensor:
    """Return points (..., 2) moved by an affine (3, 3)."""
    affine = torch.from_numpy(matrix).to(points)
    return points @ affine[:2, :2].T + affine[:2, 2]


def _enclose(boxes: Tensor, matrix: np.ndarray) -> Tensor:
    """Return the boxes around the moved corners."""
    corners = _move(boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2), matrix)
    return torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)


def _clip(boxes: Tensor, size: tuple[int, int] | None) -> Tensor:
    if size is None:
        return boxes
    height, width = size
    limits = boxes.new_tensor([width, height, width, height])
    return boxes.clamp(min=0).minimum(limits)
