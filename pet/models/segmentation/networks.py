"""Networks of segmentation and change detection by name."""

import inspect
from collections.abc import Mapping
from typing import Any, cast

from pet.models.segmentation.network import SegmentationNetwork
from petlib.arguments import fit_arguments
from petlib.errors import ConfigError
from petlib.registry import Registry
from petlib.suggest import did_you_mean

FIXED = ("channels", "in_channels")
"""Arguments that every network takes and that have settings of their own."""

NETWORKS = Registry(
    "network",
    {
        **{f"segformer_b{size}": f"pet.models.segmentation.segformer:build_segformer_b{size}" for size in range(6)},
        **{
            name: f"pet.models.segmentation.encoder_decoder:build_{name}"
            for name in ("unet", "deeplabv3plus", "upernet", "fcn_hrnet_w18_small", "fcn_hrnet_w18", "fcn_hrnet_w48")
        },
        **{name: f"pet.models.segmentation.ocrnet:build_{name}" for name in ("ocrnet_hrnet_w18", "ocrnet_hrnet_w48")},
        "bisenetv2": "pet.models.segmentation.bisenetv2:build_bisenetv2",
        **{
            name: f"pet.models.change.siamese:build_{name}"
            for name in ("siamese", "siamese_efficientnet_b0_bifpn", "siamese_hrnet_w18_bifpn")
        },
        "siamese_resnet18_unet": "pet.models.change.siamese_unet:build_siamese_resnet18_unet",
        "semantic_change": "pet.models.change.semantic:build_semantic_change",
    },
)
"""``MODEL.NETWORK`` -> builder. A builder of a user takes ``channels``, ``in_channels`` and its own arguments, all by keyword."""


def build_network(
    name: str, *, channels: int, in_channels: int = 3, args: Mapping[str, Any] | None = None, where: str = "build_network.name"
) -> SegmentationNetwork:
    """Return a network with random weights.

    Args:
        name: a key of :data:`NETWORKS`.
        channels: maps of logits: as many as classes, or 1 where a sigmoid says foreground.
        in_channels: channels of the images.
        args: further arguments of that network by its own names.
        where: what the name was given as, for messages.

    Raises:
        ConfigError: there is no such network, or it does not take the arguments.
    """
    try:
        builder = NETWORKS.get(name)
        own = [argument for argument in inspect.signature(builder).parameters if argument not in FIXED]
        for argument in args or {}:
            if argument not in own:
                takes = ", ".join(own) or "no arguments"
                raise ConfigError(f"{name} has no argument {argument!r}{did_you_mean(argument, own)} (it takes {takes})")
        fixed = {"channels": channels, "in_channels": in_channels}
        return cast("SegmentationNetwork", builder(**fit_arguments("network", name, builder, {**fixed, **(args or {})})))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
