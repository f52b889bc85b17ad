"""The head of a classifier: loss and training metrics from logits, predictions in evaluation."""

from typing import Any

import torch
from torch import Tensor, nn

from pet.losses.classification import cross_entropy
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.typed import AnyConfig, VisionConfig


class ClassificationHead(nn.Module):
    """Turns the logits of a network and a batch into losses, or into predictions. It has no parameters of its own.

    Args:
        num_classes: length of the logits.
        label_smoothing: share of a label's weight that is spread evenly over all classes.
        with_metrics: report the share of the batch that is classified correctly as ``acc1`` in training.
    """

    def __init__(self, *, num_classes: int, label_smoothing: float = 0.0, with_metrics: bool = True) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.label_smoothing = label_smoothing
        self.with_metrics = with_metrics

    def forward(self, logits: Tensor, batch: dict[str, Any]) -> Any:
        """Return the outputs of the model contract.

        Args:
            logits: (B, num_classes).
            batch: in training ``label``, int64 (B,), or after mixup ``label_weights``, float (B, num_classes).

        Returns:
            In training ``{"losses": {"loss_cls": scalar}, "metrics": {"acc1": scalar}}``, ``acc1`` from 0 to 1; in
            evaluation a list with one ``{"logits": (num_classes,) float32}`` for each sample, on the device.
        """
        if logits.ndim != 2 or logits.shape[1] != self.num_classes:
            raise ValueError(f"the network gave {tuple(logits.shape)}, logits of shape (B, {self.num_classes}) expected")
        logits = logits.float()
        if not self.training:
            return split_predictions(logits)
        target = batch["label_weights"] if "label_weights" in batch else batch["label"]
        loss = cross_entropy(logits, target, label_smoothing=self.label_smoothing)
        metrics = {"acc1": share_correct(logits, target)} if self.with_metrics else {}
        return {"losses": {"loss_cls": loss}, "metrics": metrics}


class MultilabelHead(nn.Module):
    """The head of a classifier whose samples may have several classes, each of them or not. It has no parameters of its own."""

    def forward(self, logits: Tensor, batch: dict[str, Any]) -> Any:
        """Return the outputs of the model contract.

        Args:
            logits: (B, num_classes).
            batch: in training ``multilabel``, uint8 (B, num_classes), 0 or 1.

        Returns:
            In training ``{"losses": {"loss_cls": scalar}, "metrics": {}}``, the mean binary cross entropy; in evaluation a list with one
            ``{"class_scores": (num_classes,) float32}``, probabilities, for each sample.
        """
        logits = logits.float()
        if not self.training:
            return [{"class_scores": row} for row in logits.sigmoid().unbind(0)]
        loss = nn.functional.binary_cross_entropy_with_logits(logits, batch["multilabel"].float())
        return {"losses": {"loss_cls": loss}, "metrics": {}}


class WholeImageHead(nn.Module):
    """Classification as a head of the general CNN, behind a backbone that gives logits.

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


@torch.no_grad()
def share_correct(logits: Tensor, target: Tensor) -> Tensor:
    """Return the share of samples whose greatest logit is the label, a scalar on the device.

    Args:
        logits: (B, C).
        target: class indices (B,), or class weights (B, C), of which the greatest counts as the label.
    """
    label = target if target.ndim == 1 else target.argmax(dim=1)
    return (logits.argmax(dim=1) == label).float().mean()


# Hundreds of views as outputs of a compiled graph cost more than the graph saves
@torch.compiler.disable  # type: ignore[untyped-decorator]
def split_predictions(logits: Tensor) -> list[dict[str, Tensor]]:
    """Return one dictionary of views for each sample; nothing is copied and nothing waits for the device."""
    return [{"logits": row} for row in logits.unbind(0)]


def build_classification_head(cfg: AnyConfig) -> ClassificationHead:
    """Return the head for the ``MODEL`` section of a config."""
    return ClassificationHead(
        num_classes=cfg.MODEL.NUM_CLASSES, label_smoothing=cfg.MODEL.LABEL_SMOOTHING, with_metrics=cfg.TRAIN.METRICS_ON
    )


def build_whole_image_head(cfg: VisionConfig, info: FeatureInfo) -> WholeImageHead:  # noqa: ARG001 -- builders of heads share one signature
    """Return the head of ``MODEL.HAS_CLS``."""
    return WholeImageHead(head=build_classification_head(cfg))
