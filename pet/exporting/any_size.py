"""Layers for images of any size: what they compute follows from the size by arithmetic that an exporter can write down."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Pair = tuple[int, int]


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


class SamePadding(nn.Module):
    """The padding of TensorFlow: along an axis of n pixels a layer gives ceil(n / stride) of them.

    timm computes it from the remainder of the size, a layer at a time; torch.export then nests the remainders of all layers before, and
    does not come to an end after some of them. Here the sizes stay quotients.

    Args:
        kernel: rows and columns of the layer.
        stride: of the layer.
        dilation: of the layer.
        value: of the pixels that are added.
    """

    def __init__(self, *, kernel: Pair, stride: Pair, dilation: Pair, value: float = 0.0) -> None:
        super().__init__()
        self.kernel, self.stride, self.dilation, self.value = kernel, stride, dilation, value

    def forward(self, maps: Tensor) -> Tensor:
        """Return float (B, C, h, w) from float (B, C, H, W)."""
        for axis, kernel, stride, dilation in zip((2, 3), self.kernel, self.stride, self.dilation, strict=True):
            maps = self._pad(maps, axis, (kernel - 1) * dilation + 1, stride)
        return maps

    def _pad(self, maps: Tensor, axis: int, extent: int, stride: int) -> Tensor:
        """Pad an axis for windows of ``extent`` pixels."""
        widest = max(extent - 1, 0)
        length = maps.shape[axis]
        count = (length + stride - 1) // stride
        missing = torch.sym_max(count * stride - length + extent - stride, 0)
        sides = (widest, widest) if axis == 3 else (0, 0, widest, widest)
        # a slice would be traced as one of the example's length
        places = torch.arange((count - 1) * stride + extent, device=maps.device) + (widest - missing // 2)
        return functional.pad(maps, sides, value=self.value).index_select(axis, places)


class MixedConvolution(nn.Module):
    """What timm's ``CondConv2d`` computes: the sum of the convolutions by several experts, weighted for each image.

    timm sums the kernels for each image and takes one convolution with a group for each image; ONNX writes the number of groups, and so
    the size of the batch, into the graph. A convolution is linear in its kernel, so here the results are summed. It takes as many times
    longer as there are experts.

    Args:
        layer: timm's.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.experts, self.groups = layer.num_experts, layer.groups
        self.stride, self.dilation = _pair(layer.stride), _pair(layer.dilation)
        self.padding = (0, 0) if layer.dynamic_padding else _pair(layer.padding)
        self.pad: nn.Module = _padding_of(layer) if layer.dynamic_padding else nn.Identity()
        kernels = layer.weight.detach().view(self.experts, self.groups, -1, *layer.weight_shape[1:])
        # the results of an expert lie next to each other within a group
        self.weight = nn.Parameter(kernels.transpose(0, 1).reshape(-1, *layer.weight_shape[1:]))
        self.bias = layer.bias

    def forward(self, maps: Tensor, routing_weights: Tensor) -> Tensor:
        """Return float (B, C, h, w) from float (B, c, H, W) and the weights of the experts, (B, experts)."""
        sizes: dict[str, Any] = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}
        found = functional.conv2d(self.pad(maps), self.weight, **sizes)
        channels = self.weight.shape[0] // (self.groups * self.experts)
        by_expert = found.reshape(found.shape[0], self.groups, self.experts, channels, *found.shape[2:])
        mixed: Tensor = (by_expert * routing_weights[:, None, :, None, None, None]).sum(dim=2).flatten(1, 2)
        return mixed if self.bias is None else mixed + (routing_weights @ self.bias)[:, :, None, None]


def with_free_sizes(network: nn.Module) -> nn.Module:
    """Return a copy of a network whose layers can be exported for images of any size.

    :class:`MatrixPooling` replaces adaptive pooling to more than one cell, :class:`SamePadding` the padding of timm's layers that pad like
    TensorFlow, :class:`MixedConvolution` its conditional convolutions.
    """
    network = copy.deepcopy(network)
    for parent in [*network.modules()]:
        for name, child in parent.named_children():
            setattr(parent, name, _with_free_size(child))
    return network


def _with_free_size(layer: nn.Module) -> nn.Module:
    """Return what replaces a layer; most stay as they are."""
    # slow to import, and only needed for images of any size
    from timm.layers.cond_conv2d import CondConv2d

    if isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size not in (1, (1, 1)):
        return MatrixPooling(layer.output_size if isinstance(layer.output_size, tuple) else (layer.output_size, layer.output_size))
    if isinstance(layer, CondConv2d):
        return MixedConvolution(layer)
    return _with_same_padding(layer)


def _with_same_padding(layer: nn.Module) -> nn.Module:
    """Return what replaces a layer that pads like TensorFlow."""
    # likewise
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
    from timm.layers.std_conv import ScaledStdConv2dSame, StdConv2dSame

    if isinstance(layer, StdConv2dSame | ScaledStdConv2dSame) and layer.same_pad:
        layer.same_pad = False
        return nn.Sequential(_padding_of(layer), layer)
    if isinstance(layer, Conv2dSame):
        return nn.Sequential(_padding_of(layer), _without_padding(layer))
    if isinstance(layer, MaxPool2dSame):
        plain = nn.MaxPool2d(layer.kernel_size, layer.stride, dilation=layer.dilation, ceil_mode=layer.ceil_mode)
        return nn.Sequential(_padding_of(layer, value=-torch.inf), plain)
    if isinstance(layer, AvgPool2dSame):
        average = nn.AvgPool2d(layer.kernel_size, layer.stride, ceil_mode=layer.ceil_mode, count_include_pad=layer.count_include_pad)
        return nn.Sequential(_padding_of(layer), average)
    return layer


def _padding_of(layer: Any, value: float = 0.0) -> SamePadding:
    """Return the padding of a convolution or pooling that pads like TensorFlow."""
    lengths = (_pair(length) for length in (layer.kernel_size, layer.stride, getattr(layer, "dilation", 1)))
    kernel, stride, dilation = lengths
    return SamePadding(kernel=kernel, stride=stride, dilation=dilation, value=value)


def _without_padding(layer: nn.Conv2d) -> nn.Conv2d:
    """Return a convolution without padding that has the weights of another."""
    sizes: dict[str, Any] = {"kernel_size": layer.kernel_size, "stride": layer.stride, "dilation": layer.dilation}
    plain = nn.Conv2d(layer.in_channels, layer.out_channels, groups=layer.groups, bias=layer.bias is not None, **sizes)
    plain.weight, plain.bias = layer.weight, layer.bias
    return plain


def _pair(lengths: int | Sequence[int]) -> Pair:
    return (lengths, lengths) if isinstance(lengths, int) else (lengths[0], lengths[1])
