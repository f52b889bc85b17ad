"""Components of the door that are built by the names of a config."""

from collections.abc import Mapping
from typing import Any

from petlib.arguments import fit_arguments
from petlib.errors import ConfigError
from petlib.registry import Registry

HOW_TO_REGISTER = "import the module of your own in train.py, or name it in the config's imports"
"""The hint of the door's registries."""


def build_registered(registry: Registry, name: str, arguments: Mapping[str, Any], *, place: str) -> Any:
    """Return what ``name`` stands for, called with the arguments in the types that it declares.

    Args:
        registry: where the name is looked up.
        name: of a class or function.
        arguments: what the config gives it.
        place: where the config says so, for messages: ``"x.py:12: dataloader.train_data_set"``.

    Raises:
        ConfigError: the name or an argument is unknown, missing or of another type, or the component says that one is wrong.
    """
    try:
        component = registry.get(name)
        return component(**fit_arguments(registry.kind, name, component, arguments))
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error
