"""What heads find in space, before and after suppression."""

from typing import NamedTuple

import torch
from torch import Tensor

from pet.structures.rotated import rotated_nms


class Candidates(NamedTuple):
    """The best boxes of each frame of a batch.

    Attributes:
        boxes: float (B, K, 7), frame ``lidar``.
        scores: float (B, K), from 0 to 1, descending.
        labels: int64 (B, K).
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def select_boxes(candidates: Candidates, *, min_score: float, max_overlap: float, most: int) -> list[dict[str, Tensor]]:
    """Return what stays of the candidates of each frame: ``boxes3d`` (N, 7), ``scores3d`` and ``labels3d`` (N,), the best first.

    Args:
        candidates: of a batch.
        min_score: weaker ones go.
        max_overlap: of any two boxes that overlap by more from above, of whatever classes, the weaker one goes.
        most: boxes of a frame.
    """
    found = []
    for boxes, scores, labels in zip(*candidates, strict=True):
        kept = torch.nonzero(scores >= min_score).flatten()
        kept = kept[rotated_nms(boxes[kept][:, [0, 1, 3, 4, 6]], scores[kept], threshold=max_overlap)][:most]
        found.append({"boxes3d": boxes[kept], "scores3d": scores[kept], "labels3d": labels[kept]})
    return found
