"""ResNets (https://arxiv.org/abs/1512.03385, section 4.2) and ResNeXt (https://arxiv.org/abs/1611.05431, section 5.3) for 32x32 pixels."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64)


class CifarNetwork(nn.Module):
    """A convolution, three stages and a classifier, whose weights have the names of torchvision's ResNets."""

    conv1: nn.Conv2d
    bn1: nn.BatchNorm2d
    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    fc: nn.Linear

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, num_classes) for float images (B, C, H, W) with H and W of at least 4 pixels."""
        features = functional.relu(self.bn1(self.conv1(image)))
        features = self.layer3(self.layer2(self.layer1(features)))
        logits: Tensor = self.fc(features.mean(dim=(2, 3)))
        return logits


class CifarResNet(CifarNetwork):
    """Three stages of basic blocks with 16, 32 and 64 channels; the second and the third halve height and width.

    Args:
        depth: number of layers with weights, 6n + 2; each stage has n blocks.
        num_classes: length of the logits.
        in_channels: channels of the images.
        shortcut: what a block adds where the shape changes. ``"A"``, the paper's choice for CIFAR: the input with every
            second row and column, padded with zero channels, which costs no parameters. ``"B"``: a 1x1 convolution and
            a batch norm.

    Raises:
        ValueError: ``depth`` is not 6n + 2.
    """

    def __init__(self, *, depth: int, num_classes: int = 10, in_channels: int = 3, shortcut: Literal["A", "B"] = "A") -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"the depth of a CIFAR ResNet is 6n + 2 (8, 14, 20, ...), not {depth}")
        if shortcut not in ("A", "B"):
            raise ValueError(f"shortcut is 'A' or 'B', not {shortcut!r}")
        self.conv1 = nn.Conv2d(in_channels, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        blocks = (depth - 2) // 6
        self.layer1 = _stage(WIDTHS[0], WIDTHS[0], blocks, stride=1, shortcut=shortcut)
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], blocks, stride=2, shortcut=shortcut)
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], blocks, stride=2, shortcut=shortcut)
        self.fc = nn.Linear(WIDTHS[2], num_classes)
        initialise_convolutions(self)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions parallel to a shortcut."""

    def __init__(self, *, in_channels: int, out_channels: int, stride: int, shortcut: Literal["A", "B"]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = _shortcut(in_channels, out_channels, stride, shortcut)

    def forward(self, features: Tensor) -> Tensor:
        """Return features (B, out_channels, H / stride, W / stride) for (B, in_channels, H, W)."""
        out = functional.relu(self.bn1(self.conv1(features)))
        return functional.relu(self.bn2(self.conv2(out)) + self.shortcut(features))


class PaddedShortcut(nn.Module):
    """Option A: every ``stride``-th row and column, and zeros for the channels that are new."""

    def __init__(self, *, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels = new_channels
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C + new_channels, H / stride, W / stride) for (B, C, H, W)."""
        return functional.pad(features[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))


def initialise_convolutions(model: nn.Module) -> None:
    """Draw the weights of all convolutions as in https://arxiv.org/abs/1502.01852, which the ResNet papers use."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def resnet20(*, num_classes: int = 10, in_channels: int = 3, shortcut: Literal["A", "B"] = "A") -> CifarResNet:
    """Return the 20-layer network, 0.27M parameters; 91.25 % on CIFAR-10 in the paper."""
    return CifarResNet(depth=20, num_classes=num_classes, in_channels=in_channels, shortcut=shortcut)


def resnet32(*, num_classes: int = 10, in_channels: int = 3, shortcut: Literal["A", "B"] = "A") -> CifarResNet:
    """Return the 32-layer network, 0.46M parameters; 92.49 % on CIFAR-10 in the paper."""
    return CifarResNet(depth=32, num_classes=num_classes, in_channels=in_channels, shortcut=shortcut)


def resnet44(*, num_classes: int = 10, in_channels: int = 3, shortcut: Literal["A", "B"] = "A") -> CifarResNet:
    """Return the 44-layer network, 0.66M parameters; 92.83 % on CIFAR-10 in the paper."""
    return CifarResNet(depth=44, num_classes=num_classes, in_channels=in_channels, shortcut=shortcut)


def resnet56(*, num_classes: int = 10, in_channels: int = 3, shortcut: Literal["A", "B"] = "A") -> CifarResNet:
    """Return the 56-layer network, 0.85M parameters; 93.03 % on CIFAR-10 in the paper."""
    return CifarResNet(depth=56, num_classes=num_classes, in_channels=in_channels, shortcut=shortcut)


def resnet110(*, num_classes: int = 10, in_channels: int = 3, shortcut: Literal["A", "B"] = "A") -> CifarResNet:
    """Return the 110-layer network, 1.7M parameters; 93.57 % (best of five 93.39 to 93.57 mean 93.39) on CIFAR-10 in the paper."""
    return CifarResNet(depth=110, num_classes=num_classes, in_channels=in_channels, shortcut=shortcut)


def _stage(in_channels: int, out_channels: int, blocks: int, *, stride: int, shortcut: Literal["A", "B"]) -> nn.Sequential:
    first = BasicBlock(in_channels=in_channels, out_channels=out_channels, stride=stride, shortcut=shortcut)
    rest = [BasicBlock(in_channels=out_channels, out_channels=out_channels, stride=1, shortcut=shortcut) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


def _shortcut(in_channels: int, out_channels: int, stride: int, kind: Literal["A", "B"]) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "A":
        return PaddedShortcut(new_channels=out_channels - in_channels, stride=stride)
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels))


OUT_CHANNELS = (256, 512, 1024)


class CifarResNeXt(CifarNetwork):
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
        self.layer1 = _resnext_stage(64, width, OUT_CHANNELS[0], cardinality=cardinality, stride=1)
        self.layer2 = _resnext_stage(OUT_CHANNELS[0], 2 * width, OUT_CHANNELS[1], cardinality=cardinality, stride=2)
        self.layer3 = _resnext_stage(OUT_CHANNELS[1], 4 * width, OUT_CHANNELS[2], cardinality=cardinality, stride=2)
        self.fc = nn.Linear(OUT_CHANNELS[2], num_classes)
        initialise_convolutions(self)


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


def _resnext_stage(in_channels: int, width: int, out_channels: int, *, cardinality: int, stride: int) -> nn.Sequential:
    first = GroupedBottleneck(in_channels=in_channels, width=width, out_channels=out_channels, cardinality=cardinality, stride=stride)
    rest = [
        GroupedBottleneck(in_channels=out_channels, width=width, out_channels=out_channels, cardinality=cardinality, stride=1)
        for _ in range(2)
    ]
    return nn.Sequential(first, *rest)


def resnet18_cifar(*, num_classes: int = 10) -> nn.Module:
    """Return timm's ResNet-18 for images of 32 x 32 pixels: a first convolution of 3 x 3 without a stride, and no pooling after it.

    11.2M parameters; the network that self-supervised methods are compared with on CIFAR-10.
    """
    import timm  # slow to import, and the other networks do without

    network: nn.Module = timm.create_model("resnet18", pretrained=False, num_classes=num_classes)
    first = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
    network.conv1, network.maxpool = first, nn.Identity()
    return network


class CifarResNet9(nn.Module):
    """Eight convolutions and a classifier, of which four are two residual blocks: few large layers, which a GPU computes fast.

    Source: D. Page, How to Train Your ResNet, part 4 (https://myrtle.ai/learn/how-to-train-your-resnet/).

    Args:
        num_classes: length of the logits.
        in_channels: channels of the images.
        scale: factor of the logits, which keeps the softmax of the first iterations flat.
    """

    def __init__(self, *, num_classes: int = 10, in_channels: int = 3, scale: float = 0.125) -> None:
        super().__init__()
        self.scale = scale
        self.conv1 = _convolution(in_channels, 64)
        self.layer1 = nn.Sequential(_convolution(64, 128), nn.MaxPool2d(2), TwoConvolutions(128))
        self.layer2 = nn.Sequential(_convolution(128, 256), nn.MaxPool2d(2))
        self.layer3 = nn.Sequential(_convolution(256, 512), nn.MaxPool2d(2), TwoConvolutions(512))
        self.fc = nn.Linear(512, num_classes, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, num_classes) for float images (B, C, H, W) with H and W of at least 8 pixels."""
        features = self.layer3(self.layer2(self.layer1(self.conv1(image))))
        logits: Tensor = self.fc(features.amax(dim=(2, 3))) * self.scale
        return logits


class TwoConvolutions(nn.Module):
    """Two convolutions whose result is added to their input.

    Args:
        channels: of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        added: Tensor = features + self.convolutions(features)
        return added


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU())
