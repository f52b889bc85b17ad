"""Networks of clips by name: Pet's own and torchvision's."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from pet.models.classifiers import construct
from petlib.errors import ConfigError
from petlib.registry import Registry
from petlib.suggest import did_you_mean

PREFIX = "torchvision/"

VIDEO_NETWORKS = Registry(
    "network of clips",
    {
        "slowfast_r50": "pet.models.video.slowfast:build_slowfast",
        "slowonly_r50": "pet.models.video.slowfast:build_slowonly",
        "tsm": "pet.models.video.segments:build_tsm",
        "tsn": "pet.models.video.segments:build_tsn",
    },
)
"""Name in ``MODEL.NETWORK`` -> what builds it, called by keyword with ``backbone``, ``num_classes``, ``frames`` and ``args``."""


def build_video_network(name: str, *, backbone: str, num_classes: int, frames: int, args: Mapping[str, Any]) -> nn.Module:
    """Return a network with random weights that turns float clips (B, 3, T, H, W) into logits (B, num_classes).

    Args:
        name: a name of :data:`VIDEO_NETWORKS`, or ``torchvision/NAME``.
        backbone: the classifier of images that ``tsn`` and ``tsm`` look with.
        num_classes: length of the logits.
        frames: T.
        args: further arguments of the network, by its own names; of ``tsn`` and ``tsm`` those of the classifier.

    Raises:
        ConfigError: there is no such network, or it does not take ``args``.
    """
    if name.startswith(PREFIX):
        from torchvision import models  # slow to import, and Pet's own networks do without

        own_name = _own_name(name)
        return construct(name, models.get_model_builder(own_name), {"weights": None, "num_classes": num_classes}, args)
    build: Callable[..., nn.Module] = VIDEO_NETWORKS.get(name)
    fixed = {"backbone": backbone, "num_classes": num_classes, "frames": frames}
    try:
        return build(**fixed, args=dict(args))
    except TypeError as error:
        if not args:
            raise
        raise ConfigError(f"construct.args: {name} cannot be built with {dict(args)}: {error}") from error


def is_video_network(name: str) -> bool:
    """Return whether a name, ``torchvision/NAME``, is that of a network of clips."""
    from torchvision import models  # slow to import, and Pet's own networks do without

    return name.startswith(PREFIX) and name.removeprefix(PREFIX) in models.list_models(module=models.video)


def _own_name(name: str) -> str:
    """Return what torchvision calls a network.

    Raises:
        ConfigError: it has none of this name.
    """
    from torchvision import models  # slow to import, and Pet's own networks do without

    own_name, names = name.removeprefix(PREFIX), models.list_models(module=models.video)
    if own_name not in names:
        raise ConfigError(
            f"build_video_network.name: torchvision has no network of clips {own_name!r}{did_you_mean(own_name, names)}\n"
            f"  it has {', '.join(names)}"
        )
    return own_name
