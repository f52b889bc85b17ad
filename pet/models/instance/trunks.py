"""What turns crops of objects into one map of stride 4: networks that keep a fine one, and the last map of others, made finer.

A trunk is a :class:`pet.models.feature_extractor.FeatureExtractor` whose last map counts.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from pet.models.classifiers import construct, find_classifier
from pet.models.feature_extractor import create_feature_extractor
from petlib.errors import ConfigError

STRIDE = 4
"""Pixels of a crop for one of the maps that heads look at."""

HIGH_RESOLUTION_PARTS = (
    *("conv1", "bn1", "act1", "conv2", "bn2", "act2"),
    *("layer1", "transition1", "stage2", "transition2", "stage3", "transition3", "stage4"),
)


class HighResolutionTrunk(nn.Module):
    """HRNet (https://arxiv.org/abs/1902.09212) as far as poses need it: timm's without what makes coarser maps and classes of the finest.

    The parts keep their names, so that the weights of timm and the published ones of HRNet fit.

    Args:
        network: timm's ``HighResolutionNet``.
    """

    strides = (STRIDE,)

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        parts = dict(network.named_children())
        for name in HIGH_RESOLUTION_PARTS:
            self.add_module(name, parts[name])
        last = cast("Any", parts["stage4"])[-1]
        # the last module joins its branches into the finest one alone
        last.fuse_layers = nn.ModuleList(list(last.fuse_layers)[:1])
        self.channels: tuple[int, ...] = (last.num_in_chs[0],)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the finest map."""
        part = cast("Any", self)
        stem = part.act2(part.bn2(part.conv2(part.act1(part.bn1(part.conv1(images))))))
        first = part.layer1(stem)
        maps = part.stage2([step(first) for step in part.transition1])
        maps = part.stage3(_next_branches(part.transition2, maps))
        return list(part.stage4(_next_branches(part.transition3, maps)))


def _next_branches(steps: nn.ModuleList, maps: list[Tensor]) -> list[Tensor]:
    """Return the maps with a coarser one, which comes from the last."""
    return [maps[place] if isinstance(step, nn.Identity) else step(maps[-1]) for place, step in enumerate(steps)]


class TransformerTrunk(nn.Module):
    """A plain vision transformer as in ViTPose (https://arxiv.org/abs/2204.12484): its patches are the map.

    Positions are resampled for crops of any size, so that weights of square images fit.

    Args:
        network: timm's ``VisionTransformer`` without a classifier.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.body = network
        body = cast("Any", network)
        self.channels: tuple[int, ...] = (body.embed_dim,)
        self.strides: tuple[int, ...] = (body.patch_embed.patch_size[0],)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the patches as a map."""
        body = cast("Any", self.body)
        patches = body.forward_features(images)[:, body.num_prefix_tokens :]
        size = images.shape[2] // self.strides[0], images.shape[3] // self.strides[0]
        return [patches.transpose(1, 2).unflatten(2, size)]


class Deconvolutions(nn.Sequential):
    """Transposed convolutions with batch norm, each of which doubles a map (https://arxiv.org/abs/1804.06208).

    Args:
        in_channels: of the map.
        channels: of the result.
        steps: how often it is doubled.
    """

    def __init__(self, *, in_channels: int, channels: int, steps: int) -> None:
        widths = [in_channels, *[channels] * steps]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layer = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
            nn.init.normal_(layer.weight, std=0.001)
            layers += [layer, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class Stretch(nn.Module):
    """A map is activated and stretched by a factor, as in the simple decoder of https://arxiv.org/abs/2204.12484."""

    def __init__(self, *, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, features: Tensor) -> Tensor:
        """Return the stretched map."""
        return nn.functional.interpolate(features.relu(), scale_factor=float(self.factor), mode="bilinear", align_corners=False)


def build_upsampling(*, in_channels: int, stride: int, method: str, channels: int) -> tuple[nn.Module, int]:
    """Return what makes a map one of stride 4, the identity where it is, and the channels of the result.

    Args:
        in_channels: of the map.
        stride: of the map.
        method: ``deconvolution`` or ``bilinear``.
        channels: of the deconvolutions.

    Raises:
        ConfigError: no doubling leads from the stride to 4.
    """
    steps = round(math.log2(stride / STRIDE))
    if stride != STRIDE * 2**steps:
        raise ConfigError(
            f"build_upsampling.stride: the last map of the network has a stride of {stride}, one of 4, 8, 16 or 32 expected; take "
            "another network, or other arguments of it"
        )
    if steps == 0:
        return nn.Identity(), in_channels
    if method == "bilinear":
        return Stretch(factor=2**steps), in_channels
    return Deconvolutions(in_channels=in_channels, channels=channels, steps=steps), channels


def build_trunk(name: str, args: Mapping[str, Any]) -> nn.Module:
    """Return a network as a trunk with random weights.

    Args:
        name: as :func:`pet.models.classifiers.find_classifier` takes it: timm's HRNets and vision transformers, and any with stages.
        args: further arguments of the network by its own names.

    Raises:
        ConfigError: there is no such network, it gives no maps, or it does not take its arguments.
    """
    library, own_name = find_classifier(name)
    if library == "timm" and own_name.startswith("hrnet"):
        import timm  # slow to import, and torchvision's networks do without

        return HighResolutionTrunk(construct(name, timm.create_model, {"model_name": own_name, "pretrained": False}, args))
    if library == "timm" and own_name.startswith(("vit_", "deit")):
        import timm  # slow to import, and torchvision's networks do without

        fixed = {"model_name": own_name, "pretrained": False, "num_classes": 0, "dynamic_img_size": True}
        return TransformerTrunk(construct(name, timm.create_model, fixed, args))
    return create_feature_extractor(name, args)
