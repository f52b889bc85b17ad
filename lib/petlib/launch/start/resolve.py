"""From the path of a config to the script that runs it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

CONFIG_FOLDER = "cfgs"
SCRIPT_FOLDER = "tools"


@dataclass(frozen=True)
class Script:
    """A script to start: its path, and the folders between ``tools`` and the script, e.g. ``("tasks", "cls")``."""

    path: Path
    folders: tuple[str, ...]


def resolve_script(config: Path, name: str, *, type_folder: str | None = None, repository: Path | None = None) -> Script:
    """Find the script ``name`` that belongs to a config.

    ``<root>/cfgs/<type>/<...>/x.yaml`` is run by the deepest ``<root>/tools/<type>/<...>/<name>`` that exists. The path is
    taken as it is written first, then with its symbolic links resolved; of several ``cfgs`` the deepest is tried first.

    Args:
        config: path of the config file.
        name: ``"train_net.py"`` or ``"test_net.py"``.
        type_folder: folder below ``tools`` to search instead, e.g. ``"vision"`` or ``"tasks/cls"``. Roots are then the
            config's own, the current folder and ``repository``; folders that follow the type in the config's path are
            tried as sub folders.
        repository: root of the checkout whose launcher runs, if any.

    Raises:
        ConfigError: there is no such script; the message lists every path that was tried.
    """
    if type_folder is None:
        candidates = list(_by_config_path(config, name))
    else:
        folders = _type_parts(type_folder)
        candidates = list(_by_type(config, name, folders, repository))
    tried = list(dict.fromkeys(candidates))
    for script in tried:
        if script.path.is_file():
            return script
    raise ConfigError(_not_found(config, name, type_folder, tried))


def _spellings(config: Path) -> list[Path]:
    """Return the absolute path as written and, where it differs, with symbolic links resolved."""
    written = Path(os.path.normpath(config.absolute()))
    return list(dict.fromkeys([written, config.resolve()]))


def _roots(path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield the folder that holds each ``cfgs`` of a path, the deepest first, with the folders below that ``cfgs``."""
    for position in range(len(path.parts) - 2, 0, -1):
        if path.parts[position] == CONFIG_FOLDER:
            yield Path(*path.parts[:position]), path.parts[position + 1 : -1]


def _by_config_path(config: Path, name: str) -> Iterator[Script]:
    for path in _spellings(config):
        for root, below in _roots(path):
            for depth in range(len(below), 0, -1):
                yield _script(root, below[:depth], name)


def _by_type(config: Path, name: str, folders: tuple[str, ...], repository: Path | None) -> Iterator[Script]:
    paths = _spellings(config)
    roots = [root for path in paths for root, _ in _roots(path)]
    roots += [Path.cwd()] if repository is None else [Path.cwd(), repository]
    below = next((found for path in paths if (found := _below(path.parts[:-1], folders))), ())
    for root in roots:
        for depth in range(len(below), -1, -1):
            yield _script(root, (*folders, *below[:depth]), name)


def _below(parts: tuple[str, ...], folders: tuple[str, ...]) -> tuple[str, ...]:
    """Return what follows the last occurrence of ``folders`` in ``parts``."""
    for start in range(len(parts) - len(folders), -1, -1):
        if parts[start : start + len(folders)] == folders:
            return parts[start + len(folders) :]
    return ()


def _script(root: Path, folders: tuple[str, ...], name: str) -> Script:
    return Script(Path(root, SCRIPT_FOLDER, *folders, name), folders)


def _type_parts(type_folder: str) -> tuple[str, ...]:
    parts = Path(type_folder).parts
    if not parts or Path(type_folder).is_absolute() or ".." in parts:
        raise ConfigError(f"--type {type_folder}: a folder below {SCRIPT_FOLDER}/ expected, e.g. vision or tasks/cls")
    return parts


def _not_found(config: Path, name: str, type_folder: str | None, tried: list[Script]) -> str:
    lines = [f"{config}: there is no {name} for this config" + (f" and --type {type_folder}" if type_folder else "")]
    if tried:
        lines += ["tried:", *(f"  {script.path}" for script in tried)]
    else:
        lines.append(f"its path has no {CONFIG_FOLDER}/<type>/ part to tell its type: {config.absolute()}")
    if type_folder is None:
        lines.append(f"put the config below {CONFIG_FOLDER}/<type>/ beside {SCRIPT_FOLDER}/<type>/{name}, or give --type <type>")
    else:
        types = sorted({kind for script in tried for kind in _types(_root_of(script), name)})
        lines.append(f"types there are: {', '.join(types) or 'none'}{did_you_mean(type_folder, types)}")
    return "\n".join(lines)


def _root_of(script: Script) -> Path:
    return script.path.parents[len(script.folders) + 1]


def _types(root: Path, name: str) -> Iterator[str]:
    tools = root / SCRIPT_FOLDER
    for pattern in (f"*/{name}", f"*/*/{name}"):
        yield from (str(script.parent.relative_to(tools)) for script in tools.glob(pattern))
