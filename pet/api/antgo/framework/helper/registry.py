"""Registries as antgo's users call them: ``@X.register_module()`` and ``X.build(dict(type=..., ...))``."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from petlib.arguments import fit_arguments
from petlib.errors import ConfigError
from petlib.registry import Component, Registry

HINT = "a component of yours is registered when the module that has it is imported, before the Trainer, Tester or Exporter is made"

logger = logging.getLogger(__name__)


class ModuleRegistry(Registry):
    """Components of one kind by the ``type`` of a config.

    A component of the user may have the name of a built-in one and counts in its place.

    Args:
        kind: what the components are, for messages: ``"measure"``.
        builtin: table ``name -> "module:attribute"`` of the built-in ones.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str] | None = None) -> None:
        super().__init__(kind, builtin, hint=HINT)

    def register_module(self, name: str | None = None, *, force: bool = False) -> Callable[[Component], Component]:
        """Return a decorator that adds a class or function under ``name`` (default: its own name).

        Args:
            name: what configs call it.
            force: another component of the user with this name is replaced, as when a cell of a notebook runs again.

        Raises:
            ConfigError: another component of the user has the name.
        """

        def add(component: Component) -> Component:
            key = name or component.__name__
            if self._builtin.pop(key, None) is not None:
                logger.info("the %s %s of %s stands in the place of the built-in one", self.kind, key, component.__module__)
            if force:
                self._registered.pop(key, None)
            return self.register(key)(component)

        return add

    def build(self, cfg: Mapping[str, Any]) -> Any:
        """Return what the component ``cfg["type"]`` makes of the other entries; ``cfg`` stays as it is.

        Raises:
            ConfigError: there is no ``type``, none of this name, or it does not take the arguments.
        """
        if not isinstance(cfg, Mapping) or not isinstance(cfg.get("type"), str):
            raise ConfigError(f"{self.kind}: {cfg!r} given, a dictionary like dict(type='NAME', ...) expected")
        arguments = {str(key): value for key, value in cfg.items() if key != "type"}
        component = self.get(cfg["type"])
        return component(**fit_arguments(self.kind, cfg["type"], component, arguments))
