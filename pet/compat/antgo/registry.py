"""Registries with antgo's calls: ``@X.register_module()`` and ``X.build(dict(type=...))``."""

from collections.abc import Callable, Mapping
from typing import Any

from pet.compat.shared.building import build
from petlib.config.nested import Component
from petlib.errors import ConfigError
from petlib.registry import Component as Registered
from petlib.registry import Registry


class ComponentRegistry(Registry):
    """Classes and functions of one kind by their names; a user's own takes the place of a built-in one of its name.

    Args:
        kind: what they are, for messages: ``"data set"``.
        builtin: the built-in ones, name -> ``module:attribute``.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str] | None = None) -> None:
        super().__init__(kind, builtin, hint="import the module that registers it before the run", replaces_builtin=True)

    def register_module(self, name: str | None = None) -> Callable[[Registered], Registered]:
        """Return a decorator that adds a class or function under ``name`` (default: its own name) and returns it.

        Raises:
            ConfigError: other code has registered this name, or ``name`` is no name, as where the brackets of the decorator are missing.
        """
        if name is not None and not isinstance(name, str):
            raise ConfigError(f"{name!r} given as the name of a {self.kind}; write @....register_module(), with brackets")
        return self.register(name)

    def build(self, entry: Mapping[str, Any], *, place: str = "") -> Any:
        """Return the component that ``entry["type"]`` names, made with the other items of ``entry`` as arguments.

        Args:
            entry: e.g. ``dict(type="ResizeS", target_dim=(256, 256))``; it stays as it is.
            place: where it is in the config, for messages: ``"data.train.pipeline.1"``.

        Raises:
            ConfigError: the entry has no type.
            UserError: see :func:`pet.compat.shared.building.build`.
        """
        if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
            where = f"{place}: " if place else ""
            raise ConfigError(f"{where}{entry!r} given; a mapping with the name of a {self.kind} expected, dict(type=..., ...)")
        arguments = {str(key): value for key, value in entry.items() if key != "type"}
        return build(self, Component(entry["type"], arguments, place), name_key="type")
