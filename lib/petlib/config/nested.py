"""Configs of other toolboxes: nested mappings without a schema, ``model = dict(type="X", backbone=dict(...))``.

A file is data, in Python's notation or in YAML, and never executed. ``_base_`` names the file or files that it is laid over;
``_delete_: True`` in a mapping replaces the one of the base. Overrides are ``model.backbone.in_channels=3``, with positions
in lists, ``data.train.pipeline.1.target_dim=(64,64)``. Who reads the config asks for keys; a key that was not asked for is a
mistake, which ``require_all_read`` reports with its line and the nearest key that was asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from petlib.config.key import coerce
from petlib.config.layers import override_layer, read_files
from petlib.config.limits import Contents, shown
from petlib.config.tree import Node, grow, merge, replace
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean, nearest_names

REQUIRED: Any = object()
"""No default: the key must be there."""


class Component(NamedTuple):
    """Something that is built by its name, from an entry like ``dict(type="SGD", lr=0.05)``.

    Args:
        name: the name, ``"SGD"``.
        arguments: all the other entries; nested ones are plain dictionaries.
        place: where it was given, for messages: ``x.py:12: optimizer``.
    """

    name: str
    arguments: dict[str, Any]
    place: str


class NestedConfig:
    """A nested config, or a section of one; sections share the marks of what was read.

    Keys are dotted and may hold positions of lists; an empty key is the section itself.

    Args:
        root: the whole config.
        path: the file that it was read from, None for one that a program made.
        ignore_case: whether ``TRAINER.LOSS`` and ``trainer.loss`` are the same.
        prefix: the names that lead to this section.
        asked: the keys that were asked for.
    """

    def __init__(
        self,
        root: Node,
        *,
        path: Path | None = None,
        ignore_case: bool = False,
        prefix: tuple[str, ...] = (),
        asked: set[tuple[str, ...]] | None = None,
    ) -> None:
        self.path = path
        self._root = root
        self._ignore_case = ignore_case
        self._prefix = prefix
        self._asked: set[tuple[str, ...]] = set() if asked is None else asked

    def get(self, key: str, default: Any = REQUIRED, *, type: Any = Any) -> Any:  # noqa: A002  # as in Key
        """Return a value, mappings as plain dictionaries, and mark it and all below it as read.

        Args:
            key: dotted key.
            default: the value of a missing key; without one the key must be there.
            type: the annotation that the value must fit, as in ``Key``: ``float``, ``list[int]``, ``str | None``.

        Raises:
            ConfigError: the key is missing, or its value does not fit ``type``.
        """
        node = self._node(key)
        if node is None:
            if default is REQUIRED:
                raise ConfigError(self._missing(key))
            return default
        node.mark()
        value = node.plain()
        try:
            return coerce(value, type)
        except ValueError as error:
            raise ConfigError(f"{self.place(key)}: {shown(value)} given, {error} expected") from None

    def has(self, key: str) -> bool:
        """Return whether the key is there, without marking it as read."""
        return self._node(key) is not None

    def section(self, key: str) -> "NestedConfig":
        """Return what is below a key; nothing where the key is missing or None.

        Raises:
            ConfigError: the key holds something else.
        """
        node = self._node(key)
        if node is not None and node.value is not None and not isinstance(node.value, dict):
            raise ConfigError(f"{self.place(key)}: {shown(node.plain())} given, a mapping expected")
        return NestedConfig(self._root, path=self.path, ignore_case=self._ignore_case, prefix=self._names(key), asked=self._asked)

    def component(self, key: str, *, name_key: str) -> Component:
        """Return what is to be built from a mapping, and mark all of it as read.

        Args:
            key: dotted key of the mapping.
            name_key: the entry that holds the name, ``"type"`` or ``"name"``.

        Raises:
            ConfigError: the key is missing, or holds no mapping with a name.
        """
        node = self._node(key)
        if node is None:
            raise ConfigError(self._missing(key))
        node.mark()
        if not isinstance(node.value, dict):
            raise ConfigError(f"{self.place(key)}: {shown(node.plain())} given, a mapping with the entry {name_key!r} expected")
        there = node.find(name_key, ignore_case=self._ignore_case)
        if there is None:
            hint = did_you_mean(name_key, map(str, node.value)) or f"; it has {', '.join(map(str, node.value)) or 'no entries'}"
            raise ConfigError(f"{self.place(key)}: the entry {name_key!r} is missing, which names what to build{hint}")
        arguments = node.plain()
        name = arguments.pop(there)
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{node.value[there].place}: {self._dotted(key)}.{there}: {shown(name)} given, a name expected")
        return Component(name, arguments, self.place(key))

    def place(self, key: str) -> str:
        """Return where a key was given, ``x.py:12: model.backbone``; for a missing one the place of the mapping that lacks it."""
        return f"{self._nearest(key)[0].place}: {self._dotted(key)}".removesuffix(": ")

    def to_dict(self) -> dict[str, Any]:
        """Return all of this section in new dictionaries, without marking it as read; nothing where the section is missing."""
        node = _walk(self._root, self._prefix, self._ignore_case)
        return {} if node is None else dict(node.plain() or {})

    def unread(self) -> list[str]:
        """Return a line about every key of this section that was not read: place, key, and the nearest key that was asked for."""
        node = _walk(self._root, self._prefix, self._ignore_case)
        return [] if node is None else [*self._unread(node, self._prefix)]

    def require_all_read(self) -> None:
        """Check that every key of this section was read.

        Raises:
            ConfigError: the lines of ``unread``.
        """
        problems = self.unread()
        if problems:
            count = "" if len(problems) == 1 else f"{len(problems)} mistakes:\n"
            raise ConfigError(count + "\n".join(problems))

    def _names(self, key: str) -> tuple[str, ...]:
        return (*self._prefix, *(key.split(".") if key else ()))

    def _dotted(self, key: str) -> str:
        return ".".join(self._names(key))

    def _folded(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name.lower() for name in names) if self._ignore_case else tuple(names)

    def _node(self, key: str) -> Node | None:
        names = self._names(key)
        self._asked.add(self._folded(names))
        return _walk(self._root, names, self._ignore_case)

    def _nearest(self, key: str) -> tuple[Node, str]:
        """Return the deepest node on the way to a key, and the first name that it lacks."""
        node, rest = _descend(self._root, self._names(key), self._ignore_case)
        return node, rest[0] if rest else ""

    def _missing(self, key: str) -> str:
        node, lacks = self._nearest(key)
        there = [name for name, _ in node.below()]
        hint = did_you_mean(lacks, there) or (f"; there is {', '.join(there)}" if there else "")
        return f"{self.place(key)}: missing, and it has no default{hint}"

    def _unread(self, node: Node, names: tuple[str, ...]) -> Iterator[str]:
        if node.read:
            return
        folded = self._folded(names)
        deeper = sorted({asked[len(folded)] for asked in self._asked if len(asked) > len(folded) and asked[: len(folded)] == folded})
        is_asked = folded in self._asked
        children = [*node.below()]
        if children and (is_asked or deeper or node.was_touched()):
            for name, child in children:
                yield from self._unread(child, (*names, name))
        elif is_asked or not names or (deeper and node.value in (None, {})):
            return
        elif deeper:
            yield f"{node.place}: {'.'.join(names)}: {shown(node.plain())} given, a mapping with {', '.join(deeper)} expected"
        else:
            yield f"{node.place}: {'.'.join(names)}: unknown key, nothing reads it{self._hint(folded)}"

    def _hint(self, names: tuple[str, ...]) -> str:
        siblings = {asked[len(names) - 1] for asked in self._asked if len(asked) >= len(names) and asked[: len(names) - 1] == names[:-1]}
        near = [".".join((*names[:-1], name)) for name in nearest_names(names[-1], siblings)]
        near = near or sorted({".".join(asked) for asked in self._asked if asked and asked[-1] == names[-1]})[:3]
        if near:
            return f"; did you mean {' or '.join(near)}?"
        return f"; known here: {', '.join(sorted(siblings))}" if siblings else ""


def read_nested(path: Path, overrides: Sequence[str] = (), *, ignore_case: bool = False) -> NestedConfig:
    """Read a Python or YAML config with the files that it is laid over, and lay the overrides over both.

    A variable of a Python config that other values are made of counts as read.

    Args:
        path: a ``.py``, ``.yaml`` or ``.yml`` file.
        overrides: ``KEY=VALUE`` words or ``KEY VALUE`` pairs; a value is written as in Python or YAML and replaces the old one.
        ignore_case: whether keys may be written in any case of letters.

    Raises:
        ConfigError: a file is missing or is no plain data, a key is given twice, bases form a circle, or an override leads nowhere.
    """
    files = read_files(path, schemaless=True)
    problems = [problem for _, contents in files for problem in contents.problems]
    if problems:
        raise ConfigError("\n".join(problems))
    root = Node({}, str(path))
    for file, contents in files:
        root = merge(root, _tree(file, contents), ignore_case=ignore_case)
    return NestedConfig(_overridden(root, overrides, ignore_case), path=path, ignore_case=ignore_case)


def nested_of(values: Mapping[str, Any], *, source: str) -> NestedConfig:
    """Return a config from a dictionary of a program; messages name ``source`` in place of a file."""
    return NestedConfig(merge(Node({}, source), grow(values, source, {}), ignore_case=False))


def _walk(node: Node, names: Sequence[str], ignore_case: bool) -> Node | None:
    found, rest = _descend(node, names, ignore_case)
    return None if rest else found


def _descend(node: Node, names: Sequence[str], ignore_case: bool) -> tuple[Node, Sequence[str]]:
    """Return the deepest node on the way to a key, and the names that are left."""
    while names:
        there, rest = node.step(names, ignore_case=ignore_case)
        if there is None:
            break
        node, names = node.value[there], rest
    return node, names


def _tree(path: Path, contents: Contents) -> Node:
    tree = grow(contents.values, str(path), {key: f"{path}:{line}" for key, line in contents.lines.items()})
    for name in contents.referred & contents.values.keys():
        tree.value[name].mark()
    return tree


def _overridden(root: Node, overrides: Sequence[str], ignore_case: bool) -> Node:
    layer = override_layer(list(overrides))
    problems = list(layer.problems)
    for entry in layer.entries:
        names = entry.key.split(".")
        try:
            if not all(names):
                raise ConfigError("a dotted key expected, KEY=VALUE")
            root = replace(root, names, grow(entry.value, layer.source, {}), ignore_case=ignore_case)
        except ConfigError as error:
            problems.append(f"{layer.source}: {entry.key}: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    return root
