"""What every network of segmentation and change detection is, and the bricks of those that Pet writes itself."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from petlib.errors import ConfigError

TOO_FEW_VALUES = "Expected more than 1 value per channel"
"""Torch's words where batch norm gets one value, as after a pooling of a whole image in a batch of one."""


class SegmentationNetwork(nn.Module):
    """Images of any size in, maps of logits of exactly that size out.

    A subclass writes :meth:`predict`, for images whose height and width are multiples of its stride; a network of a user may be any
    module with the same attributes and :meth:`forward`.

    Attributes:
        stride: of the coarsest map.
        num_images: 1, or 2 for pairs of dates.
        num_outputs: maps of logits in training.
        encoder_name: the library's network whose published weights fit below ``backbone.``, e.g. ``timm/resnet18``; empty: none.

    Args:
        stride: of the coarsest map.
        num_images: 1 or 2.
        num_outputs: maps of logits in training.
        encoder_name: see the attribute.
    """

    def __init__(self, *, stride: int, num_images: int = 1, num_outputs: int = 1, encoder_name: str = "") -> None:
        super().__init__()
        self.stride = stride
        self.num_images = num_images
        self.num_outputs = num_outputs
        self.encoder_name = encoder_name

    def forward(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return float32 maps of logits (B, K, H, W): ``num_outputs`` of them, the main one first, in training; that one in evaluation.

        Args:
            images: float (B, C, H, W), normalised.
            images2: the second date, of the same shape, where ``num_images`` is 2.

        Raises:
            ConfigError: a batch of one image in training, of a network whose batch norm needs two.
        """
        assert (images2 is not None) == (self.num_images == 2), f"this network looks at {self.num_images} image(s)"
        height, width = images.shape[-2:]
        grown = (height + -height % self.stride, width + -width % self.stride)
        dates = [grow(one, grown) for one in (images, images2) if one is not None]
        try:
            outputs = self.predict(*dates)
        except ValueError as error:
            if TOO_FEW_VALUES not in str(error):
                raise
            raise ConfigError(
                "TrainLoader.batch_size: one image for each device given, but this network's batch norm needs two or more; "
                "raise it, or lower the accumulation or the number of devices"
            ) from error
        assert len(outputs) == (self.num_outputs if self.training else 1), f"{len(outputs)} outputs came"
        size = (dates[0].shape[2], dates[0].shape[3])
        return [resize(logits.float(), size)[:, :, :height, :width] for logits in outputs]

    def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return maps of logits (B, K, h, w) of any size: all in training, only the main one in evaluation.

        Args:
            images: float (B, C, H, W), H and W multiples of the stride.
            images2: the second date, where ``num_images`` is 2.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define predict")


def conv_norm(
    in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1, groups: int = 1, activation: bool = True
) -> nn.Sequential:
    """Return a convolution without bias that keeps the size (at ``stride`` 1), batch norm, and ReLU where ``activation``.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: odd width of the convolution.
        stride: of the convolution.
        groups: of the convolution; as many as ``in_channels``: depthwise.
        activation: end with ReLU.
    """
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(out_channels)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if activation else nn.Sequential(*layers)


def classifier(in_channels: int, channels: int, kernel: int = 1) -> nn.Conv2d:
    """Return the convolution that makes ``channels`` maps of logits, with weights that suit a first step: Xavier, bias 0."""
    conv = nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2)
    nn.init.xavier_uniform_(conv.weight)
    assert conv.bias is not None, "a convolution has a bias unless it is built without one"
    nn.init.zeros_(conv.bias)
    return conv


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Return ``maps`` (B, C, h, w), bilinearly interpolated to ``size`` (height, width); pixel i covers [i, i + 1)."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return functional.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


def join(stages: Sequence[Tensor]) -> Tensor:
    """Return the channels of all ``stages`` side by side, at the size of the first, the finest."""
    return torch.cat([stages[0], *(resize(stage, stages[0].shape[-2:]) for stage in stages[1:])], dim=1)


def grow(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return ``maps`` (B, C, h, w) with their last row and column repeated up to ``size`` (height, width)."""
    # also by nothing: a branch on the size would tie an exported network to it
    return functional.pad(maps, (0, size[1] - maps.shape[3], 0, size[0] - maps.shape[2]), mode="replicate")
