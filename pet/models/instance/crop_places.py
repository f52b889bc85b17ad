"""Where crops of objects come from, and the way of what was found in them back into the files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pet.models.instance.heads import Crops, Size
from pet.structures.affine import move_points, rectangle


class CropPlaces:
    """Where the crops of a batch come from.

    Args:
        size: height and width of the crops.
        metas: ``meta`` of each crop; without a ``box`` its object is the whole image, without a ``size`` the crop.
        device: of what is found.
        origin: of the coordinates of keypoints in files, see :class:`pet.structures.pixel_conventions.PixelConvention`.

    Attributes:
        crops: where the objects lie in the crops.
    """

    def __init__(self, size: Size, metas: Sequence[Mapping[str, Any]], device: torch.device, *, origin: float = 0.0) -> None:
        height, width = size
        matrices = np.stack([meta.get("matrix", np.eye(3)) for meta in metas])
        whole = rectangle(0, 0, width, height)[[0, 2]]
        boxes = np.stack([_box_in_file(meta, matrix, whole) for meta, matrix in zip(metas, matrices, strict=True)])
        inside = np.stack([move_points(box.reshape(2, 2), matrix).ravel() for box, matrix in zip(boxes, matrices, strict=True)])
        scores = torch.tensor([meta.get("score", 1.0) for meta in metas], dtype=torch.float32, device=device)
        self.crops = Crops(_on(device, inside), scores, size)
        self._boxes, self._inverse = _on(device, boxes), _on(device, np.linalg.inv(matrices))
        self._labels = torch.tensor([meta.get("label", 0) for meta in metas], device=device)
        self._origin = origin

    def to_file(self, found: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """Return what was found in crops for each of them, in the coordinates of its file."""
        found = {"boxes": self._boxes, "scores": self.crops.scores, "labels": self._labels, **found}
        if (points := found.get("keypoints")) is not None:
            places = points[..., :2] @ self._inverse[:, :2, :2].transpose(1, 2) + self._inverse[:, None, :2, 2] - self._origin
            found["keypoints"] = torch.cat([places, points[..., 2:]], dim=-1)
        return [{name: values[index : index + 1] for name, values in found.items()} for index in range(len(self._boxes))]


def _box_in_file(meta: Mapping[str, Any], matrix: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the box of an object as far as it lies in the image, float64 (4,)."""
    if "size" not in meta:
        corners = move_points(whole, np.linalg.inv(matrix))
        return np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    height, width = meta["size"]
    limits = np.array([width, height, width, height], np.float64)
    return np.clip(np.asarray(meta.get("box", [0, 0, width, height]), np.float64), 0, limits)


def _on(device: torch.device, values: np.ndarray) -> Tensor:
    """Return float32 values on a device."""
    return torch.from_numpy(values.astype(np.float32)).to(device, non_blocking=True)
