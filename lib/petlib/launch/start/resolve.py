"""From the path of a config to the place of its type, and to the script that runs it."""

import importlib.util
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from petlib.config.layers import recorded_type
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean, nearest_names

CONFIG_FOLDER = "cfgs"
SCRIPT_FOLDER = "tools"
TRAIN_SCRIPT = "train_net.py"
SHIPPED = "shipped"
"""The folder of an installed package that has the configs and scripts of its checkout."""
SETTINGS, GIVES_SETTINGS = "config.py", "def get_base_cfg("
"""The file of a task's settings, and what is in it."""


class Place(NamedTuple):
    """Where something of a config's type may be: below ``root``, in the folders of the type, e.g. ``("tasks", "cls")``."""

    root: Path
    folders: tuple[str, ...]

    def script(self, name: str) -> Path:
        """Return the path of a script of this type."""
        return Path(self.root, SCRIPT_FOLDER, *self.folders, name)


class Script(NamedTuple):
    """A script to start: its path, and the place of the type that it belongs to.

    Attributes:
        path: the file.
        place: where the type is.
        serves_all_tasks: the script belongs to no type: it finds the task by the path of the config.
    """

    path: Path
    place: Place
    serves_all_tasks: bool = False

    def declares(self, option: str) -> bool:
        """Return whether the script's text has ``option``, e.g. ``--local_rank``, as a string: then it reads that from its command line."""
        text = self.path.read_text(encoding="utf-8", errors="replace")
        return f'"{option}"' in text or f"'{option}'" in text


def find_script(places: Sequence[Place], name: str) -> Script | None:
    """Return the script ``name`` of the first place that has one; None where none has."""
    return next((Script(place.script(name), place) for place in places if place.script(name).is_file()), None)


def find_places(config: Path, *, type_folder: str | None = None, repository: Path | None = None) -> list[Place]:
    """Return where the type of a config may be, the most special one first.

    The path of the config is taken as it is written first, then with its symbolic links resolved; of several ``cfgs`` the
    deepest comes first. Where the path names none, ``_TYPE_`` in the file does, as in the record of a run.

    Args:
        config: path of the config file.
        type_folder: folder below ``tools`` instead of the path's, e.g. ``"vision"`` or ``"tasks/cls"``. Roots are then the
            config's own, the current folder and ``repository``; folders that follow the type in the config's path are
            sub folders of it.
        repository: root of the checkout whose launcher runs, if any.

    Raises:
        ConfigError: ``type_folder`` is no folder below ``tools``.
    """
    if type_folder is not None:
        return list(dict.fromkeys(_by_type(config, _type_parts(type_folder), repository)))
    found = list(dict.fromkeys(_by_config_path(config)))
    recorded = "" if found else recorded_type(config)
    return found or (list(dict.fromkeys(_by_type(config, _type_parts(recorded), repository))) if recorded else [])


def type_of_script(script: Path) -> str:
    """Return the folders between ``tools`` and a script, e.g. ``tasks/cls`` of ``tools/tasks/cls/train_net.py``; empty: there are none."""
    parts = script.absolute().parts[:-1]
    return "/".join(parts[len(parts) - parts[::-1].index(SCRIPT_FOLDER) :]) if SCRIPT_FOLDER in parts else ""


def repository_of(package: str) -> Path | None:
    """Return the folder with ``cfgs`` and ``tools`` of a package: its folder ``shipped``, or the checkout around it; None: neither."""
    roots = [root for folder in _package_folders(package) for root in (folder / SHIPPED, folder.parent)]
    return next((root for root in roots if (root / CONFIG_FOLDER).is_dir() and (root / SCRIPT_FOLDER).is_dir()), None)


def find_config(config: Path, package: str) -> Path:
    """Return the file of a config: ``config`` itself, or where there is none, the one of that name among the configs of the package.

    Args:
        config: a path, or a name below ``cfgs`` of the package, with or without ``cfgs/``, e.g. ``vision/shapes/fcos_R-18-FPN.yaml``.
        package: e.g. ``"pet"``.

    Raises:
        ConfigError: there is neither; the package has one of a similar name, and the folder of ``config`` has no config here.
    """
    repository = None if config.exists() or config.is_absolute() or ".." in config.parts else repository_of(package)
    if repository is None:
        return config
    shipped = repository / CONFIG_FOLDER
    file = next((file for file in (shipped / config, repository / config) if file.is_file() and file.is_relative_to(shipped)), None)
    if file is None and not any(config.parent.glob("*.yaml")) and (similar := _similar_configs(config, shipped)):
        raise ConfigError(f"{config}: there is no such config, neither here nor in {package}; did you mean {' or '.join(similar)}?")
    return file or config


def _similar_configs(config: Path, shipped: Path) -> list[str]:
    """Return the configs below a folder that have the name of ``config``, with or without its ending; else those that resemble it."""
    names = sorted(file.relative_to(shipped).as_posix() for file in shipped.rglob("*.yaml"))
    given = config.as_posix().removeprefix(f"{CONFIG_FOLDER}/").removesuffix(".yaml")
    same = [name for name in names if f"/{name.removesuffix('.yaml')}".endswith(f"/{given}")]
    return same[:3] or nearest_names(f"{given}.yaml", names)


def _spellings(config: Path) -> list[Path]:
    """Return the absolute path as written and, where it differs, with symbolic links resolved."""
    written = Path(os.path.normpath(config.absolute()))
    return list(dict.fromkeys([written, config.resolve()]))


def _roots(path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield the folder that holds each ``cfgs`` of a path, the deepest first, with the folders below that ``cfgs``."""
    for position in range(len(path.parts) - 2, 0, -1):
        if path.parts[position] == CONFIG_FOLDER:
            yield Path(*path.parts[:position]), path.parts[position + 1 : -1]


def _by_config_path(config: Path) -> Iterator[Place]:
    for path in _spellings(config):
        for root, below in _roots(path):
            for depth in range(len(below), 0, -1):
                yield Place(root, below[:depth])


def _by_type(config: Path, folders: tuple[str, ...], repository: Path | None) -> Iterator[Place]:
    paths = _spellings(config)
    roots = [root for path in paths for root, _ in _roots(path)]
    roots += [Path.cwd()] if repository is None else [Path.cwd(), repository]
    below = next((found for path in paths if (found := _below(path.parts[:-1], folders))), ())
    for root in roots:
        for depth in range(len(below), -1, -1):
            yield Place(root, (*folders, *below[:depth]))


def _below(parts: tuple[str, ...], folders: tuple[str, ...]) -> tuple[str, ...]:
    """Return what follows the last occurrence of ``folders`` in ``parts``."""
    for start in range(len(parts) - len(folders), -1, -1):
        if parts[start : start + len(folders)] == folders:
            return parts[start + len(folders) :]
    return ()


def _type_parts(type_folder: str) -> tuple[str, ...]:
    parts = Path(type_folder).parts
    if not parts or Path(type_folder).is_absolute() or ".." in parts:
        raise ConfigError(f"--type {type_folder}: a folder below {SCRIPT_FOLDER}/ expected, e.g. vision or tasks/cls")
    return parts


def describe_not_found(
    config: Path, name: str, places: Sequence[Place], tried: Sequence[Path | str], *, type_folder: str | None = None, package: str = ""
) -> str:
    """Return the message for a config whose script or task is not found.

    Args:
        config: path of the config file.
        name: what is not found, e.g. ``train_net.py``.
        places: where it was looked for.
        tried: each file or module that was tried, to be listed.
        type_folder: the value of ``--type``, if given.
        package: package of further tasks, e.g. ``"pet"``; empty: there is none.
    """
    lines = [f"{config}: there is no {name} for this config" + (f" and --type {type_folder}" if type_folder else "")]
    if tried:
        lines += ["tried:", *(f"  {one}" for one in tried)]
    else:
        lines.append(f"its path has no {CONFIG_FOLDER}/<type>/ part that names its type: {config.absolute()}")
    if type_folder is None:
        lines.append(
            f"put the config below {CONFIG_FOLDER}/<type>/ next to {SCRIPT_FOLDER}/<type>/{TRAIN_SCRIPT}, give --type <type>, "
            "or write _TYPE_: <type> into it"
        )
        return "\n".join(lines)
    scripts = sorted({kind for place in places for kind in _types(place.root / SCRIPT_FOLDER, {name, TRAIN_SCRIPT})})
    tasks = sorted(
        {kind for folder in _package_folders(package) for kind in _types(folder, {SETTINGS}, holding=GIVES_SETTINGS)} - {*scripts}
    )
    if scripts or not tasks:
        lines.append(f"types there are: {', '.join(scripts) or 'none'}{did_you_mean(type_folder, scripts)}")
    if tasks:
        lines.append(f"tasks of {package}: {', '.join(tasks)}{did_you_mean(type_folder, tasks)}")
    if type_folder in tasks and name == TRAIN_SCRIPT:
        lines.append(f"the script of {type_folder} is in the tree of {package}: start {SCRIPT_FOLDER}/train_net_all.py there")
    return "\n".join(lines)


def _package_folders(package: str) -> Sequence[Path]:
    found = importlib.util.find_spec(package) if package else None
    return [Path(folder) for folder in (found.submodule_search_locations or ())] if found else []


def _types(folder: Path, names: Collection[str], *, holding: str = "") -> Iterator[str]:
    """Yield the folders below one that have a file of such a name, with this text in it."""
    for name in names:
        files = [file for pattern in (f"*/{name}", f"*/*/{name}") for file in folder.glob(pattern)]
        yield from (str(file.parent.relative_to(folder)) for file in files if holding in file.read_text(encoding="utf-8"))
