"""Improved ResNets for faces (https://arxiv.org/abs/1801.07698, section 3.1), with the names of weights that InsightFace's have."""

import torch
from torch import Tensor, nn

from petlib.errors import ConfigError

STRIDE = 16
"""Pixels of an image for each of the last map."""
STAGES = {
    "iresnet18": (2, 2, 2, 2),
    "iresnet34": (3, 4, 6, 3),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
    "iresnet200": (6, 26, 60, 6),
}


class IResNet(nn.Module):
    """A ResNet whose blocks begin with batch norm and whose first convolution keeps the size; the last map becomes an embedding.

    The embedding layer and its batch norm compute in float32 in mixed precision too. That batch norm has a fixed scale of 1.

    Args:
        blocks: of each of the four stages.
        num_classes: length of the embedding; classifiers call it so.
        width: channels of the first stage; the others have 2, 4 and 8 times as many.
        size: edge of the images, pixels, a multiple of 16.
        dropout: share of the last map that is dropped in training.

    Raises:
        ValueError: ``size`` is no multiple of 16.
    """

    def __init__(
        self, *, blocks: tuple[int, int, int, int], num_classes: int = 512, width: int = 64, size: int = 112, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if size < STRIDE or size % STRIDE:
            raise ValueError(f"size: {size} given, a multiple of {STRIDE} expected, usually 112")
        self.size = size
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU(width)
        self.layer1 = _stage(width, width, blocks[0])
        self.layer2 = _stage(width, 2 * width, blocks[1])
        self.layer3 = _stage(2 * width, 4 * width, blocks[2])
        self.layer4 = _stage(4 * width, 8 * width, blocks[3])
        self.bn2 = nn.BatchNorm2d(8 * width)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * width * (size // STRIDE) ** 2, num_classes)
        self.features = nn.BatchNorm1d(num_classes)
        self.features.weight.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.1)

    def forward(self, image: Tensor) -> Tensor:
        """Return embeddings (B, num_classes), not normalised, of float images (B, 3, size, size).

        Raises:
            ConfigError: they have another size.
        """
        if tuple(image.shape[2:]) != (self.size, self.size):
            raise ConfigError(
                f"IResNet.size: {self.size} given, images of {image.shape[2]} x {image.shape[3]} came; resize them to it (Resize, "
                f"size: [{self.size}, {self.size}]), or set it to theirs"
            )
        maps = self.prelu(self.bn1(self.conv1(image)))
        maps = self.bn2(self.layer4(self.layer3(self.layer2(self.layer1(maps)))))
        with torch.autocast(image.device.type, enabled=False):
            embeddings: Tensor = self.features(self.fc(self.dropout(maps.to(self.fc.weight.dtype).flatten(1))))
        return embeddings


class Block(nn.Module):
    """Two convolutions between batch norms; the second may halve the size."""

    def __init__(self, in_channels: int, channels: int, *, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            shortcut = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, channels, H / stride, W / stride)."""
        shortcut = maps if self.downsample is None else self.downsample(maps)
        changed: Tensor = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(maps))))))
        return changed + shortcut


def _stage(in_channels: int, channels: int, count: int) -> nn.Sequential:
    rest = [Block(channels, channels, stride=1) for _ in range(count - 1)]
    return nn.Sequential(Block(in_channels, channels, stride=2), *rest)


def iresnet18(*, num_classes: int = 512, width: int = 64, size: int = 112, dropout: float = 0.0) -> IResNet:
    """Return the network of 18 layers."""
    return IResNet(blocks=STAGES["iresnet18"], num_classes=num_classes, width=width, size=size, dropout=dropout)


def iresnet34(*, num_classes: int = 512, width: int = 64, size: int = 112, dropout: float = 0.0) -> IResNet:
    """Return the network of 34 layers."""
    return IResNet(blocks=STAGES["iresnet34"], num_classes=num_classes, width=width, size=size, dropout=dropout)


def iresnet50(*, num_classes: int = 512, width: int = 64, size: int = 112, dropout: float = 0.0) -> IResNet:
    """Return the network of 50 layers."""
    return IResNet(blocks=STAGES["iresnet50"], num_classes=num_classes, width=width, size=size, dropout=dropout)


def iresnet100(*, num_classes: int = 512, width: int = 64, size: int = 112, dropout: float = 0.0) -> IResNet:
    """Return the network of 100 layers."""
    return IResNet(blocks=STAGES["iresnet100"], num_classes=num_classes, width=width, size=size, dropout=dropout)


def iresnet200(*, num_classes: int = 512, width: int = 64, size: int = 112, dropout: float = 0.0) -> IResNet:
    """Return the network of 200 layers."""
    return IResNet(blocks=STAGES["iresnet200"], num_classes=num_classes, width=width, size=size, dropout=dropout)
