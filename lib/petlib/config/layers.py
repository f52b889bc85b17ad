"""The layers that a config is merged from: files with their bases, and the command line."""

import ast
import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from petlib.config.limits import BASE_KEYS, LONGEST_SHOWN, MOST_FILES, TYPE_KEY, Contents, read_text, shown
from petlib.config.python_file import read_python
from petlib.config.yaml_file import read_value, read_yaml
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

COMMAND_LINE = "command line"
PACKAGE_PREFIX = "package:"
"""``_BASE_: package:pet.projects.landcover/presets/x.yaml`` is a file of an installed package."""


class Entry(NamedTuple):
    """One value of a layer: the dotted path of its key, the value, and where it is given (a line number, or empty)."""

    key: str
    value: Any
    place: str


@dataclass
class Layer:
    """The values of one source, in the order in which they are given there, and the lines about what could not be read."""

    source: str
    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_layers(path: Path) -> list[Layer]:
    """Read a config file and the files that ``_BASE_`` names (paths next to the file, or ``package:NAME/FILE``), the deepest base first.

    Raises:
        ConfigError: a file is missing or unreadable, is no valid YAML or Python data, or bases form a circle.
    """
    return [_layer(str(file), contents) for file, contents in read_files(path)]


def recorded_type(path: Path) -> str:
    """Return the folder of the task that a config file, or else a base of it, names with ``_TYPE_``; empty: none does.

    Raises:
        ConfigError: as :func:`read_layers`.
    """
    return next((contents.type_folder for _, contents in reversed(read_files(path)) if contents.type_folder), "")


def _layer(source: str, contents: Contents) -> Layer:
    entries = [Entry(key, value, str(contents.lines.get(key, ""))) for key, value in leaves(contents.values, "")]
    return Layer(source, entries, contents.problems)


def read_files(path: Path, *, schemaless: bool = False) -> list[tuple[Path, Contents]]:
    """Read a config file and the files that its ``_BASE_`` or ``_base_`` names, the deepest base first.

    Args:
        path: the config file.
        schemaless: see ``read_yaml``.

    Raises:
        ConfigError: as ``read_layers``.
    """
    files: list[tuple[Path, Contents]] = []
    _read(path, (), schemaless, files)
    return files


def override_layer(overrides: list[str]) -> Layer:
    """Read ``KEY VALUE`` pairs and ``KEY=VALUE`` words, which may be mixed."""
    layer = Layer(source=COMMAND_LINE)
    words = list(overrides)
    while words:
        word = words.pop(0)
        key, equals, text = word.partition("=")
        if not equals:
            if not words:
                layer.problems.append(f"{COMMAND_LINE}: {key}: no value given; write {key} VALUE or {key}=VALUE")
                break
            text = words.pop(0)
        layer.entries.append(Entry(key, parse_value(text), ""))
    return layer


def parse_value(text: str) -> Any:
    """Read a value as Python writes it (``(1, 2)``, ``True``), else as YAML does (``[a, b]``, ``true``), else as text."""
    if not text:
        # a shell hands KEY "" over without its quotes; YAML reads nothing as null
        return ""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        return read_value(text)
    except (yaml.YAMLError, ConfigError, RecursionError):
        return text


def _base_path(path: Path, base: str) -> Path:
    """Return the file that ``base`` means in the file ``path``.

    Raises:
        ConfigError: there is no such package.
    """
    if not base.startswith(PACKAGE_PREFIX):
        return path.parent / base
    package, _, name = base.removeprefix(PACKAGE_PREFIX).partition("/")
    first, *below = package.split(".")
    # asked for the whole name, Python would import the packages above, and so run code that a config names
    is_name = len(package) < LONGEST_SHOWN and all(part.isidentifier() for part in (first, *below))
    found = importlib.util.find_spec(first) if is_name else None
    folders = [Path(folder, *below) for folder in (found.submodule_search_locations or () if found else ())]
    folder = next((folder for folder in folders if folder.is_dir()), None)
    if folder is None:
        raise ConfigError(
            f"{path}: {BASE_KEYS[0]}: {shown(base)}: there is no package {package[:LONGEST_SHOWN]}; {PACKAGE_PREFIX}PACKAGE/FILE expected"
        )
    return folder / name


def _read(path: Path, parents: tuple[Path, ...], schemaless: bool, files: list[tuple[Path, Contents]]) -> None:
    """Append what the bases of a file hold, and then what it holds."""
    contents = _read_file(path, schemaless)
    contents.type_folder = _type_of(path, contents)
    place = path.resolve()
    if place in parents:
        chain = " -> ".join(map(str, (*parents, place)))
        raise ConfigError(f"{path}: {BASE_KEYS[0]} leads back to a file that is being read: {chain}")
    for key in BASE_KEYS:
        for base in _bases(path, key, contents):
            # bases that name each other's bases double their number with every level
            if len(parents) + len(files) >= MOST_FILES:
                raise ConfigError(
                    f"{path}: {key}: more than {MOST_FILES} files are named, each counted as often as it is; no config needs as many"
                )
            _read(_base_path(path, base), (*parents, place), schemaless, files)
    files.append((path, contents))


def _bases(path: Path, key: str, contents: Contents) -> list[str]:
    """Take the names of the bases out of what a file holds."""
    bases = contents.values.pop(key, [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise ConfigError(f"{path}:{contents.lines.get(key, '')}: {key}: {shown(bases)} given, a file name or a list of them expected")
    return bases


def _type_of(path: Path, contents: Contents) -> str:
    """Take ``_TYPE_`` out of what a file holds."""
    kind = contents.values.pop(TYPE_KEY, "")
    if not isinstance(kind, str):
        place = f"{path}:{contents.lines.get(TYPE_KEY, '')}"
        raise ConfigError(f"{place}: {TYPE_KEY}: {shown(kind)} given, the folder of a task expected, e.g. vision or tasks/cls")
    return kind


def _read_file(path: Path, schemaless: bool) -> Contents:
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise ConfigError(_missing(path)) from None
    if path.suffix == ".py":
        return read_python(path, text)
    if path.suffix in (".yaml", ".yml"):
        return read_yaml(path, text, schemaless=schemaless)
    raise ConfigError(f"{path}: a config file ends in .yaml, .yml or .py, this one in {path.suffix or 'nothing'!r}")


def _missing(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        while not folder.is_dir():
            folder = folder.parent
        return f"{path}: there is no such config file; the path exists only up to {folder}"
    there = sorted(entry.name for entry in folder.iterdir() if entry.suffix in (".yaml", ".yml", ".py"))
    hint = did_you_mean(path.name, there)
    return f"{path}: there is no such config file{hint}" + ("" if hint else f" ({folder} holds {', '.join(there) or 'no config'})")


def leaves(values: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """Flatten nested mappings; whether a mapping belongs to a section or to a key of type dict is the schema's affair."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict) and value:
            found.extend(leaves(value, f"{prefix}{name}."))
        else:
            found.append((f"{prefix}{name}", value))
    return found
