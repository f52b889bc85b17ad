"""The decoder of HRNetV2."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

FINEST = 4


class FCNDecoder(nn.Module):
    """All stages of stride 4 or more, brought to the size of the finest and joined by a 1x1 convolution with batch norm and ReLU.

    Source: the head of HRNetV2, https://arxiv.org/abs/1904.04514, figure 4 (b).

    Args:
        encoder_channels: channels of the images and of each stage.
        encoder_strides: strides of the same, 1 for the images; some are at least 4.
        channels: channels of the result; 0: as many as the stages have together, as HRNetV2 does.
    """

    def __init__(self, *, encoder_channels: Sequence[int], encoder_strides: Sequence[int], channels: int = 0) -> None:
        super().__init__()
        self.places = [place for place, stride in enumerate(encoder_strides) if stride >= FINEST]
        joined = sum(encoder_channels[place] for place in self.places)
        self.out_channels = channels or joined
        self.conv = nn.Conv2d(joined, self.out_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(self.out_channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return (B, out_channels, h, w) of the size of the finest stage; ``features`` are the images and all stages."""
        finest, *others = [features[place] for place in self.places]
        grown = [functional.interpolate(stage, size=finest.shape[-2:], mode="bilinear", align_corners=False) for stage in others]
        return functional.relu(self.norm(self.conv(torch.cat([finest, *grown], dim=1))))
