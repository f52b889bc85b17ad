"""MobileFaceNet (https://arxiv.org/abs/1804.07573), with the widths and the names of weights of InsightFace's ``mbf``."""

import torch
from torch import Tensor, nn

from petlib.errors import ConfigError

EDGE = 112
"""Of an image, pixels."""
LAST_WIDTH = 512
LAST_EDGE = 7
"""Edge of the last map, of images of 112 pixels; one weight for each of its places makes it an embedding."""


class MobileFaceNet(nn.Module):
    """Inverted residuals, and a depthwise convolution over the whole last map in place of pooling.

    Args:
        num_classes: length of the embedding; classifiers call it so.
        blocks: of the four stages; the first is a plain convolution where it has one.
        scale: factor of the channels; InsightFace's large one has 4 and blocks (2, 8, 12, 4).
    """

    def __init__(self, *, num_classes: int = 512, blocks: tuple[int, int, int, int] = (1, 4, 6, 2), scale: int = 2) -> None:
        super().__init__()
        narrow, wide = 64 * scale, 128 * scale
        first = ConvBlock(narrow, narrow, kernel=3, groups=64) if blocks[0] == 1 else Residual(narrow, count=blocks[0], hidden=128)
        self.layers = nn.ModuleList(
            [
                ConvBlock(3, narrow, kernel=3, stride=2),
                first,
                DepthWise(narrow, narrow, hidden=128, stride=2),
                Residual(narrow, count=blocks[1], hidden=128),
                DepthWise(narrow, wide, hidden=256, stride=2),
                Residual(wide, count=blocks[2], hidden=256),
                DepthWise(wide, wide, hidden=512, stride=2),
                Residual(wide, count=blocks[3], hidden=256),
            ]
        )
        self.conv_sep = ConvBlock(wide, LAST_WIDTH, kernel=1)
        self.features = Embedding(num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        """Return embeddings (B, num_classes), not normalised, of float images (B, 3, 112, 112).

        Raises:
            ConfigError: they have another size.
        """
        if tuple(image.shape[2:]) != (EDGE, EDGE):
            raise ConfigError(
                f"MobileFaceNet: images of {image.shape[2]} x {image.shape[3]} came, {EDGE} x {EDGE} expected; resize them (Resize, size: "
                f"[{EDGE}, {EDGE}])"
            )
        for layer in self.layers:
            image = layer(image)
        with torch.autocast(image.device.type, enabled=False):
            embeddings: Tensor = self.features(self.conv_sep(image.to(next(self.conv_sep.parameters()).dtype)))
        return embeddings


class Layers(nn.Module):
    """A sequence under the name ``layers``, which its weights have in published files."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*modules)

    def forward(self, maps: Tensor) -> Tensor:
        """Return what the sequence gives."""
        result: Tensor = self.layers(maps)
        return result


class ConvBlock(Layers):
    """Convolution, batch norm and, if it ``activates``, PReLU; where it ``pads`` the size stays but for the stride."""

    def __init__(
        self, in_channels: int, channels: int, *, kernel: int, stride: int = 1, groups: int = 1, pads: bool = True, activates: bool = True
    ) -> None:
        padding = kernel // 2 if pads else 0
        convolution = nn.Conv2d(in_channels, channels, kernel, stride=stride, padding=padding, groups=groups, bias=False)
        activation = [nn.PReLU(channels)] if activates else []
        super().__init__(convolution, nn.BatchNorm2d(channels), *activation)


class DepthWise(Layers):
    """Wide, depthwise, narrow."""

    def __init__(self, in_channels: int, channels: int, *, hidden: int, stride: int = 1) -> None:
        super().__init__(
            ConvBlock(in_channels, hidden, kernel=1),
            ConvBlock(hidden, hidden, kernel=3, stride=stride, groups=hidden),
            ConvBlock(hidden, channels, kernel=1, activates=False),
        )


class ResidualBlock(DepthWise):
    """Adds its input to what it makes of it."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape."""
        return maps + super().forward(maps)


class Residual(Layers):
    """``count`` residual blocks."""

    def __init__(self, channels: int, *, count: int, hidden: int) -> None:
        super().__init__(*(ResidualBlock(channels, channels, hidden=hidden) for _ in range(count)))


class Embedding(Layers):
    """The last map to an embedding."""

    def __init__(self, length: int) -> None:
        super().__init__(
            ConvBlock(LAST_WIDTH, LAST_WIDTH, kernel=LAST_EDGE, groups=LAST_WIDTH, pads=False, activates=False),
            nn.Flatten(),
            nn.Linear(LAST_WIDTH, length, bias=False),
            nn.BatchNorm1d(length),
        )
