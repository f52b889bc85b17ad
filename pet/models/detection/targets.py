"""The boxes of a batch as torchvision's detectors take them."""

from typing import Any

from torch import Tensor


def detection_targets(batch: dict[str, Any], *, first_label: int) -> list[dict[str, Tensor]]:
    """Return boxes and labels of each image.

    Args:
        batch: ``boxes``, for each image float (N, 4), XYXY, and ``labels``, int64 (N,), classes from 0.
        first_label: number of class 0; 1 where torchvision counts the background as a class.
    """
    return [
        {"boxes": boxes.reshape(-1, 4).float(), "labels": labels.long() + first_label}
        for boxes, labels in zip(batch["boxes"], batch["labels"], strict=True)
    ]
