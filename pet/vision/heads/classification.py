"""Classification of whole images (``MODEL.HAS_CLS``)."""

from typing import Any

from torch import nn

from pet.data.targets.kinds import VisionDataset
from pet.evaluation.classification import ClassificationEvaluator
from pet.models.classification import ClassificationHead, build_classification_head
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from petlib.config import CfgNode


class WholeImageHead(nn.Module):
    """Classification behind a backbone that gives logits.

    Args:
        head: what turns logits into losses and predictions.
    """

    def __init__(self, *, head: ClassificationHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None) -> HeadOutput:
        """Return the losses, or a dictionary with ``logits`` (num_classes,) for each image."""
        outputs = self.head(features.stages[-1], batch)
        return HeadOutput(losses=outputs["losses"], metrics=outputs["metrics"]) if self.training else HeadOutput(predictions=outputs)


def build_head(cfg: CfgNode, info: FeatureInfo) -> WholeImageHead:  # noqa: ARG001 -- a head module's signature
    """Return the head for the ``MODEL`` section of a config."""
    return WholeImageHead(head=build_classification_head(cfg))


def build_evaluator(cfg: CfgNode, dataset: VisionDataset, *, keep_predictions: bool) -> ClassificationEvaluator:
    """Return what computes accuracies."""
    return ClassificationEvaluator(classes=dataset.classes, num_classes=cfg.MODEL.NUM_CLASSES, keep_predictions=keep_predictions)
