"""The general CNN with tensors as its only inputs and outputs."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.data.loading.build import PAD_DIVISOR
from pet.models.detection.roi_keypoints import KeypointHead
from pet.models.detection.roi_mask import MaskHead
from pet.models.features import Features
from pet.models.segmentation.head import SemsegHead
from pet.vision.export.boxes import detect
from pet.vision.export.regions import find_keypoints, find_masks, with_traced_pooling
from pet.vision.model import GeneralizedCNN

OBJECT_OUTPUTS = ("boxes", "scores", "labels")


class PlainNetwork(nn.Module):
    """What the model itself predicts for normalised images.

    Args:
        model: with heads for boxes, masks, keypoints and pixels.
    """

    def __init__(self, model: GeneralizedCNN) -> None:
        super().__init__()
        self.model = model

    @property
    def output_names(self) -> list[str]:
        """What :meth:`forward` returns, in its order."""
        heads = self.model.heads
        names = [*OBJECT_OUTPUTS] if "box" in heads else []
        names += [output for head, output in (("mask", "masks"), ("keypoints", "keypoints")) if head in heads]
        return [*names, *(["logits"] if "semseg" in heads else [])]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for float images (B, 3, H, W), of objects for a batch of one image."""
        features, batch = self._extract(images)
        outputs: list[Tensor] = []
        if "box" in self.model.heads:
            found: dict[str, Tensor] = {}
            for output in self.model.run_heads(features, batch):
                found |= output.predictions[0]
            outputs = [found[name] for name in self.output_names if name != "logits"]
        return (*outputs, *self._pixels(features, images))

    def _extract(self, images: Tensor) -> tuple[Features, dict[str, Any]]:
        """Return the features of images that are padded as for an evaluation, and the batch of them."""
        height, width = images.shape[2], images.shape[3]
        # ONNX rounds the quotient of a negative number towards zero: no -(-length // divisor) here
        rows, columns = ((length + PAD_DIVISOR - 1) // PAD_DIVISOR * PAD_DIVISOR for length in (height, width))
        # padding of no pixels would be traced as none for images of all sizes
        padded = functional.pad(images, (0, PAD_DIVISOR, 0, PAD_DIVISOR))[:, :, :rows, :columns]
        # one size for all images, however many: a list as long as the batch would fix its length
        batch = {"image": padded, "image_sizes": [(height, width)]}
        return self.model.extract(batch), batch

    def _pixels(self, features: Features, images: Tensor) -> list[Tensor]:
        if "semseg" not in self.model.heads:
            return []
        head = cast("SemsegHead", self.model.heads["semseg"])
        logits = head.predict(features)
        # a slice would be traced as one that leaves all pixels, or never all of them
        return [logits.index_select(2, torch.arange(images.shape[2])).index_select(3, torch.arange(images.shape[3]))]


class TracedNetwork(PlainNetwork):
    """The same, computed without branches and loops that depend on values, so that it can be exported."""

    def __init__(self, model: GeneralizedCNN) -> None:
        super().__init__(cast("GeneralizedCNN", with_traced_pooling(model)))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for float images (B, 3, H, W), of objects for a batch of one image."""
        features, _ = self._extract(images)
        outputs: list[Tensor] = []
        heads = self.model.heads
        if "box" in heads:
            boxes, scores, labels = detect(heads["box"], features)
            outputs = [boxes.float(), scores.float(), labels.to(torch.int64)]
            if "mask" in heads:
                outputs.append(find_masks(cast("MaskHead", heads["mask"]), features, boxes, labels))
            if "keypoints" in heads:
                outputs.append(find_keypoints(cast("KeypointHead", heads["keypoints"]), features, boxes))
        return (*outputs, *self._pixels(features, images))
