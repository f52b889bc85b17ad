"""A network of clips with its loss, and the mean over views in evaluation."""

from typing import Any

import torch
from torch import Tensor, nn

from pet.models.classification import ClassificationHead, MultilabelHead


class ActionClassifier(nn.Module):
    """Clips to losses, or to the classes of videos.

    Args:
        network: float clips (B, C, T, H, W) to logits (B, classes).
        head: what turns logits into losses and predictions.
        frames: T. In evaluation a video may have several views, one after another, whose probabilities are averaged.
    """

    def __init__(self, network: nn.Module, *, head: ClassificationHead | MultilabelHead, frames: int) -> None:
        super().__init__()
        self.network = network
        self.head = head
        self.frames = frames

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return losses and metrics in training, else the predictions of each video.

        Args:
            batch: ``clip``, float (B, C, views * T, H, W), and in training what the head wants.

        Returns:
            In evaluation a list with ``logits`` (classes,), of several views the logarithm of their mean probability, or
            ``class_scores`` (classes,), the mean probability of each class.
        """
        clips: Tensor = batch["clip"]
        if clips.shape[2] % self.frames or (self.training and clips.shape[2] != self.frames):
            raise ValueError(f"clips of {clips.shape[2]} frames given, {self.frames} expected")
        if self.training:
            return self.head(self.network(clips), batch)
        views = [self.network(view).float() for view in torch.split(clips, self.frames, dim=2)]
        return self.head(views[0] if len(views) == 1 else self._average(torch.stack(views)), batch)

    def _average(self, logits: Tensor) -> Tensor:
        """Return logits (B, classes) of the mean probability of logits (views, B, classes)."""
        if isinstance(self.head, MultilabelHead):
            return torch.logit(logits.sigmoid().mean(dim=0))
        return logits.softmax(dim=2).mean(dim=0).log()
