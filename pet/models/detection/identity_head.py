"""Which object it is: an embedding at the centre of each box (https://arxiv.org/abs/2004.01888)."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.models.detection.center_head import finest_map, point_branch
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.structures.centers import locate_centers, values_at
from pet.typed import VisionConfig
from petlib.distributed.collectives import all_reduce_mean
from petlib.errors import ConfigError

FEWEST = 3
"""Of fewer identities the scale of the logits, which grows with the logarithm of their number, would be none."""


class IdentityHead(nn.Module):
    """Embeddings of length 1, which are near each other where they show one object, read from the finest map of a neck.

    In training a classifier learns the identities of the data. Objects without identity (-1) are left out; where no object of a
    batch has one, the loss is 0.

    Attributes:
        classifier: of the identities; a training puts it here, None: there is none, and nothing else needs it.

    Args:
        channels: of the map.
        stride: of it.
        hidden: channels between the two convolutions.
        length: of an embedding.
    """

    waits_for_others = True

    def __init__(self, *, channels: int, stride: int, hidden: int, length: int) -> None:
        super().__init__()
        self.stride = stride
        self.length = length
        self.embedding = point_branch(channels, hidden, length)
        nn.init.xavier_uniform_(self.embedding[-1].weight)  # type: ignore[arg-type]  # the last is a convolution
        self.classifier: nn.Linear | None = None

    def add_classifier(self, num_identities: int) -> None:
        """Put the classifier of a training into the head, with random weights."""
        self.classifier = nn.Linear(self.length, num_identities)

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None = None) -> HeadOutput:
        """Return the loss in training, in evaluation ``embeddings``, float32 (N, D), of the N boxes of each image.

        Args:
            features: with maps of a neck.
            batch: in training ``boxes`` and ``identities``, int64 (N,), -1 for none.
            regions: in evaluation the detections.
        """
        if self.training:
            embeddings = self.embed(features, batch["boxes"])
            return self._learn(embeddings, torch.cat([of_image.long() for of_image in batch["identities"]]))
        assert regions is not None, "the box head comes first"
        counts = [len(boxes) for boxes in regions.boxes]
        parts = torch.split(self.embed(features, regions.boxes), counts)
        return HeadOutput(predictions=[{"embeddings": part} for part in parts])

    def loss_counts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return how many objects of known identity each sample has, a mean over the processes."""
        known = torch.stack([(of_image >= 0).sum() for of_image in batch["identities"]])
        return {"loss_identity": all_reduce_mean(known.float())}

    def embed(self, features: Features, boxes: list[Tensor]) -> Tensor:
        """Return the embeddings at the centres of boxes (n, 4) of each image, one after the other, float32 (N, D)."""
        maps = self.embedding(finest_map(features))
        points = [(of_image[:, :2] + of_image[:, 2:]) / (2 * self.stride) for of_image in boxes]
        centers = locate_centers(points, (maps.shape[2], maps.shape[3]))
        return functional.normalize(values_at(maps, centers.images, centers.cells).float())

    def _learn(self, embeddings: Tensor, identities: Tensor) -> HeadOutput:
        assert self.classifier is not None, "a training puts the classifier into the head"
        scale = math.sqrt(2) * math.log(self.classifier.out_features - 1)
        logits = self.classifier(scale * embeddings).float()
        known = identities >= 0
        count = all_reduce_mean(known.sum().float()).clamp(min=1)
        loss = functional.cross_entropy(logits, identities, ignore_index=-1, reduction="sum") / count
        hits = ((logits.argmax(dim=1) == identities) & known).sum() / known.sum().clamp(min=1)
        return HeadOutput(losses={"loss_identity": loss}, metrics={"identity_acc1": hits})


def find_embeddings(head: IdentityHead, features: Features, boxes: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG001 -- heads share one signature
    """Return the embeddings (N, D) of the boxes of a batch of one image."""
    return head.embed(features, [boxes])


def build_identity_head(cfg: VisionConfig, info: FeatureInfo) -> IdentityHead:
    """Return the head for ``MODEL.IDENTITY``, without the classifier of a training.

    Raises:
        ConfigError: there is no neck.
    """
    if not info.map_channels:
        raise ConfigError("MODEL.NECK: empty, but MODEL.HAS_IDENTITY looks at the maps of a neck; set it to dla_up")
    settings = cfg.MODEL.IDENTITY
    return IdentityHead(channels=info.map_channels, stride=info.map_strides[0], hidden=settings.HIDDEN, length=settings.EMBEDDING)


def add_identity_classifier(cfg: VisionConfig, head: IdentityHead) -> None:
    """Put the classifier of ``MODEL.IDENTITY.NUM_IDENTITIES`` into the head.

    Raises:
        ConfigError: there are too few identities.
    """
    count = cfg.MODEL.IDENTITY.NUM_IDENTITIES
    if count < FEWEST:
        raise ConfigError(
            f"MODEL.IDENTITY.NUM_IDENTITIES: {count} given; set it to the number of identities of the training data, at least {FEWEST}; "
            "tools/data/check.py prints it"
        )
    head.add_classifier(count)
