"""Adaptive pooling that can be exported for images of any size."""

import copy

import torch
from torch import Tensor, nn


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
