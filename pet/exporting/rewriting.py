"""What changes in a network before it is exported: normalisation inside of the graph, and float16."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from pet.data.targets.pixel_types import EIGHT_BITS
from pet.data.transforms.normalize import Normalize, scale_and_shift


class InputNormalization(nn.Module):
    """A network that takes pixels as files have them: ``(pixels / maximum - mean) / std`` is computed first.

    Args:
        network: takes normalised images, float32 (B, C, H, W), one or two of them, images and something else, or clips, (B, C, T, H, W).
        mean: of the C channels, for pixels from 0 to 1; one number counts for all channels.
        std: likewise, above 0.
        maximum: the pixel value that becomes 1; None: 255, as of images of 8 bits.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, *, mean: Sequence[float], std: Sequence[float], maximum: float | None = None) -> None:
        super().__init__()
        assert len(mean) == len(std), f"{len(mean)} means, {len(std)} standard deviations"
        self.network = network
        scale, shift = scale_and_shift(mean, std, maximum or EIGHT_BITS)
        self.register_buffer("scale", torch.from_numpy(scale), persistent=False)
        self.register_buffer("shift", torch.from_numpy(shift), persistent=False)

    def forward(self, images: Tensor, second: Tensor | None = None) -> Any:
        """Return what the network gives for pixels as files have them, uint8 or float (B, C, H, W); another input stays as it is."""
        if second is None:
            return self.network(self._normalize(images))
        return self.network(self._normalize(images), self._normalize(second) if second.ndim == images.ndim else second)

    def _normalize(self, images: Tensor) -> Tensor:
        shape = (1, -1, *(1,) * (images.ndim - 2))
        return torch.addcmul(self.shift.view(shape), images.to(torch.float32), self.scale.view(shape))


def normalization_alone(normalize: Normalize) -> InputNormalization:
    """Return what normalises pixels, and nothing else."""
    return InputNormalization(nn.Identity(), mean=normalize.mean, std=normalize.std, maximum=normalize.maximum)


class HalfPrecision(nn.Module):
    """A network in float16 that takes and gives float32, wherever such tensors are in its arguments and results.

    Args:
        network: a copy of it is converted, with its buffers.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).half()

    def forward(self, *args: Any) -> Any:
        """Return what the network gives."""
        return _cast(self.network(*_cast(args, torch.float32, torch.float16)), torch.float16, torch.float32)


def with_half(network: nn.Module, names: Iterable[str]) -> nn.Module:
    """Return a copy of a network in which some modules compute in float16 and all else stays in float32.

    Args:
        network: the network.
        names: of the modules below it.
    """
    network = copy.deepcopy(network)
    for name in names:
        parent = network.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], HalfPrecision(network.get_submodule(name)))
    return network


def _cast(values: Any, given: torch.dtype, wanted: torch.dtype) -> Any:
    def change(value: Any) -> Any:
        return value.to(wanted) if isinstance(value, Tensor) and value.dtype == given else value

    return tree_map(change, values)
