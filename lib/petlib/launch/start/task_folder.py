"""Where the modules of a task are, found by the path of a config. Imports no torch."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import cast

from petlib.config import TaskConfig
from petlib.errors import ConfigError
from petlib.launch.start.resolve import Place, describe_not_found, find_places

CONFIG_MODULE = "config"


@dataclass(frozen=True)
class TaskFolder:
    """The folder of a task: in the package of the tasks, or below a root of the user's own.

    Attributes:
        package: name under which it is imported, e.g. ``pet.tasks.cls``, or ``tasks.face`` for ``<root>/tasks/face``.
        root: what has to be on Python's path for that; None: it is importable as it is.
    """

    package: str
    root: Path | None = None

    def import_module(self, name: str) -> ModuleType:
        """Import a module of the task, e.g. ``config``.

        Raises:
            ConfigError: another package has the name of the folder, and Python imports that one.
            ModuleNotFoundError: the task has no such module.
        """
        if self.root is not None and str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
        module = importlib.import_module(f"{self.package}.{name}")
        file = Path(module.__file__ or "")
        if self.root is not None and self.root.resolve() not in file.resolve().parents:
            raise ConfigError(
                f"{self.root.joinpath(*self.package.split('.'), f'{name}.py')}: Python imports {self.package}.{name} from {file} instead; "
                "give the folder another name"
            )
        return module

    def has_module(self, name: str) -> bool:
        """Return whether the task has a module of this name, without importing it."""
        if self.root is not None:
            return self.root.joinpath(*self.package.split("."), f"{name}.py").is_file()
        parts = [*self.package.split("."), name]
        # a parent that is missing is an error for find_spec
        return all(importlib.util.find_spec(".".join(parts[:length])) is not None for length in range(1, len(parts) + 1))

    @property
    def config(self) -> TaskConfig:
        """The task's settings, the module ``config``."""
        return cast(TaskConfig, self.import_module(CONFIG_MODULE))

    def find_config(self) -> TaskConfig | None:
        """Return the task's ``config`` module; None where there is none, or one without ``get_base_cfg`` and ``infer_cfg``."""
        if not self.has_module(CONFIG_MODULE):
            return None
        return self.config if hasattr(self.config, "get_base_cfg") and hasattr(self.config, "infer_cfg") else None


def task_folder_at(place: Place, package: str) -> TaskFolder | None:
    """Return the task of a place: ``<root>/<folders>`` with a ``config.py``, else ``<package>.<folders>``; None where there is neither.

    Args:
        place: root and folders.
        package: the package that holds the tasks, e.g. ``"pet"``.
    """
    if not all(part.isidentifier() for part in place.folders):
        return None
    name = ".".join(place.folders)
    candidates = (TaskFolder(name, place.root), TaskFolder(f"{package}.{name}"))
    return next((folder for folder in candidates if folder.find_config() is not None), None)


def find_task_folder(config: Path, package: str, *, type_folder: str | None = None) -> TaskFolder:
    """Return the task that a config belongs to, whether or not it has scripts of its own.

    Args:
        config: path of the config file: ``<root>/cfgs/<type>/<...>/x.yaml`` belongs to the deepest ``<root>/<type>/<...>`` or
            ``<package>.<type>.<...>`` that has a ``config`` module.
        package: the package that holds the tasks, e.g. ``"pet"``.
        type_folder: the type, where the path does not show it.

    Raises:
        ConfigError: there is no such task; the message lists what was tried.
    """
    places = find_places(config, type_folder=type_folder)
    folder = first_task_folder(places, package)
    if folder is None:
        tried = [text for place in places for text in _tried(place, package)]
        raise ConfigError(describe_not_found(config, "task", places, tried, type_folder=type_folder, package=package))
    return folder


def first_task_folder(places: Sequence[Place], package: str) -> TaskFolder | None:
    """Return the task of the first place that has one."""
    return next((folder for place in places if (folder := task_folder_at(place, package)) is not None), None)


def _tried(place: Place, package: str) -> list[str]:
    return [str(place.root.joinpath(*place.folders, f"{CONFIG_MODULE}.py")), ".".join((package, *place.folders, CONFIG_MODULE))]
