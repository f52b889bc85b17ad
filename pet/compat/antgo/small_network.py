"""Small networks for examples and tests: they train in seconds and are not meant to be good."""

from torch import Tensor, nn
from torch.nn import functional as F

from pet.compat.antgo.framework.helper.runner.base_module import BaseModule


class SmallBackbone(BaseModule):
    """Four convolutions with batch norm, two of which halve the size.

    Args:
        in_channels: channels of the images.
        channels: channels of the features.
        init_cfg: see :class:`~pet.compat.antgo.framework.helper.runner.BaseModule`.
    """

    def __init__(self, in_channels: int = 3, channels: int = 32, init_cfg: dict[str, object] | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.layers = nn.Sequential(
            *conv_block(in_channels, channels // 2, stride=2),
            *conv_block(channels // 2, channels, stride=2),
            *conv_block(channels, channels),
            *conv_block(channels, channels),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, channels, ceil(H / 4), ceil(W / 4)) of images, float (B, in_channels, H, W)."""
        features: Tensor = self.layers(image)
        return features


class SimpleHead(BaseModule):
    """A convolution and a classifier for each place of a feature map.

    Args:
        in_channels: channels of the features.
        channels: channels between the two.
        out_channels: number of classes.
        ignore_index: label of pixels that do not count.
        init_cfg: see :class:`~pet.compat.antgo.framework.helper.runner.BaseModule`.
    """

    def __init__(
        self, in_channels: int, channels: int, out_channels: int, ignore_index: int = 255, init_cfg: dict[str, object] | None = None
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.layers = nn.Sequential(*conv_block(in_channels, channels), nn.Conv2d(channels, out_channels, 1))
        self.ignore_index = ignore_index

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, out_channels, h, w) of features (B, in_channels, h, w)."""
        logits: Tensor = self.layers(features)
        return logits

    def loss(self, logits: Tensor, segments: Tensor) -> dict[str, Tensor]:
        """Return the mean cross entropy of the pixels that count as ``loss_decode``; 0 where none counts.

        Args:
            logits: of :meth:`forward`; they are resized to the labels.
            segments: labels, int64 (B, H, W) or (B, 1, H, W).
        """
        labels = segments.squeeze(1) if segments.ndim == 4 else segments
        resized = F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
        summed = F.cross_entropy(resized, labels, ignore_index=self.ignore_index, reduction="sum")
        return {"loss_decode": summed / (labels != self.ignore_index).sum().clamp(min=1)}

    def simple_test(self, features: Tensor) -> Tensor:
        """Return logits (B, out_channels, h, w) of features (B, in_channels, h, w)."""
        return self.forward(features)


def conv_block(in_channels: int, out_channels: int, *, stride: int = 1) -> list[nn.Module]:
    """Return a 3x3 convolution with batch norm and ReLU."""
    return [nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]
