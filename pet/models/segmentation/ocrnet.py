"""Object-contextual representations on HRNet."""

import torch
from torch import Tensor, nn

from pet.models.segmentation.encoders import build_encoder, feature_info
from pet.models.segmentation.network import SegmentationNetwork, classifier, conv_norm, join

FINEST = 4


class ObjectAttention(nn.Module):
    """What every pixel takes from the regions, by its similarity to each of them (equations 4 and 5 of the paper).

    Args:
        width: channels of pixels and regions.
        key_width: channels in which they are compared.
    """

    def __init__(self, *, width: int, key_width: int) -> None:
        super().__init__()
        self.query = nn.Sequential(conv_norm(width, key_width, 1), conv_norm(key_width, key_width, 1))
        self.key = nn.Sequential(conv_norm(width, key_width, 1), conv_norm(key_width, key_width, 1))
        self.value = conv_norm(width, key_width, 1)
        self.out = conv_norm(key_width, width, 1)
        self.scale = key_width**-0.5

    def forward(self, pixels: Tensor, regions: Tensor) -> Tensor:
        """Return (B, width, h, w) from pixels (B, width, h, w) and regions (B, width, K, 1)."""
        query = self.query(pixels).flatten(2).transpose(1, 2)
        key, value = self.key(regions).flatten(2), self.value(regions).flatten(2)
        similarity = torch.softmax(query @ key * self.scale, dim=-1)
        context = (similarity @ value.transpose(1, 2)).transpose(1, 2)
        result: Tensor = self.out(context.unflatten(2, pixels.shape[-2:]))
        return result


class OcrNet(SegmentationNetwork):
    """A coarse segmentation says which pixels make up each class, and the classes' mean features refine every pixel.

    Source: https://arxiv.org/abs/1909.11065. Two outputs in training: the refined logits and the coarse ones, which the paper weights
    with 0.4. Where one sigmoid channel is asked for, the two regions are the foreground and, by the negative logit, the background.

    Args:
        backbone: a :class:`~pet.models.feature_extractor.FeatureExtractor`; its maps of stride 4 or more are joined.
        channels: maps of logits.
        width: channels of the pixels' features.
        key_width: channels in which pixels and regions are compared.
        dropout: probability of a channel, before the last classifier.
        encoder_name: the library's name of the backbone.
    """

    def __init__(
        self, *, backbone: nn.Module, channels: int, width: int = 512, key_width: int = 256, dropout: float = 0.1, encoder_name: str = ""
    ) -> None:
        info = feature_info(backbone)
        super().__init__(stride=max(info.stage_strides), num_outputs=2, encoder_name=encoder_name)
        self.places = [place for place, stride in enumerate(info.stage_strides) if stride >= FINEST]
        joined = sum(info.stage_channels[place] for place in self.places)
        self.backbone = backbone
        self.coarse = nn.Sequential(conv_norm(joined, joined, 1), classifier(joined, channels))
        self.pixels = conv_norm(joined, width)
        self.attention = ObjectAttention(width=width, key_width=key_width)
        self.fuse = nn.Sequential(conv_norm(2 * width, width, 1), nn.Dropout2d(dropout))
        self.classifier = classifier(width, channels)

    def predict(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return the refined logits and in training the coarse ones, of stride 4."""
        stages = self.backbone(images)
        joined = join([stages[place] for place in self.places])
        coarse = self.coarse(joined)
        pixels = self.pixels(joined)
        context = self.attention(pixels, gather_regions(pixels, coarse))
        logits = self.classifier(self.fuse(torch.cat([context, pixels], dim=1)))
        return [logits, coarse] if self.training else [logits]


def gather_regions(pixels: Tensor, logits: Tensor) -> Tensor:
    """Return the mean feature of each region, weighted by a softmax of its logits over all pixels.

    Args:
        pixels: (B, C, h, w).
        logits: (B, K, h, w); with K = 1 there are two regions, the second by the negative logits.

    Returns:
        (B, C, max(K, 2), 1).
    """
    if logits.shape[1] == 1:
        logits = torch.cat([logits, -logits], dim=1)
    weights = torch.softmax(logits.flatten(2), dim=2)
    return (pixels.flatten(2) @ weights.transpose(1, 2)).unsqueeze(3)


def build_ocrnet_hrnet_w18(*, channels: int, in_channels: int, width: int = 512, key_width: int = 256, dropout: float = 0.1) -> OcrNet:
    """Return OCRNet on HRNet-W18.

    Args:
        channels: maps of logits.
        in_channels: channels of the images.
        width: channels of the pixels' features.
        key_width: channels in which pixels and regions are compared.
        dropout: probability of a channel, before the last classifier.
    """
    encoder = "timm/hrnet_w18"
    backbone = build_encoder(encoder, in_channels=in_channels)
    return OcrNet(backbone=backbone, channels=channels, width=width, key_width=key_width, dropout=dropout, encoder_name=encoder)


def build_ocrnet_hrnet_w48(*, channels: int, in_channels: int, width: int = 512, key_width: int = 256, dropout: float = 0.1) -> OcrNet:
    """Return OCRNet on HRNet-W48; see :func:`build_ocrnet_hrnet_w18`."""
    encoder = "timm/hrnet_w48"
    backbone = build_encoder(encoder, in_channels=in_channels)
    return OcrNet(backbone=backbone, channels=channels, width=width, key_width=key_width, dropout=dropout, encoder_name=encoder)
