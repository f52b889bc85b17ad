"""Which detections of an image are given out."""

from dataclasses import dataclass

from torch import Tensor

from pet.layers.soft_nms import batched_soft_nms
from pet.typed import VisionConfig
from petlib.errors import ConfigError

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
