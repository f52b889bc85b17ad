"""The config of a run: yacs' ``CfgNode`` with a schema behind it."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import yaml
from yacs.config import CfgNode as YacsNode

from petlib.config.defaults import REPLACED
from petlib.config.key import Key, Schema, argument_names
from petlib.config.layers import Entry, Layer, override_layer, read_layers
from petlib.config.limits import TYPE_KEY, cut, shown
from petlib.errors import ConfigError, name_in_errors
from petlib.suggest import nearest_names

DERIVED = "derived value"
"""Where a value comes from that follows from others."""


class CfgNode(YacsNode):  # type: ignore[misc]  # yacs has no types
    """Settings with attribute access, e.g. ``cfg.SOLVER.OPTIMIZER.BASE_LR``, that know what values they may take.

    Made from a schema, holding its defaults. ``merge_from_file`` and ``merge_from_list`` change values and refuse
    unknown keys and wrong types, all of them at once; of ``former_keys``, old keys or sections, they say what to write now. ``freeze()``
    makes the values unchangeable.

    It remembers where each value was given (:meth:`given`) and, once frozen, which settings were read (:meth:`read_keys`): the values
    that code takes by attribute, by name or with ``get``, not those that :meth:`to_dict`, :meth:`flat` and the like copy.
    """

    def __init__(self, schema: Schema | None = None, *, former_keys: Mapping[str, str] | None = None) -> None:
        super().__init__()
        own = self.__dict__
        own["_former_keys"] = dict(former_keys or {})
        own["schema"], own["_path"], own["_places"], own["_reads"] = schema or {}, "", {}, set()
        for name, entry in (schema or {}).items():
            default = _copy(entry.default) if isinstance(entry, Key) else CfgNode(entry)
            dict.__setitem__(self, name, default)
            if isinstance(default, CfgNode):
                default._join(name, own["_places"], own["_reads"])

    def _join(self, path: str, places: dict[str, str], reads: set[str]) -> None:
        """Become the section ``path`` of a config, which has one record of places and reads."""
        own = self.__dict__
        own["_path"], own["_places"], own["_reads"] = path, places, reads
        sections = [(str(name), value) for name, value in self.items() if isinstance(value, CfgNode)]
        for name, section in sections:
            section._join(f"{path}.{name}", places, reads)

    def __getattr__(self, name: str) -> Any:
        """Return a section or a value.

        Raises:
            AttributeError: there is none of this name.
        """
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> Any:
        """Return a section or a value.

        Raises:
            KeyError: there is none of this name.
        """
        value: Any = dict.__getitem__(self, name)
        if not isinstance(value, CfgNode) and self.is_frozen():
            own = self.__dict__
            own["_reads"].add(f"{own['_path']}.{name}" if own["_path"] else name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Return a section or a value, or ``default`` where there is none of this name."""
        try:
            return self[name]
        except KeyError:
            return default

    def given(self) -> dict[str, str]:
        """Return where each setting that has been given comes from: a file with a line, ``command line`` or ``derived value``."""
        return dict(self.__dict__["_places"])

    def read_keys(self) -> frozenset[str]:
        """Return the paths of the settings that were read since the config was frozen."""
        return frozenset(self.__dict__["_reads"])

    def merge_from_file(self, cfg_filename: str | Path) -> None:
        """Take the values of a YAML or Python config file and of the files that its ``_BASE_`` names.

        Raises:
            ConfigError: the file is missing or cannot be read, or keys or values are wrong (every one has a line).
        """
        self.merge_layers(read_layers(Path(cfg_filename)))

    def merge_from_list(self, cfg_list: list[str]) -> None:
        """Take overrides of the command line: ``["SOLVER.OPTIMIZER.BASE_LR", "0.1"]`` or ``["SEED=1"]``.

        Raises:
            ConfigError: keys or values are wrong (every one has a line).
        """
        self.merge_layers([override_layer(cfg_list)])

    def merge_layers(self, layers: list[Layer]) -> None:
        """Take the values of several layers, a later one over an earlier one, and report all that is wrong at once."""
        problems = [*_merge(self, layers)]
        if problems:
            count = "" if len(problems) == 1 else f"{len(problems)} mistakes:\n"
            raise ConfigError(count + "\n".join(problems))

    def set(self, key: str, value: Any) -> None:
        """Set the key with the dotted path ``key``, for values that are derived from others.

        Raises:
            ConfigError: the key is unknown or the value does not fit it.
        """
        self.merge_layers([Layer(source=DERIVED, entries=[Entry(key, value, "")])])

    def set_type(self, folder: str) -> None:
        """Remember the folder of the task, e.g. ``tasks/cls``, for :meth:`dump`."""
        self.__dict__["_type"] = folder

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain nested dictionaries, which YAML, JSON and ``torch.save`` can write."""
        return {name: value.to_dict() if isinstance(value, CfgNode) else _copy(value) for name, value in self.items()}

    def dump(self, **options: Any) -> str:
        """Return the settings as YAML, in the order of the schema; a run from that text is the same run. ``_TYPE_`` says of which task."""
        folder = self.__dict__.get("_type", "")
        values = ({TYPE_KEY: folder} if folder else {}) | self.to_dict()
        text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, **options)
        return text

    def flat(self) -> dict[str, Any]:
        """Return ``{"SOLVER.OPTIMIZER.BASE_LR": 0.1, ...}``."""
        return dict(_flatten(self, ""))


class HasSchema(Protocol):
    """A config, or one that is typed for mypy."""

    schema: Schema


def keys_in_errors(cfg: HasSchema) -> AbstractContextManager[None]:
    """Put the keys of a config in the place of the arguments that they become, see :func:`petlib.errors.name_in_errors`."""
    return name_in_errors(argument_names(cfg.schema))


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else value


def _flatten(node: CfgNode, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, CfgNode):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _merge(cfg: CfgNode, layers: list[Layer]) -> Iterator[str]:
    """Set what is right and yield a line for everything that is wrong."""
    for layer in layers:
        yield from layer.problems
        for entry in layer.entries:
            place = f"{layer.source}:{entry.place}" if entry.place else layer.source
            problem = _set_entry(cfg, entry)
            if problem:
                yield f"{place}: {cut(entry.key)}: {problem}"
            else:
                _note_place(cfg, entry.key, place)


def _set_entry(cfg: CfgNode, entry: Entry) -> str:
    """Set one value; return what is wrong with it, or an empty string."""
    *sections, name = entry.key.split(".")
    node, schema = cfg, cfg.schema
    for depth, section in enumerate(sections):
        inner = schema.get(section)
        if isinstance(inner, Key) and inner.takes_names():
            if not isinstance(node[section], dict):
                dict.__setitem__(node, section, {})
            return _set_in_mapping(node[section], sections[depth + 1 :] + [name], entry.value)
        if inner is None or isinstance(inner, Key):
            return _unknown(cfg, entry.key)
        node, schema = node[section], inner
    key = schema.get(name)
    if isinstance(key, Key):
        return _set_value(node, name, key, entry.value)
    if key is None:
        return _unknown(cfg, entry.key)
    return "" if entry.value in (None, {}) else f"{shown(entry.value)} given, a section with {', '.join(key)} expected"


def _set_value(node: CfgNode, name: str, key: Key, given: Any) -> str:
    try:
        value = key.check(given)
    except ValueError as error:
        return f"{shown(given)} ({type(given).__name__}) given, {error} expected"
    if node.is_frozen():
        return "the config is frozen; values can only be changed before the run starts"
    dict.__setitem__(node, name, _copy(value))
    return ""


def _set_in_mapping(mapping: dict[str, Any], path: list[str], value: Any) -> str:
    """Set ``mapping[a][b] = value`` in a key with free names, for ``A.KEY.a.b`` on the command line."""
    for name in path[:-1]:
        mapping = mapping.setdefault(name, {})
        if not isinstance(mapping, dict):
            return f"{name} holds a value, not further names"
    mapping[path[-1]] = _copy(value)
    return ""


def _note_place(cfg: CfgNode, path: str, place: str) -> None:
    """Remember where the setting of a dotted path was given; behind a setting with free names further names may follow."""
    places: dict[str, str] = cfg.__dict__["_places"]
    entry: Key | Schema = cfg.schema
    words = path.split(".")
    for count, word in enumerate(words, start=1):
        assert not isinstance(entry, Key), f"{path} was set, though it is unknown"
        entry = entry[word]
        if isinstance(entry, Key):
            key = ".".join(words[:count])
            places[key] = places.get(key, place) if place == DERIVED else place
            return


def _unknown(cfg: CfgNode, key: str) -> str:
    """Return what an unknown key may have been meant for, or what its section has."""
    former = {**REPLACED, **cfg.__dict__["_former_keys"]}
    gone = next((old for old in former if key == old or key.startswith(f"{old}.")), None)
    if gone is not None:
        return f"this key is gone; write {former[gone]}"
    known = [*_all_keys(cfg.schema, "")]
    section, name = _known_section(cfg.schema, key)
    *missing, last = name.split(".")
    elsewhere = [path for path in known if path.rpartition(".")[2] == last]
    in_section = [path for path in elsewhere if path.startswith(f"{section}.")] if section else elsewhere
    if missing:
        # the section is of another task, or misspelt
        elsewhere = in_section
    siblings = {path.rpartition(".")[2]: path for path in known if path.rpartition(".")[0] == section}
    # behind a setting that is no section nothing follows
    inside = [siblings[word] for word in missing[:1] if word in siblings]
    similar = [siblings[one] for one in nearest_names(last, siblings) if not missing]
    near = in_section[:3] or inside or similar or elsewhere[:3] or _similar_paths(key, known)
    if near:
        return f"unknown key; did you mean {' or '.join(near)}?"
    return f"unknown key; {section or 'the config'} has {', '.join(siblings)}"


def _known_section(schema: Schema, key: str) -> tuple[str, str]:
    """Return the longest part of a dotted key that is a section, and the rest."""
    *sections, _ = words = key.split(".")
    depth = 0
    for name in sections:
        inner = schema.get(name)
        if inner is None or isinstance(inner, Key):
            break
        schema, depth = inner, depth + 1
    return ".".join(words[:depth]), ".".join(words[depth:])


def _similar_paths(key: str, known: list[str]) -> list[str]:
    """Return up to three known paths each part of which resembles that of ``key``."""
    words = key.split(".")

    def resembles(path: str) -> bool:
        parts = path.split(".")
        return len(parts) == len(words) and all(nearest_names(word, [part]) for word, part in zip(words, parts, strict=True))

    return list(filter(resembles, known))[:3]


def _all_keys(schema: Schema, prefix: str) -> Iterator[str]:
    for name, entry in schema.items():
        yield prefix + name
        if not isinstance(entry, Key):
            yield from _all_keys(entry, f"{prefix}{name}.")
