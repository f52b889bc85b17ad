"""SlowFast and SlowOnly: two ResNets of clips at two frame rates, and the slow one alone."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from petlib.errors import ConfigError

Lengths = tuple[int, int, int]
"""Frames, height, width."""

DEPTHS = (3, 4, 6, 3)
WIDTH = 64
EXPANSION = 4
SLOW_KERNELS = (1, 1, 3, 3)
FAST_KERNELS = (3, 3, 3, 3)


class ConvNorm(nn.Sequential):
    """A convolution in space and time, batch norm, and ReLU.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: (T, H, W).
        stride: (T, H, W).
        relu: whether the last one is there.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Lengths, stride: Lengths = (1, 1, 1), *, relu: bool = True) -> None:
        padding = kernel[0] // 2, kernel[1] // 2, kernel[2] // 2
        conv = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
        super().__init__(conv, nn.BatchNorm3d(outputs), *([nn.ReLU(inplace=True)] if relu else []))


class Bottleneck(nn.Module):
    """A residual block whose first convolution may look at several frames.

    Args:
        inputs: channels.
        width: channels of the 3 x 3 convolution; four times as many come out.
        kernel: frames that the first convolution sees.
        stride: of the 3 x 3 convolution in space.
    """

    def __init__(self, inputs: int, width: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        outputs = width * EXPANSION
        self.conv1 = ConvNorm(inputs, width, (kernel, 1, 1))
        self.conv2 = ConvNorm(width, width, (1, 3, 3), (1, stride, stride))
        self.conv3 = ConvNorm(width, outputs, (1, 1, 1), relu=False)
        needs_projection = stride != 1 or inputs != outputs
        self.shortcut = ConvNorm(inputs, outputs, (1, 1, 1), (1, stride, stride), relu=False) if needs_projection else nn.Identity()
        # the block begins as the identity, https://arxiv.org/abs/1706.02677
        norm = self.conv3[1]
        assert isinstance(norm, nn.BatchNorm3d)
        nn.init.zeros_(norm.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Return float (B, 4 * width, T, H', W')."""
        return torch.relu(self.shortcut(maps) + self.conv3(self.conv2(self.conv1(maps))))


class Pathway(nn.Module):
    """A stem and four stages.

    Args:
        width: channels of the stem.
        stem_kernel: frames that the stem sees.
        kernels: frames that the first convolutions of each stage see.
        fused: channels of the other pathway that come before each stage.
    """

    def __init__(self, width: int, *, stem_kernel: int, kernels: Sequence[int], fused: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvNorm(3, width, (stem_kernel, 7, 7), (1, 2, 2)), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
        stages, inputs = [], width
        for stage, (depth, kernel) in enumerate(zip(DEPTHS, kernels, strict=True)):
            own, stride = width * 2**stage, 1 if stage == 0 else 2
            first = Bottleneck(inputs + fused[stage], own, kernel=kernel, stride=stride)
            inputs = own * EXPANSION
            stages.append(nn.Sequential(first, *(Bottleneck(inputs, own, kernel=kernel, stride=1) for _ in range(depth - 1))))
        self.stages = nn.ModuleList(stages)
        self.channels = inputs


class SlowFast(nn.Module):
    """ResNet-50 of few frames, and a thin one of all frames, whose features the first one gets before each stage.

    Source: Feichtenhofer et al., SlowFast Networks for Video Recognition, 2018 (https://arxiv.org/abs/1812.03982).

    Args:
        num_classes: length of the logits.
        frames: of a clip.
        alpha: the slow pathway sees one of so many frames.
        beta: share of the slow pathway's channels that the fast one has; 0: there is no fast one (SlowOnly).
        fusion_kernel: frames that the convolutions between the pathways see.
        dropout: before the classifier.

    Raises:
        ConfigError: ``frames`` is no multiple of ``alpha``.
    """

    def __init__(
        self, *, num_classes: int, frames: int, alpha: int = 8, beta: float = 1 / 8, fusion_kernel: int = 5, dropout: float = 0.5
    ) -> None:
        super().__init__()
        if frames % alpha:
            raise ConfigError(f"SlowFast.frames: {frames} given, a multiple of alpha, {alpha}, expected")
        self.alpha = alpha
        fast_width = round(WIDTH * beta)
        # the stem and the first three stages are followed by a fusion
        fast_channels = [fast_width, *(fast_width * EXPANSION * 2**stage for stage in range(3))]
        self.slow = Pathway(WIDTH, stem_kernel=1, kernels=SLOW_KERNELS, fused=[2 * channels for channels in fast_channels])
        channels = self.slow.channels
        if fast_width:
            self.fast = Pathway(fast_width, stem_kernel=5, kernels=FAST_KERNELS, fused=[0] * 4)
            self.fusions = nn.ModuleList(ConvNorm(own, 2 * own, (fusion_kernel, 1, 1), (alpha, 1, 1)) for own in fast_channels)
            channels += self.fast.channels
        self.has_fast = fast_width > 0
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (B, classes) of clips (B, 3, T, H, W)."""
        slow = self.slow.stem(clips[:, :, :: self.alpha])
        if not self.has_fast:
            for stage in self.slow.stages:
                slow = stage(slow)
            return self._classify([slow])
        fast = self.fast.stem(clips)
        for slow_stage, fast_stage, fusion in zip(self.slow.stages, self.fast.stages, self.fusions, strict=True):
            slow = slow_stage(torch.cat([slow, fusion(fast)], dim=1))
            fast = fast_stage(fast)
        return self._classify([slow, fast])

    def _classify(self, pathways: Sequence[Tensor]) -> Tensor:
        features = torch.cat([maps.mean(dim=(2, 3, 4)) for maps in pathways], dim=1)
        logits: Tensor = self.classifier(self.dropout(features))
        return logits


def build_slowfast(*, backbone: str, num_classes: int, frames: int, args: dict[str, Any]) -> SlowFast:  # noqa: ARG001 -- builders share one signature
    """Return SlowFast with ResNet-50, with random weights.

    Args:
        backbone: not used: both pathways are ResNet-50.
        num_classes: length of the logits.
        frames: of a clip.
        args: ``alpha``, ``beta``, ``fusion_kernel``, ``dropout``.
    """
    return SlowFast(num_classes=num_classes, frames=frames, **args)


def build_slowonly(*, backbone: str, num_classes: int, frames: int, args: dict[str, Any]) -> SlowFast:  # noqa: ARG001 -- builders share one signature
    """Return the slow pathway alone, which sees all frames of a clip; the arguments are those of :func:`build_slowfast`."""
    return SlowFast(num_classes=num_classes, frames=frames, **{"alpha": 1, "beta": 0.0, **args})
