"""Classifiers of images that look at the frames of a clip: TSN, and TSM, which shifts features between them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pet.models.classifiers import build_classifier
from petlib.errors import ConfigError

SHIFT_DIVISOR = 8
FIRST_CONVOLUTIONS = ("conv1", "conv_pw")
"""What timm calls the first convolution of a residual block, in ResNets and their kin, and in networks of inverted residuals."""


class TemporalShift(nn.Module):
    """Each frame gives a share of its channels to the one before, and as many to the one after.

    Source: Lin et al., TSM, 2018 (https://arxiv.org/abs/1811.08383).

    Args:
        frames: of a clip.
        divisor: one of so many channels goes to each side.
    """

    def __init__(self, *, frames: int, divisor: int = SHIFT_DIVISOR) -> None:
        super().__init__()
        self.frames = frames
        self.divisor = divisor

    def forward(self, features: Tensor) -> Tensor:
        """Return shifted features, float (B * frames, C, H, W) as they came; zeros come in at both ends of a clip."""
        maps = features.view(-1, self.frames, *features.shape[1:])
        share = features.shape[1] // self.divisor
        earlier, later, rest = maps[:, :, :share], maps[:, :, share : 2 * share], maps[:, :, 2 * share :]
        earlier = torch.cat([earlier[:, 1:], torch.zeros_like(earlier[:, :1])], dim=1)
        later = torch.cat([torch.zeros_like(later[:, :1]), later[:, :-1]], dim=1)
        return torch.cat([earlier, later, rest], dim=2).flatten(0, 1)


class SegmentNetwork(nn.Module):
    """A classifier of images whose scores of all frames are averaged (TSN, https://arxiv.org/abs/1608.00859).

    It sees no order of the frames, unless a :class:`TemporalShift` lies before the first convolution of each residual block.

    Args:
        backbone: images (B, C, H, W) to logits (B, classes); published weights fit it key for key.
        shift: TSM's shift, one module for all blocks, which has no weights; None: TSN.

    Raises:
        ConfigError: there is no residual block to shift before.
    """

    def __init__(self, backbone: nn.Module, *, shift: TemporalShift | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.shift = shift
        if shift is not None:
            blocks = list(_first_convolutions(backbone))
            if not blocks:
                raise ConfigError(
                    f"SegmentNetwork.backbone: {type(backbone).__name__} has no residual blocks with {' or '.join(FIRST_CONVOLUTIONS)} "
                    "before which tsm shifts; take a ResNet, RegNet, MobileNet or EfficientNet, or tsn"
                )
            for convolution in blocks:
                convolution.register_forward_pre_hook(self._shift_inputs)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (B, classes) of clips (B, C, T, H, W)."""
        logits: Tensor = self.backbone(clips.transpose(1, 2).flatten(0, 1))
        return logits.view(-1, clips.shape[2], logits.shape[1]).mean(dim=1)

    def _shift_inputs(self, convolution: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        assert self.shift is not None, "only networks that shift have this hook"
        return self.shift(inputs[0]), *inputs[1:]


def _first_convolutions(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the first convolution of each block of a network; the network itself, whose first one is its stem, is no block."""
    for name, module in network.named_modules():
        children = dict(module.named_children())
        if name and "conv1" in children:
            yield children["conv1"]
        elif name and next(iter(children), "") == "conv_pw":
            yield children["conv_pw"]


def build_tsn(*, backbone: str, num_classes: int, frames: int, args: dict[str, Any]) -> SegmentNetwork:  # noqa: ARG001 -- builders share one signature
    """Return TSN over a classifier of images, with random weights.

    Args:
        backbone: name of the classifier, see :func:`pet.models.classifiers.build_classifier`.
        num_classes: length of the logits.
        frames: of a clip; any number will do.
        args: further arguments of the classifier.
    """
    return SegmentNetwork(build_classifier(backbone, num_classes=num_classes, args=args))


def build_tsm(*, backbone: str, num_classes: int, frames: int, args: dict[str, Any]) -> SegmentNetwork:
    """Return TSM over a classifier of images, with random weights; the arguments are those of :func:`build_tsn`.

    Raises:
        ConfigError: the classifier has no residual blocks.
    """
    return SegmentNetwork(build_classifier(backbone, num_classes=num_classes, args=args), shift=TemporalShift(frames=frames))
