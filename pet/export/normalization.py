"""Normalisation of images as a part of the graph."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pet.data.transforms.normalize import scale_and_shift


class InputNormalization(nn.Module):
    """A network that takes pixels as files have them: ``(pixels / maximum - mean) / std`` is computed first.

    Args:
        network: takes normalised images, float32 (B, C, H, W), one or two of them.
        mean: of the C channels, for pixels from 0 to 1; one number counts for all channels.
        std: likewise, above 0.
        maximum: the pixel value that becomes 1: 255 for images of 8 bits.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, *, mean: Sequence[float], std: Sequence[float], maximum: float = 255.0) -> None:
        super().__init__()
        assert len(mean) == len(std), f"{len(mean)} means, {len(std)} standard deviations"
        self.network = network
        scale, shift = scale_and_shift(mean, std, maximum)
        self.register_buffer("scale", torch.from_numpy(scale).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", torch.from_numpy(shift).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor, images2: Tensor | None = None) -> Any:
        """Return what the network gives for pixels as files have them, uint8 or float (B, C, H, W)."""
        if images2 is None:
            return self.network(self._normalize(images))
        return self.network(self._normalize(images), self._normalize(images2))

    def _normalize(self, images: Tensor) -> Tensor:
        return torch.addcmul(self.shift, images.to(torch.float32), self.scale)
