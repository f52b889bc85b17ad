"""Which detections of an image are given out, and in which form."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pet.typed import VisionConfig
from petlib.errors import ConfigError

METHODS = ("linear", "gaussian")
NO_SUPPRESSION = 2.0
"""A threshold that no intersection over union reaches."""


@dataclass(frozen=True)
class Suppression:
    """The rules of detections. torchvision's detectors follow them; soft suppression comes after them, where they drop nothing.

    Attributes:
        score_threshold: detections with a lower score are dropped.
        iou_threshold: from which the weaker detection of a class is dropped, or lowered by the linear method.
        most: greatest number of detections of an image.
        method: ``never``, ``linear`` or ``gaussian``: lower scores instead of dropping detections.
        sigma: width of the gaussian.
    """

    score_threshold: float
    iou_threshold: float
    most: int
    method: str = "never"
    sigma: float = 0.5

    @property
    def is_soft(self) -> bool:
        """Whether scores are lowered."""
        return self.method != "never"

    @property
    def hard_threshold(self) -> float:
        """The threshold of torchvision's own suppression."""
        return NO_SUPPRESSION if self.is_soft else self.iou_threshold

    @property
    def hard_most(self) -> int | None:
        """The number of detections that torchvision's own suppression leaves; None: all."""
        return None if self.is_soft else self.most

    def soften(self, boxes: Tensor, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the detections of an image after soft suppression, the best first."""
        keep, scores = batched_soft_nms(
            boxes,
            scores,
            labels,
            method=self.method,
            sigma=self.sigma,
            iou_threshold=self.iou_threshold,
            score_threshold=self.score_threshold,
            limit=self.most,
        )
        return boxes[keep], scores, labels[keep]


def build_suppression(cfg: VisionConfig) -> Suppression:
    """Return the rules of the ``TEST`` section.

    Raises:
        ConfigError: the gaussian has no width.
    """
    soft = cfg.TEST.SOFT_NMS
    if soft.METHOD == "gaussian" and soft.SIGMA <= 0:
        raise ConfigError(f"TEST.SOFT_NMS.SIGMA: {soft.SIGMA:g} given, more than 0 expected, usually 0.5")
    return Suppression(
        score_threshold=cfg.TEST.SCORE_THRESHOLD,
        iou_threshold=cfg.TEST.NMS,
        most=cfg.TEST.DETECTIONS_PER_IMAGE,
        method=soft.METHOD,
        sigma=soft.SIGMA,
    )


def batched_soft_nms(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    *,
    method: str,
    sigma: float = 0.5,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
    limit: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Lower the scores of boxes that overlap better ones of their class (https://arxiv.org/abs/1704.04503).

    The best box is taken; the score of every other one of its class is multiplied by ``1 - IoU`` where the intersection over
    union is above ``iou_threshold`` (linear), or by ``exp(-IoU ** 2 / sigma)`` (gaussian); and again for the rest.

    Args:
        boxes: float (N, 4), XYXY.
        scores: float (N,).
        labels: int64 (N,); boxes of different labels do not touch each other.
        method: ``linear`` or ``gaussian``.
        sigma: width of the gaussian, above 0.
        iou_threshold: of the linear method.
        score_threshold: boxes whose lowered score is not above it are dropped.
        limit: greatest number of boxes that are kept; None: no limit.

    Returns:
        ``(keep, new_scores)``: int64 (R,), places of the boxes that are kept, the best first, and their scores (R,).
    """
    assert method in METHODS, f"{method!r} is not one of {METHODS}"
    from torchvision.ops import box_iou  # slow to import, and most networks do without

    device = boxes.device
    # Each step depends on the one before, so that a GPU would be waited for at every box
    boxes, scores, labels = boxes.detach().cpu().float(), scores.detach().cpu().float().clone(), labels.cpu()
    left = torch.nonzero(scores > score_threshold).flatten()
    keep: list[int] = []
    kept_scores: list[float] = []
    while left.numel() and (limit is None or len(keep) < limit):
        best = left[scores[left].argmax()]
        keep.append(int(best))
        kept_scores.append(float(scores[best]))
        left = left[left != best]
        same = left[labels[left] == labels[best]]
        overlaps = box_iou(boxes[best][None], boxes[same])[0].nan_to_num(0.0)  # two boxes without area
        if method == "linear":
            scores[same] *= torch.where(overlaps > iou_threshold, 1 - overlaps, torch.ones_like(overlaps))
        else:
            scores[same] *= torch.exp(-overlaps.square() / sigma)
        left = left[scores[left] > score_threshold]
    return torch.tensor(keep, dtype=torch.int64, device=device), torch.tensor(kept_scores, dtype=torch.float32, device=device)


def as_predictions(boxes: list[Tensor], scores: list[Tensor], labels: list[Tensor]) -> list[dict[str, Tensor]]:
    """Return one dictionary for each image: ``boxes`` (N, 4), ``scores`` (N,) float32, ``labels`` (N,) int64."""
    return [
        {"boxes": one_boxes.float(), "scores": one_scores.float(), "labels": one_labels.to(torch.int64)}
        for one_boxes, one_scores, one_labels in zip(boxes, scores, labels, strict=True)
    ]
