"""The layers of the parsing head."""

from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads

DILATIONS = (6, 12, 18)
QUALITY_CHANNELS = (32, 64, 128, 128)


class ContextEncoding(nn.Module):
    """Joins what lies near and far in a region: convolutions of several dilations, then a look from every pixel at all others.

    The geometric and context encoding of https://arxiv.org/abs/1811.12596: the pyramid of https://arxiv.org/abs/1706.05587 (a 1 x 1
    convolution, 3 x 3 ones with dilations of 6, 12 and 18, and the mean of the region), then a :class:`NonLocal`. Without batch norm,
    which the few regions of a batch serve badly.

    Args:
        in_channels: of the features.
        channels: of each branch and of the result.
    """

    def __init__(self, *, in_channels: int, channels: int) -> None:
        super().__init__()
        self.point = nn.Conv2d(in_channels, channels, 1)
        self.dilated = nn.ModuleList(nn.Conv2d(in_channels, channels, 3, padding=rate, dilation=rate) for rate in DILATIONS)
        self.mean = nn.Conv2d(in_channels, channels, 1)
        self.join = nn.Conv2d(channels * (len(DILATIONS) + 2), channels, 1)
        initialize(self)
        self.non_local = NonLocal(channels=channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return float (R, channels, S, S) for features of float (R, in_channels, S, S)."""
        mean = self.mean(features.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *features.shape[2:])
        branches = [self.point(features), *(layer(features) for layer in self.dilated), mean]
        joined = functional.relu(self.join(functional.relu(torch.cat(branches, dim=1))))
        return cast("Tensor", self.non_local(joined))


class NonLocal(nn.Module):
    """Adds to each pixel the mean of all pixels, weighted by how similar they are (https://arxiv.org/abs/1711.07971).

    The embedded gaussian form, which is scaled dot-product attention with one head of half the channels. The last layer begins at 0, so
    that the block begins as the identity.

    Args:
        channels: of the features and of the result.
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        width = max(channels // 2, 1)
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv2d(channels, width, 1)
        self.value = nn.Conv2d(channels, width, 1)
        self.out = nn.Conv2d(width, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(cast("Tensor", self.out.bias))

    def forward(self, features: Tensor) -> Tensor:
        """Return a tensor of the shape of ``features``, float (R, channels, S, S)."""
        query, key, value = (layer(features).flatten(2).transpose(1, 2) for layer in (self.query, self.key, self.value))
        seen = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        return features + cast("Tensor", self.out(seen.reshape(*seen.shape[:2], *features.shape[2:])))


def build_region_body(*, in_channels: int, channels: list[int], context: bool) -> tuple["ContextEncoding | None", KeypointRCNNHeads, int]:
    """Return the layers between the pooled features of a region and what is predicted of it, and the channels that they give.

    Args:
        in_channels: of the features.
        channels: of the convolutions, 3 x 3; the first is also that of the context encoding.
        context: begin with :class:`ContextEncoding`.

    Returns:
        The context encoding, None without one, and the convolutions, which come after it.
    """
    width = channels[0] if context and channels else in_channels
    encoding = ContextEncoding(in_channels=in_channels, channels=width) if context else None
    return encoding, KeypointRCNNHeads(width, channels), channels[-1] if channels else width


class PartPredictor(nn.Module):
    """Turns features of S x S into part maps of 4 S x 4 S: a transposed convolution doubles, a 1 x 1 one classifies, a resize doubles.

    Args:
        in_channels: of the features.
        num_parts: P, with the background.
    """

    def __init__(self, *, in_channels: int, num_parts: int) -> None:
        super().__init__()
        self.deconvolution = nn.ConvTranspose2d(in_channels, in_channels, 4, stride=2, padding=1)
        self.logits = nn.Conv2d(in_channels, num_parts, 1)
        initialize(self)
        nn.init.normal_(self.logits.weight, std=0.001)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits, float (R, P, 4 S, 4 S), for features of float (R, in_channels, S, S)."""
        logits = self.logits(functional.relu(self.deconvolution(features)))
        return functional.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)


class QualityEstimate(nn.Sequential):
    """Estimates from a part map how well it fits.

    What is learnt and what it is used for come from Mask Scoring R-CNN (https://arxiv.org/abs/1903.00241). It sees the map alone, as the
    re-scoring of YOLACT++ (https://arxiv.org/abs/1912.06218), and not the features: so it is small, and works on the mean
    of the maps of several views.

    It is called with probabilities, float (R, P, M, M), and returns float (R,), about from 0 to 1.

    Args:
        num_parts: P, with the background.
    """

    def __init__(self, *, num_parts: int) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        widths = (num_parts, *QUALITY_CHANNELS)
        for place, (before, after) in enumerate(zip(widths[:-1], widths[1:], strict=True), 1):
            layers[f"conv{place}"] = nn.Conv2d(before, after, 3, stride=2, padding=1)
            layers[f"relu{place}"] = nn.ReLU(inplace=True)
        layers["pool"] = nn.AdaptiveAvgPool2d(1)
        layers["estimate"] = nn.Conv2d(widths[-1], 1, 1)
        layers["flatten"] = nn.Flatten(0)
        super().__init__(layers)
        initialize(self)


def initialize(module: nn.Module) -> None:
    """Draw the weights of all convolutions as torchvision's heads do (https://arxiv.org/abs/1502.01852); biases become 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(cast("Tensor", layer.bias))
