"""Components found by name: a table of the built-in ones, and decorators for those of a user."""

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

Component = TypeVar("Component", bound=Callable[..., Any])


class Registry:
    """Names of one kind of component, e.g. of optimizers.

    Built-in components stand in an explicit table ``name -> "module:attribute"`` and are imported when they are asked
    for, so a name never depends on what happened to be imported before. A user's own components are added with
    :meth:`register`; the modules that hold them are named in the config (``MISC.IMPORTS``).

    Args:
        kind: what the components are, for messages: ``"optimizer"``.
        builtin: the table of built-in components.
        hint: how a user adds components, for messages.
        tells_late: a name that is taken is told when a component is asked for, not where it is registered. For scripts of users that
            import their components before any command line is there to turn a mistake into a message.
    """

    def __init__(
        self,
        kind: str,
        builtin: Mapping[str, str] | None = None,
        *,
        hint: str = "add your own with MISC.IMPORTS",
        tells_late: bool = False,
    ) -> None:
        self.kind = kind
        self._tells_late = tells_late
        self._conflict: ConfigError | None = None
        self._hint = hint
        self._builtin = dict(builtin or {})
        self._registered: dict[str, Callable[..., Any]] = {}

    def register(self, name: str | None = None) -> Callable[[Component], Component]:
        """Return a decorator that adds a class or function under ``name`` (default: its own name).

        Raises:
            ConfigError: the name is taken.
        """

        def add(component: Component) -> Component:
            key = name or component.__name__
            if key in self:
                self._conflict = ConfigError(
                    f"the {self.kind} {key!r} of {component.__module__} has a name that is taken by {self._origin(key)}; "
                    "choose another name"
                )
                if not self._tells_late:
                    raise self._conflict
            self._registered[key] = component
            return component

        return add

    def get(self, name: str) -> Callable[..., Any]:
        """Return the component called ``name``.

        Raises:
            ConfigError: there is none; the message gives the nearest names and the modules that were looked at. Or a name of
                this registry was given twice, and it tells late.
        """
        if self._tells_late and self._conflict is not None:
            raise self._conflict
        if name in self._registered:
            return self._registered[name]
        if name in self._builtin:
            module, attribute = self._builtin[name].split(":")
            component: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
            return component
        raise ConfigError(
            f"unknown {self.kind} {name!r}{did_you_mean(name, self.names())}\n"
            f"  there are: {', '.join(self.names()) or 'none'}\n"
            f"  modules looked at: {', '.join(self.modules()) or 'none'} ({self._hint})"
        )

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted({*self._builtin, *self._registered})

    def modules(self) -> list[str]:
        """Return the modules that components come from, sorted."""
        builtin = {target.split(":")[0] for target in self._builtin.values()}
        return sorted(builtin | {component.__module__ for component in self._registered.values()})

    def __contains__(self, name: str) -> bool:
        return name in self._builtin or name in self._registered

    def _origin(self, name: str) -> str:
        return self._builtin.get(name) or self._registered[name].__module__


def import_user_modules(names: Iterable[str]) -> None:
    """Import the modules of ``MISC.IMPORTS``, so that what they register can be found.

    Raises:
        ConfigError: a module cannot be found. An error inside a module is raised as it is.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
                raise
            raise ConfigError(
                f"the modules that the config imports: there is no module {name!r}; give a dotted name that python can import "
                "(the current folder counts when PYTHONPATH holds it)"
            ) from error
