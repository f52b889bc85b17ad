"""The names of models and networks."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from pet.compat.trainframework.building import make, make_registry
from pet.compat.trainframework.configuration import Settings
from petlib.config.nested import Component
from petlib.errors import ConfigError

BUILD_MODEL_REGISTRY = make_registry("model")
"""Subclasses of :class:`~pet.compat.trainframework.model.base_model.BaseModel`, for ``trainer.model.name``."""

BUILD_NETWORK_REGISTRY = make_registry(
    "network",
    {
        "ResidualDenoiser": "pet.compat.trainframework.model.networks:ResidualDenoiser",
        "PatchDiscriminator": "pet.compat.trainframework.model.networks:PatchDiscriminator",
    },
)
"""Modules of torch, for the blocks of networks below ``trainer.model``."""


def build_network(params: Settings | Mapping[str, Any]) -> nn.Module:
    """Return the network that :data:`BUILD_NETWORK_REGISTRY` has under the name of a block; parts of a network are built so too.

    Args:
        params: a block of the config, or a dictionary ``dict(name="PatchDiscriminator", channels=3)``.

    Raises:
        ConfigError: there is no name, it is not registered, or the arguments do not fit.
    """
    arguments = params.to_dict() if isinstance(params, Settings) else dict(params)
    place = params.locate() if isinstance(params, Settings) else "build_network"
    key = next((key for key in arguments if str(key).lower() == "name"), None)
    if key is None:
        raise ConfigError(f"{place}: {arguments!r} given, the entry 'name' expected, which names what to build")
    network: nn.Module = make(BUILD_NETWORK_REGISTRY, Component(arguments.pop(key), arguments, place))
    return network
