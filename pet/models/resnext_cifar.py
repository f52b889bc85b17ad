"""ResNeXt-29 for 32x32 images, https://arxiv.org/abs/1611.05431, section 5.3."""

from torch import Tensor, nn
from torch.nn import functional

from pet.models.cifar_resnet import initialise_convolutions

OUT_CHANNELS = (256, 512, 1024)


class CifarResNeXt(nn.Module):
    """Three stages of three bottleneck blocks with grouped 3x3 convolutions; the second and the third halve height and width.

    Args:
        cardinality: number of groups of the 3x3 convolutions.
        group_width: channels of one group in the first stage; they double with every stage.
        num_classes: length of the logits.
        in_channels: channels of the images.
    """

    def __init__(self, *, cardinality: int, group_width: int, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        width = cardinality * group_width
        self.layer1 = _stage(64, width, OUT_CHANNELS[0], cardinality=cardinality, stride=1)
        self.layer2 = _stage(OUT_CHANNELS[0], 2 * width, OUT_CHANNELS[1], cardinality=cardinality, stride=2)
        self.layer3 = _stage(OUT_CHANNELS[1], 4 * width, OUT_CHANNELS[2], cardinality=cardinality, stride=2)
        self.fc = nn.Linear(OUT_CHANNELS[2], num_classes)
        initialise_convolutions(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, num_classes) for float images (B, C, H, W) with H and W of at least 4 pixels."""
        features = functional.relu(self.bn1(self.conv1(image)))
        features = self.layer3(self.layer2(self.layer1(features)))
        logits: Tensor = self.fc(features.mean(dim=(2, 3)))
        return logits


class GroupedBottleneck(nn.Module):
    """1x1, grouped 3x3 and 1x1 convolution parallel to a shortcut; a shortcut that changes the shape is a 1x1 convolution."""

    def __init__(self, *, in_channels: int, width: int, out_channels: int, cardinality: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, groups=cardinality, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels))

    def forward(self, features: Tensor) -> Tensor:
        """Return features (B, out_channels, H / stride, W / stride) for (B, in_channels, H, W)."""
        out = functional.relu(self.bn1(self.conv1(features)))
        out = functional.relu(self.bn2(self.conv2(out)))
        return functional.relu(self.bn3(self.conv3(out)) + self.shortcut(features))


def resnext29_8x64d(*, num_classes: int = 10, in_channels: int = 3) -> CifarResNeXt:
    """Return ResNeXt-29, 8x64d: 34.4M parameters; 96.35 % on CIFAR-10 in the paper."""
    return CifarResNeXt(cardinality=8, group_width=64, num_classes=num_classes, in_channels=in_channels)


def _stage(in_channels: int, width: int, out_channels: int, *, cardinality: int, stride: int) -> nn.Sequential:
    first = GroupedBottleneck(in_channels=in_channels, width=width, out_channels=out_channels, cardinality=cardinality, stride=stride)
    rest = [
        GroupedBottleneck(in_channels=out_channels, width=width, out_channels=out_channels, cardinality=cardinality, stride=1)
        for _ in range(2)
    ]
    return nn.Sequential(first, *rest)
