"""Where the modules of a task are, found by the path of a config. Imports no torch."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, cast

from petlib.config import TaskConfig
from petlib.config.load import missing_functions
from petlib.errors import ConfigError
from petlib.launch.start.resolve import Place, describe_not_found, find_places
from petlib.user_code import import_user_module

CONFIG_MODULE = "config"


class TaskFolder(NamedTuple):
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
            ConfigError: there is a mistake in a module of the user, or another package has the name of the folder, and Python imports
                that one.
            ModuleNotFoundError: the task has no such module.
        """
        full_name = f"{self.package}.{name}"
        if self.root is None:
            return importlib.import_module(full_name)
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
        module = import_user_module(full_name, self.root)
        file = Path(module.__file__ or "")
        if self.root.resolve() not in file.resolve().parents:
            raise ConfigError(f"{self.own_file(name)}: Python imports {full_name} from {file} instead; give the folder another name")
        return module

    def own_file(self, name: str) -> Path | None:
        """Return the file of a module below the user's root, whether or not there is one; None: the task is not the user's own."""
        return None if self.root is None else self.root.joinpath(*self.package.split("."), f"{name}.py")

    def has_module(self, name: str) -> bool:
        """Return whether the task has a module of this name, without importing it."""
        file = self.own_file(name)
        if file is not None:
            return file.is_file()
        parts = [*self.package.split("."), name]
        # a parent that is missing is an error for find_spec
        return all(importlib.util.find_spec(".".join(parts[:length])) is not None for length in range(1, len(parts) + 1))

    @property
    def type_folder(self) -> str:
        """What ``--type`` calls it, e.g. ``tasks/cls``."""
        return "/".join(self.package.split(".")[self.root is None :])

    @property
    def config(self) -> TaskConfig:
        """The task's settings, the module ``config``."""
        return cast(TaskConfig, self.import_module(CONFIG_MODULE))

    def find_config(self) -> TaskConfig | None:
        """Return the task's ``config`` module; None where there is none, or one without ``get_base_cfg`` and ``infer_cfg``."""
        return self.config if self.has_module(CONFIG_MODULE) and not missing_functions(self.config) else None

    def describe_config(self) -> str:
        """Return where its ``config`` is looked for, and what that lacks."""
        file = self.own_file(CONFIG_MODULE)
        place = f"{self.package}.{CONFIG_MODULE}" if file is None else str(file)
        missing = missing_functions(self.config) if self.has_module(CONFIG_MODULE) else ""
        return f"{place}: {missing}" if missing else place


def task_folder_at(place: Place, package: str) -> TaskFolder | None:
    """Return the task of a place: ``<root>/<folders>`` with a ``config.py``, else ``<package>.<folders>``; None where there is neither.

    Args:
        place: root and folders.
        package: the package that holds the tasks, e.g. ``"pet"``.
    """
    return next((folder for folder in _candidates(place, package) if folder.find_config() is not None), None)


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
        tried = describe_tried(places, package)
        raise ConfigError(describe_not_found(config, "task", places, tried, type_folder=type_folder, package=package))
    return folder


def first_task_folder(places: Sequence[Place], package: str) -> TaskFolder | None:
    """Return the task of the first place that has one."""
    return next((folder for place in places if (folder := task_folder_at(place, package)) is not None), None)


def describe_tried(places: Sequence[Place], package: str) -> list[str]:
    """Return the files and modules that may hold the settings of a task, and what those lack that are there."""
    return [folder.describe_config() for place in places for folder in _candidates(place, package)]


def _candidates(place: Place, package: str) -> list[TaskFolder]:
    if not all(part.isidentifier() for part in place.folders):
        return []
    name = ".".join(place.folders)
    return [TaskFolder(name, place.root), TaskFolder(f"{package}.{name}")]
