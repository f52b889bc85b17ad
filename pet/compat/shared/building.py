"""From a name and arguments in a config to the object that they mean."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from petlib.arguments import fit_arguments
from petlib.config.nested import Component
from petlib.errors import ConfigError, UserError
from petlib.registry import Registry
from petlib.suggest import did_you_mean

Kind = TypeVar("Kind")


def build(registry: Registry, component: Component, *, name_key: str) -> Any:
    """Return the object that a config asks for.

    Args:
        registry: knows its name.
        component: the name and the arguments of the constructor; every message begins with its place.
        name_key: the key of the name in a config, for messages: ``"type"``.

    Raises:
        UserError: the name is not registered, the class is abstract, an argument is unknown, missing or of another type, or the
            constructor says that something is wrong, e.g. a data set about its folder.
    """
    try:
        factory = registry.get(component.name)
        if lacking := sorted(getattr(factory, "__abstractmethods__", ())):
            raise ConfigError(
                f"{registry.kind} {component.name}: its class {factory.__module__}.{factory.__qualname__} does not define "
                f"{', '.join(lacking)}"
            )
        example = f"dict({name_key}={{name!r}}, {{argument}}=...)"
        return factory(**fit_arguments(registry.kind, component.name, factory, component.arguments, example=example))
    except UserError as error:
        _add_place(error, component.place)
        raise


def find(registry: Registry, component: Component) -> Callable[..., Any]:
    """Return the class or function that a config names.

    Raises:
        ConfigError: the name is not registered; the message begins with the place in the config.
    """
    try:
        return registry.get(component.name)
    except ConfigError as error:
        _add_place(error, component.place)
        raise


def find_class(registry: Registry, component: Component, kind: type[Kind]) -> type[Kind]:
    """Return the class that a config names, a subclass of ``kind`` that defines all that it has to.

    Raises:
        ConfigError: the name is not registered, or it is something else.
    """
    found = find(registry, component)
    lacking = sorted(getattr(found, "__abstractmethods__", ()))
    if lacking or not (inspect.isclass(found) and issubclass(found, kind)):
        wanted = f"it has to define {' and '.join(lacking)}" if lacking else f"a subclass of {kind.__name__} expected"
        raise ConfigError(f"{component.place}: {component.name} cannot be used: {wanted}")
    return found


def check_argument_names(registry: Registry, component: Component, *, own: Sequence[str]) -> None:
    """Check that a name is registered and takes the arguments of the config, before there is all that building it needs.

    Args:
        registry: knows the name.
        component: the name and the arguments.
        own: arguments that the program gives, e.g. ``params`` of an optimizer.

    Raises:
        ConfigError: the name is not registered, or it has no such argument.
    """
    parameters = inspect.signature(find(registry, component)).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    names = [name for name in parameters if name not in own]
    for name in component.arguments:
        if name not in names:
            hint = did_you_mean(name, names)
            raise ConfigError(f"{component.place}: {component.name} has no argument {name!r}{hint}; there are {', '.join(names)}")


def _add_place(error: UserError, place: str) -> None:
    """Let a message begin with the place in the config, which a constructor does not know."""
    if place:
        error.args = (f"{place}: {error}",)
