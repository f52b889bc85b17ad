"""What all ways to learn without labels have in common."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from petlib.engine.gradient_cache import GRADIENTS, replay_loss

VIEWS = ("image", "image2")
"""The fields of both large views."""

Encoded = dict[str, Tensor]
"""Names to tensors with one row for each sample."""


class PretrainingMethod(nn.Module, ABC):
    """A backbone that learns from views of images: encode the views, then compare what they became.

    The two halves are apart so that a batch can be encoded in parts and compared as a whole, see
    :class:`petlib.engine.gradient_cache.GradientCacheStep`. In evaluation it gives the embedding of each image: the pooled features of
    its backbone, or of the teacher's.

    In its state dict the backbone is below ``backbone.``, with the names of its library.

    Attributes:
        compares_batch: the loss of a sample depends on the other samples of its batch.
        projections: the projections (B, D) of the first view of the last batch, for measures of collapse; None before the first.
        evaluates_teacher: embeddings, and the backbone that is handed over, are the teacher's.

    Args:
        backbone: images (B, 3, H, W) to features (B, F).
        projector: features to projections (B, D).
    """

    waits_for_others = True

    compares_batch: ClassVar[bool]

    def __init__(self, *, backbone: nn.Module, projector: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector = projector
        self.projections: Tensor | None = None
        self.evaluates_teacher = False

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return losses and metrics in training, in evaluation a list with ``{"embedding": (F,)}`` for each sample.

        Args:
            batch: ``image``, float (B, 3, H, W), and in training ``image2``, the other view.
        """
        if not self.training:
            return [{"embedding": row} for row in self.embed(batch["image"])]
        if GRADIENTS in batch:
            return replay_loss(self.encode(batch), batch[GRADIENTS])
        encoded = {**self.encode(batch), **self.encode_teacher(batch)}
        # cosines in half precision would be as coarse as the differences that count
        with torch.autocast(batch[VIEWS[0]].device.type, enabled=False):
            return self.compare(encoded)

    def embed(self, images: Tensor) -> Tensor:
        """Return the features (B, F) of images, of the backbone that is handed over."""
        features: Tensor = self.handed_over()(images)
        return features

    def handed_over(self) -> nn.Module:
        """Return the backbone that later tasks begin with."""
        return self.backbone

    def evaluated_part(self) -> nn.Module:
        """Return what takes a batch of views and runs the backbone that is handed over on the first: precise batch norm calls it."""
        return _FirstView(self.handed_over())

    def project(self, images: Tensor) -> Tensor:
        """Return the projections (B, D) of images."""
        projections: Tensor = self.projector(self.backbone(images))
        return projections

    @abstractmethod
    def encode(self, batch: dict[str, Any]) -> Encoded:
        """Return what of a batch needs gradients."""

    def encode_teacher(self, batch: dict[str, Any]) -> Encoded:
        """Return what a teacher says of a batch, without gradients; nothing where there is none."""
        return {}

    @abstractmethod
    def compare(self, encoded: Encoded) -> dict[str, dict[str, Tensor]]:
        """Return ``{"losses": ..., "metrics": ...}`` of a whole device batch that was encoded; queues and centres move on."""

    def own_buffers(self) -> Collection[str]:
        """Return the names of buffers that every process keeps to itself because they are equal anyway."""
        return ()

    def _outputs(self, loss: Tensor, projections: Tensor) -> dict[str, dict[str, Tensor]]:
        self.projections = projections.detach()
        return {"losses": {"loss": loss}, "metrics": {}}


class _FirstView(nn.Module):
    """The features of the first view of a batch."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """Return the features (B, F)."""
        features: Tensor = self.backbone(batch[VIEWS[0]])
        return features
