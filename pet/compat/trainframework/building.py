"""From a name and arguments in the config to the object that they mean."""

from typing import Any

from petlib.arguments import fit_arguments
from petlib.config.nested import Component
from petlib.errors import ConfigError
from petlib.registry import Registry

HINT = "import the module that registers it in train.py, or name it under imports in the config"
"""How a user's components are found, for messages."""


def make(registry: Registry, component: Component) -> Any:
    """Return the object that a config asks for.

    Args:
        registry: where its name stands.
        component: the name and the arguments of the constructor.

    Raises:
        ConfigError: the name is not registered, or an argument is unknown, missing or of another type, or the constructor says that
            one is wrong.
    """
    factory = find(registry, component)
    arguments = fit_arguments(f"{component.place}: {registry.kind}", component.name, factory, component.arguments)
    try:
        return factory(**arguments)
    except ConfigError as error:
        # a constructor does not know where its arguments stand
        raise ConfigError(f"{component.place}: {error}") from error


def find(registry: Registry, component: Component) -> Any:
    """Return the class or function that a config names.

    Raises:
        ConfigError: the name is not registered.
    """
    try:
        return registry.get(component.name)
    except ConfigError as error:
        raise ConfigError(f"{component.place}: {error}") from error
