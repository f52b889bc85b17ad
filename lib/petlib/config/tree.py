"""The values of a nested config, each with the place where it was given and a mark whether it was read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from petlib.config.limits import shown
from petlib.errors import ConfigError

DELETE_KEY = "_delete_"
"""``_delete_: True`` in a mapping: it replaces the mapping of the base instead of being merged into it."""


@dataclass
class Node:
    """One value.

    Args:
        value: a mapping of names to nodes, a list or tuple of nodes, or anything else as it was given.
        place: where it was given: ``x.py:12``, or what is shown for a source without lines.
        read: it was asked for.
    """

    value: Any
    place: str
    read: bool = False

    def find(self, name: str, *, ignore_case: bool) -> Any:
        """Return the name under which this mapping or list holds ``name``, or None; the exact spelling wins.

        Raises:
            ConfigError: two names differ from ``name``, and from each other, only in the case of letters.
        """
        if isinstance(self.value, list | tuple):
            return int(name) if name.isdecimal() and int(name) < len(self.value) else None
        if not isinstance(self.value, dict):
            return None
        names = [there for there in self.value if str(there) == name]
        if not names and ignore_case:
            names = [there for there in self.value if str(there).lower() == name.lower()]
        if len(names) > 1:
            raise ConfigError(f"{self.place}: {' and '.join(map(str, names))} differ only in the case of letters; keep one")
        return names[0] if names else None

    def step(self, names: Sequence[str], *, ignore_case: bool) -> tuple[Any, Sequence[str]]:
        """Return the first name of a dotted key as this mapping or list holds it, or None, and the rest of the key.

        A name that has dots itself, ``backbone.conv1`` in a mapping of layers, counts where no shorter one is there.
        """
        for count in range(1, len(names) + 1):
            there = self.find(".".join(names[:count]), ignore_case=ignore_case)
            if there is not None:
                return there, names[count:]
        return None, names

    def below(self) -> Iterator[tuple[str, "Node"]]:
        """Yield the name or position, and the node, of everything directly below."""
        if isinstance(self.value, dict):
            yield from ((str(name), node) for name, node in self.value.items())
        elif isinstance(self.value, list | tuple):
            yield from ((str(position), node) for position, node in enumerate(self.value))

    def mark(self) -> None:
        """Mark this value and all below it as read."""
        self.read = True
        for _, node in self.below():
            node.mark()

    def was_touched(self) -> bool:
        """Return whether this value, or anything below it, was read."""
        return self.read or any(node.was_touched() for _, node in self.below())

    def plain(self) -> Any:
        """Return the value in new dictionaries, lists and tuples."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list | tuple):
            return type(self.value)(node.plain() for node in self.value)
        return self.value


def grow(value: Any, place: str, places: Mapping[str, str], key: str = "") -> Node:
    """Return a value as a tree.

    Args:
        value: mappings, lists and tuples become branches, all else leaves.
        place: where the value was given; also for what is below it and has no place of its own.
        places: places of dotted keys, ``data.pipeline[0].type``.
        key: the dotted key of ``value``.
    """
    place = places.get(key, place)
    if isinstance(value, Mapping):
        prefix = f"{key}." if key else ""
        return Node({name: grow(item, place, places, f"{prefix}{name}") for name, item in value.items()}, place)
    if type(value) in (list, tuple):
        return Node(type(value)(grow(item, place, places, f"{key}[{index}]") for index, item in enumerate(value)), place)
    return Node(value, place)


def merge(base: Node, new: Node, *, ignore_case: bool) -> Node:
    """Return ``new`` laid over ``base``: mappings are joined, unless the new one has ``_delete_``; all else is replaced.

    Raises:
        ConfigError: ``_delete_`` is neither True nor False.
    """
    if not isinstance(new.value, dict):
        return _without_delete(new)
    if _deletes(new) or not isinstance(base.value, dict):
        base = Node({}, base.place)
    values = dict(base.value)
    for name, node in new.value.items():
        if name == DELETE_KEY:
            continue
        there = base.find(str(name), ignore_case=ignore_case)
        if there is None:
            values[name] = merge(Node(None, node.place), node, ignore_case=ignore_case)
        else:
            values[there] = merge(base.value[there], node, ignore_case=ignore_case)
    return Node(values, new.place, new.read)


def replace(node: Node, key: Sequence[str], new: Node, *, ignore_case: bool) -> Node:
    """Return ``node`` with ``new`` at ``key``; branches that are missing are made, nothing of ``node`` is changed.

    Raises:
        ConfigError: the key leads through a value that has nothing below it, or to a position that a list does not have.
    """
    if not key:
        return new
    if node.value is None:
        node = Node({}, new.place)
    there, rest = node.step(key, ignore_case=ignore_case)
    name = key[0]
    if isinstance(node.value, dict):
        if there is None:
            there, rest = name, key[1:]
        child = replace(node.value.get(there, Node(None, new.place)), rest, new, ignore_case=ignore_case)
        return Node({**node.value, there: child}, node.place, node.read)
    if isinstance(node.value, list | tuple):
        if there is None:
            raise ConfigError(f"{name} given, a position from 0 to {len(node.value) - 1} of the list in {node.place} expected")
        items = list(node.value)
        items[there] = replace(items[there], rest, new, ignore_case=ignore_case)
        return Node(type(node.value)(items), node.place, node.read)
    raise ConfigError(f"{name} given, but there is nothing below the value {shown(node.plain())} in {node.place}")


def _without_delete(node: Node) -> Node:
    if isinstance(node.value, list | tuple):
        return Node(type(node.value)(map(_without_delete, node.value)), node.place, node.read)
    if isinstance(node.value, dict):
        return Node({name: _without_delete(item) for name, item in node.value.items() if name != DELETE_KEY}, node.place, node.read)
    return node


def _deletes(node: Node) -> bool:
    flag = node.value.get(DELETE_KEY)
    if flag is None:
        return False
    if not isinstance(flag.value, bool):
        raise ConfigError(f"{flag.place}: {DELETE_KEY}: {shown(flag.plain())} given, True or False expected")
    return flag.value
