"""What changes in a network before it is exported: normalisation inside of the graph, float16, pooling for images of any size."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from pet.data.targets.pixel_types import EIGHT_BITS
from pet.data.transforms.normalize import scale_and_shift


class InputNormalization(nn.Module):
    """A network that takes pixels as files have them: ``(pixels / maximum - mean) / std`` is computed first.

    Args:
        network: takes normalised images, float32 (B, C, H, W), one or two of them, or clips, (B, C, T, H, W).
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

    def forward(self, images: Tensor, images2: Tensor | None = None) -> Any:
        """Return what the network gives for pixels as files have them, uint8 or float (B, C, H, W)."""
        if images2 is None:
            return self.network(self._normalize(images))
        return self.network(self._normalize(images), self._normalize(images2))

    def _normalize(self, images: Tensor) -> Tensor:
        shape = (1, -1, *(1,) * (images.ndim - 2))
        return torch.addcmul(self.shift.view(shape), images.to(torch.float32), self.scale.view(shape))


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


class MatrixPooling(nn.Module):
    """What ``nn.AdaptiveAvgPool2d`` computes, as two products of matrices whose entries follow from the size of the input.

    ONNX has no adaptive pooling; torch's exporter writes the pixels of each cell into the graph, as they are for the example.

    Args:
        size: rows and columns of the result; None: those of the input.
    """

    def __init__(self, size: tuple[int | None, int | None]) -> None:
        super().__init__()
        self.size = size

    def forward(self, maps: Tensor) -> Tensor:
        """Return float (B, C, rows, columns) from float (B, C, H, W)."""
        rows, columns = self.size
        if rows is not None:
            maps = cell_weights(maps.shape[2], rows, maps) @ maps
        if columns is not None:
            maps = maps @ cell_weights(maps.shape[3], columns, maps).transpose(0, 1)
        return maps


def cell_weights(length: int, count: int, like: Tensor) -> Tensor:
    """Return how much of each pixel each cell takes along an axis, (count, length), of the type and device of ``like``.

    Cell i goes from floor(i * length / count) to ceil((i + 1) * length / count), and each of its pixels counts the same.
    """
    cells = torch.arange(count, device=like.device)[:, None]
    pixels = torch.arange(length, device=like.device)[None]
    begin, end = cells * length // count, ((cells + 1) * length + count - 1) // count
    inside = (pixels >= begin) & (pixels < end)
    return inside.to(like.dtype) / (end - begin).to(like.dtype)


def with_matrix_pooling(network: nn.Module) -> nn.Module:
    """Return a copy of a network in which :class:`MatrixPooling` replaces adaptive pooling to more than one cell."""
    network = copy.deepcopy(network)
    for parent in [*network.modules()]:
        for name, child in parent.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d) and child.output_size not in (1, (1, 1)):
                size = child.output_size if isinstance(child.output_size, tuple) else (child.output_size, child.output_size)
                setattr(parent, name, MatrixPooling(size))
    return network
