"""Registries with antgo's calls: ``@X.register_module()`` and ``X.build(dict(type=...))``."""

import inspect
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from petlib.errors import ConfigError, UserError
from petlib.registry import Component, Registry
from petlib.suggest import did_you_mean

OPEN_KINDS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

logger = logging.getLogger(__name__)


class ComponentRegistry(Registry):
    """Classes and functions of one kind by their names; a user's own takes the place of a built-in one of its name.

    Args:
        kind: what they are, for messages: ``"data set"``.
        builtin: the built-in ones, name -> ``module:attribute``.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str] | None = None) -> None:
        super().__init__(kind, builtin, hint="import the module that registers it before the run")

    def register_module(self, name: str | None = None) -> Callable[[Component], Component]:
        """Return a decorator that adds a class or function under ``name`` (default: its own name) and returns it.

        Raises:
            ConfigError: other code has registered this name (the same class may come again, as in a notebook), or ``name`` is no
                name, as where the brackets of the decorator are missing.
        """
        if name is not None and not isinstance(name, str):
            raise ConfigError(f"{name!r} given as the name of a {self.kind}; write @....register_module(), with brackets")

        def add(component: Component) -> Component:
            key = name or component.__name__
            before = self._registered.get(key)
            if before is not None and _source(before) != _source(component):
                raise ConfigError(
                    f"two components are called {key!r} among the {self.kind}s: {_origin(before)} and {_origin(component)}; "
                    "choose another name, e.g. register_module('Other')"
                )
            if before is None and key in self._builtin:
                logger.info("%s of %s takes the place of the built-in %s of this name", key, component.__module__, self.kind)
            self._registered[key] = component
            return component

        return add

    def build(self, entry: Mapping[str, Any], *, place: str = "") -> Any:
        """Return the component that ``entry["type"]`` names, made with the other items of ``entry`` as arguments.

        Args:
            entry: e.g. ``dict(type="ResizeS", target_dim=(256, 256))``; it stays as it is.
            place: where it stands in the config, for messages: ``"data.train.pipeline.1"``.

        Raises:
            ConfigError: the entry has no type, the type is unknown or not finished, or its arguments do not fit.
            UserError: what the component says about its arguments, e.g. a data set about its folder.
        """
        where = f"{place}: " if place else ""
        if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
            raise ConfigError(f"{where}{entry!r} given; a mapping with the name of a {self.kind} expected, dict(type=..., ...)")
        arguments = {str(key): value for key, value in entry.items() if key != "type"}
        try:
            component = self.get(entry["type"])
            self._check(entry["type"], component, arguments)
            return component(**arguments)
        except UserError as error:
            error.args = (f"{where}{error}",)
            raise

    def _check(self, name: str, component: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        """Check that ``component`` can be called with ``arguments``."""
        if missing := sorted(getattr(component, "__abstractmethods__", ())):
            raise ConfigError(f"{self.kind} {name}: its class {_origin(component)} does not define {', '.join(missing)}")
        parameters = inspect.signature(component).parameters
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        unknown = [key for key in arguments if key not in parameters and not takes_any]
        if unknown:
            takes, hint = ", ".join(parameters) or "no arguments", did_you_mean(unknown[0], parameters)
            raise ConfigError(f"{self.kind} {name}: unknown argument {unknown[0]!r}{hint} (it takes {takes})")
        closed = [parameter for parameter in parameters.values() if parameter.kind not in OPEN_KINDS]
        required = [parameter.name for parameter in closed if parameter.default is parameter.empty]
        if lacking := [key for key in required if key not in arguments]:
            raise ConfigError(f"{self.kind} {name}: {', '.join(lacking)} missing; write dict(type={name!r}, {lacking[0]}=...)")


def _origin(component: Callable[..., Any]) -> str:
    return f"{component.__module__}.{component.__qualname__}"


def _source(component: Callable[..., Any]) -> tuple[str, str]:
    """Return file and name: a script that is also imported is one module by two names."""
    file = getattr(sys.modules.get(component.__module__), "__file__", None)
    return file or component.__module__, component.__qualname__
