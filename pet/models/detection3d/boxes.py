"""What heads find in space, before and after suppression."""

from typing import NamedTuple

import torch
from torch import Tensor

from pet.structures.boxes3d import Frame
from pet.structures.rotated import rotated_nms


class Candidates(NamedTuple):
    """The best boxes of each frame of a batch.

    Attributes:
        boxes: float (B, K, 7).
        scores: float (B, K), from 0 to 1, descending.
        labels: int64 (B, K).
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def select_boxes(
    candidates: Candidates, *, min_score: float, max_overlap: float, most: int, frame: Frame = "lidar"
) -> list[dict[str, Tensor]]:
    """Return what stays of the candidates of each frame: ``boxes3d`` (N, 7), ``scores3d`` and ``labels3d`` (N,), the best first.

    Args:
        candidates: of a batch.
        min_score: weaker ones go.
        max_overlap: of any two boxes that overlap by more from above, of whatever classes, the weaker one goes.
        most: boxes of a frame.
        frame: that of the boxes.
    """
    found = []
    for boxes, scores, labels in zip(*candidates, strict=True):
        kept = torch.nonzero(scores >= min_score).flatten()
        kept = kept[rotated_nms(footprints(boxes[kept], frame), scores[kept], threshold=max_overlap)][:most]
        found.append({"boxes3d": boxes[kept], "scores3d": scores[kept], "labels3d": labels[kept]})
    return found


def footprints(boxes: Tensor, frame: Frame) -> Tensor:
    """Return the rectangles (N, 5) of boxes (N, 7) from above, as :attr:`pet.structures.boxes3d.Boxes3D.footprints` has them."""
    if frame == "lidar":
        return boxes[:, [0, 1, 3, 4, 6]]
    return torch.cat([boxes[:, [0, 2, 3, 4]], -boxes[:, 6:]], dim=1)
