"""BiSeNet V2: a wide shallow branch for details and a narrow deep one for meaning."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.models.segmentation.network import SegmentationNetwork, classifier, conv_norm, resize

STRIDE = 32
EXPANSION = 6
DETAIL_WIDTHS = ((64, 2), (64, 3), (128, 3))
"""Channels and convolutions of each stage of the detail branch; the first convolution of each has a stride of 2."""
STEM_WIDTH = 16
SEMANTIC_WIDTHS = ((32, 2), (64, 2), (128, 4))
"""Channels and layers of each stage of the semantic branch after its stem."""
WIDTH = 128


class Stem(nn.Module):
    """The first two halvings of the semantic branch: a convolution, then a convolution and a pooling side by side.

    Args:
        in_channels: of the images.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.first = conv_norm(in_channels, STEM_WIDTH, stride=2)
        self.convolved = nn.Sequential(conv_norm(STEM_WIDTH, STEM_WIDTH // 2, 1), conv_norm(STEM_WIDTH // 2, STEM_WIDTH, stride=2))
        self.pooled = nn.MaxPool2d(3, stride=2, padding=1)
        self.fuse = conv_norm(2 * STEM_WIDTH, STEM_WIDTH)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 16, H / 4, W / 4)."""
        features = self.first(images)
        fused: Tensor = self.fuse(torch.cat([self.convolved(features), self.pooled(features)], dim=1))
        return fused


class GatherExpansion(nn.Module):
    """An inverted bottleneck: a 3x3 convolution gathers, depthwise convolutions expand, a 1x1 convolution projects.

    Args:
        in_channels: of the input.
        out_channels: of the output; the same where ``stride`` is 1.
        stride: 1 or 2.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        wide = in_channels * EXPANSION
        layers = [
            conv_norm(in_channels, in_channels),
            conv_norm(in_channels, wide, stride=stride, groups=in_channels, activation=stride == 1),
        ]
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2:
            layers.append(conv_norm(wide, wide, groups=wide))
            self.shortcut = nn.Sequential(
                conv_norm(in_channels, in_channels, stride=2, groups=in_channels, activation=False),
                conv_norm(in_channels, out_channels, 1, activation=False),
            )
        self.body = nn.Sequential(*layers, conv_norm(wide, out_channels, 1, activation=False))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, out_channels, h / stride, w / stride)."""
        return functional.relu(self.body(features) + self.shortcut(features))


class ContextEmbedding(nn.Module):
    """The mean of the whole image is added to every pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(WIDTH)
        self.context = conv_norm(WIDTH, WIDTH, 1)
        self.out = conv_norm(WIDTH, WIDTH)

    def forward(self, features: Tensor) -> Tensor:
        """Return a map of the shape of ``features``, (B, 128, h, w)."""
        result: Tensor = self.out(features + self.context(self.norm(features.mean(dim=(2, 3), keepdim=True))))
        return result


class GuidedAggregation(nn.Module):
    """Each branch is gated by the other, at the size of either, and the two are added."""

    def __init__(self) -> None:
        super().__init__()
        self.detail = nn.Sequential(conv_norm(WIDTH, WIDTH, groups=WIDTH, activation=False), nn.Conv2d(WIDTH, WIDTH, 1, bias=False))
        self.detail_down = nn.Sequential(conv_norm(WIDTH, WIDTH, stride=2, activation=False), nn.AvgPool2d(3, stride=2, padding=1))
        self.semantic_up = conv_norm(WIDTH, WIDTH, activation=False)
        self.semantic = nn.Sequential(conv_norm(WIDTH, WIDTH, groups=WIDTH, activation=False), nn.Conv2d(WIDTH, WIDTH, 1, bias=False))
        self.out = conv_norm(WIDTH, WIDTH)

    def forward(self, detail: Tensor, semantic: Tensor) -> Tensor:
        """Return (B, 128, h, w) of the size of ``detail``, from maps of strides 8 and 32."""
        size = detail.shape[-2:]
        fine = self.detail(detail) * torch.sigmoid(resize(self.semantic_up(semantic), size))
        coarse = self.detail_down(detail) * torch.sigmoid(self.semantic(semantic))
        result: Tensor = self.out(fine + resize(coarse, size))
        return result


class BiSeNetV2(SegmentationNetwork):
    """BiSeNet V2 (https://arxiv.org/abs/2004.02147).

    Five outputs in training: the main one and those of the booster heads on the four stages of the semantic branch, which evaluation
    leaves out.

    Args:
        channels: maps of logits.
        in_channels: channels of the images.
        head_width: channels between the fused map and its logits.
        booster_width: the same of the booster heads.
        dropout: probability of a value before each classifier.
    """

    def __init__(self, *, channels: int, in_channels: int, head_width: int, booster_width: int, dropout: float) -> None:
        super().__init__(stride=STRIDE, num_outputs=2 + len(SEMANTIC_WIDTHS))
        self.detail = _detail_branch(in_channels)
        self.stem = Stem(in_channels)
        widths = [STEM_WIDTH, *(width for width, _ in SEMANTIC_WIDTHS)]
        self.stages = nn.ModuleList(
            _semantic_stage(before, width, layers) for before, (width, layers) in zip(widths[:-1], SEMANTIC_WIDTHS, strict=True)
        )
        self.context = ContextEmbedding()
        self.aggregation = GuidedAggregation()
        self.head = _head(WIDTH, head_width, channels, dropout)
        self.boosters = nn.ModuleList(_head(width, booster_width, channels, dropout) for width in widths)

    def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return the logits of stride 8 and in training those of the booster heads, of strides 4, 8, 16 and 32."""
        maps = [self.stem(images)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        logits = self.head(self.aggregation(self.detail(images), self.context(maps[-1])))
        boosted = [head(one) for head, one in zip(self.boosters, maps, strict=True)] if self.training else []
        return [logits, *boosted]


def build_bisenetv2(
    *, channels: int, in_channels: int, head_width: int = 1024, booster_width: int = 128, dropout: float = 0.1
) -> BiSeNetV2:
    """Return BiSeNet V2; the arguments are those of :class:`BiSeNetV2`."""
    return BiSeNetV2(channels=channels, in_channels=in_channels, head_width=head_width, booster_width=booster_width, dropout=dropout)


def _detail_branch(in_channels: int) -> nn.Sequential:
    layers, before = [], in_channels
    for width, count in DETAIL_WIDTHS:
        for place in range(count):
            layers.append(conv_norm(before, width, stride=1 if place else 2))
            before = width
    return nn.Sequential(*layers)


def _semantic_stage(in_channels: int, width: int, layers: int) -> nn.Sequential:
    rest = (GatherExpansion(width, width, stride=1) for _ in range(layers - 1))
    return nn.Sequential(GatherExpansion(in_channels, width, stride=2), *rest)


def _head(in_channels: int, width: int, channels: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(conv_norm(in_channels, width), nn.Dropout(dropout), classifier(width, channels))
