"""Components found by name: a table of the built-in ones, and decorators for those of a user."""

import importlib
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, TypeVar

from petlib.errors import ConfigError
from petlib.suggest import did_you_mean
from petlib.user_code import import_user_module

Component = TypeVar("Component", bound=Callable[..., Any])
Entry = TypeVar("Entry")
ADD_YOUR_OWN = "add your own with MISC.IMPORTS"
logger = logging.getLogger(__name__)


class Registry:
    """Names of one kind of component, e.g. of optimizers.

    Built-in components are listed in an explicit table ``name -> "module:attribute"`` and are imported when they are asked
    for, so a name never depends on what happened to be imported before. A user's own components are added with
    :meth:`register`; the modules that hold them are named in the config (``MISC.IMPORTS``).

    Args:
        kind: what the components are, for messages: ``"optimizer"``.
        builtin: the table of built-in components.
        hint: how a user adds components, for messages.
        if_taken: what becomes of a component whose name other code has registered: ``refuse`` raises, ``refuse_on_use`` raises when a
            component is asked for, for scripts of users that import their components before any command line can turn a mistake into
            a message; ``replace`` takes the new one. The same code may always register again, as a cell of a notebook does.
        replaces_builtin: a user's component takes the place of a built-in one of its name.
    """

    def __init__(
        self,
        kind: str,
        builtin: Mapping[str, str] | None = None,
        *,
        hint: str = ADD_YOUR_OWN,
        if_taken: Literal["refuse", "refuse_on_use", "replace"] = "refuse",
        replaces_builtin: bool = False,
    ) -> None:
        self.kind = kind
        self._if_taken = if_taken
        self._replaces_builtin = replaces_builtin
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
            self._check_free(key, component)
            self._registered[key] = component
            return component

        return add

    def get(self, name: str) -> Callable[..., Any]:
        """Return the component called ``name``.

        Raises:
            ConfigError: there is none; the message gives the nearest names and the modules that were looked at. Or a name of
                this registry was given twice, and it refuses that on use.
        """
        if self._conflict is not None:
            raise self._conflict
        if name in self._registered:
            return self._registered[name]
        if name in self._builtin:
            return import_component(self._builtin[name])
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

    def _check_free(self, name: str, component: Callable[..., Any]) -> None:
        """Check that a name may be registered, and log what it replaces."""
        before = self._registered.get(name)
        if before is None and name not in self._builtin:
            return
        if before is not None and _source(before) == _source(component):
            return
        if before is None and self._replaces_builtin:
            logger.info("%s of %s takes the place of the built-in %s of this name", name, component.__module__, self.kind)
            return
        if self._if_taken == "replace":
            logger.info("the %s %s of %s takes the place of an earlier one", self.kind, name, component.__module__)
            return
        origin = self._builtin[name] if before is None else _origin(before)
        conflict = ConfigError(
            f"the {self.kind} {name!r} of {_origin(component)} has a name that is taken by {origin}; choose another name, e.g. "
            f"{name + 'Two'!r}"
        )
        if self._if_taken == "refuse":
            raise conflict
        self._conflict = conflict


def _origin(component: Callable[..., Any]) -> str:
    return f"{component.__module__}.{component.__qualname__}"


def _source(component: Callable[..., Any]) -> tuple[str, str]:
    """Return file and name: a script that is also imported is one module by two names."""
    file = getattr(sys.modules.get(component.__module__), "__file__", None)
    return file or component.__module__, component.__qualname__


class EntryRegistry(Generic[Entry]):
    """Names of one kind of component with what is known of each, so that a config can be checked before anything slow is imported.

    An entry is a small object of the caller's; it names its component as :func:`import_component` takes it. As a collection the
    registry holds the names in the order in which they were added. The modules that add entries of a user are named in
    the config (``MISC.IMPORTS``).

    Args:
        kind: what the components are, for messages: ``"detector"``.
        builtin: name -> entry of the built-in components.
    """

    def __init__(self, kind: str, builtin: Mapping[str, Entry]) -> None:
        self.kind = kind
        self._entries = dict(builtin)

    def add(self, name: str, entry: Entry) -> None:
        """Add a component.

        Raises:
            ConfigError: the name is taken.
        """
        if name in self._entries:
            raise ConfigError(f"there is a {self.kind} {name!r} already; choose another name")
        self._entries[name] = entry

    def get(self, name: str) -> Entry:
        """Return the entry called ``name``.

        Raises:
            ConfigError: there is none; the message gives the nearest names.
        """
        if name not in self._entries:
            hint = did_you_mean(name, self._entries)
            raise ConfigError(f"unknown {self.kind} {name!r}{hint}\n  there are: {', '.join(self._entries)} ({ADD_YOUR_OWN})")
        return self._entries[name]

    def entries(self) -> list[Entry]:
        """Return all entries in the order of their names."""
        return list(self._entries.values())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def import_component(component: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return a component that is given as itself or as ``"module:attribute"``, which is imported."""
    if not isinstance(component, str):
        return component
    module, attribute = component.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


def import_user_modules(names: Iterable[str]) -> None:
    """Import the modules of ``MISC.IMPORTS``, so that what they register can be found.

    Raises:
        ConfigError: a module cannot be found, or there is a mistake in it; the message has its line.
    """
    for name in names:
        try:
            import_user_module(name)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"the modules that the config imports: there is no module {name!r}; give a dotted name that python can import "
                "(the current folder counts when PYTHONPATH holds it)"
            ) from error
