"""YAML configs, read with the line of every key."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.constructor import ConstructorError
from yaml.scanner import ScannerError

from petlib.config.limits import DEEPEST, LONGEST_NUMBER, LONGEST_SHOWN, Contents, Extent, cut, extent_around, problem_of, shown
from petlib.errors import ConfigError


def read_yaml(path: Path, text: str, *, schemaless: bool = False) -> Contents:
    """Return the values of a YAML config, the line number of each dotted key, and a line for each key given twice.

    Args:
        path: the file, for messages.
        text: what it holds.
        schemaless: no schema converts the values later: ``1e-6`` is a number, and names in a mapping may be numbers.

    Raises:
        ConfigError: the text is not valid YAML (with line and column) or not a mapping.
    """
    try:
        loader = (ScientificLoader if schemaless else PlainLoader)(text)
        root = loader.get_single_node()
        if root is None:
            return Contents()
        if not isinstance(root, yaml.MappingNode):
            kind = "list" if isinstance(root, yaml.SequenceNode) else "single value"
            raise ConfigError(f"{path}: a config holds keys and values, this file holds a {kind}")
        check_extent(str(path), root)
        reader = _Reader(path, loader, keeps_names=schemaless)
        return Contents(reader.mapping(root, ""), reader.lines, reader.problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = str(error.problem or error.context)[: 2 * LONGEST_SHOWN]
        raise ConfigError(f"{path}:{place}: not valid YAML: {problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: lists and mappings are nested too deeply; no config is") from error


class _Reader:
    def __init__(self, path: Path, loader: "PlainLoader", *, keeps_names: bool) -> None:
        self.path = path
        self.loader = loader
        self.keeps_names = keeps_names
        self.lines: dict[str, int] = {}
        self.problems: list[str] = []
        self.noted: set[int] = set()

    def mapping(self, node: yaml.MappingNode, prefix: str) -> dict[Any, Any]:
        if node.tag != MAPPING_TAG:
            self.loader.construct_undefined(node)
        self.loader.flatten_mapping(node)
        values: dict[Any, Any] = {}
        for name, value_node in self._entries(node, prefix):
            if isinstance(value_node, yaml.MappingNode):
                values[name] = self.mapping(value_node, f"{prefix}{name}.")
            else:
                values[name] = self.loader.construct_object(value_node, deep=True)
                self._note_within(value_node, f"{prefix}{name}")
        return values

    def _entries(self, node: yaml.MappingNode, prefix: str) -> Iterator[tuple[Any, yaml.Node]]:
        """Yield names and values, note their lines, and report names that are given twice (those of ``<<`` may be replaced)."""
        first_lines: dict[Any, int] = {}
        for key_node, value_node in node.value:
            name = self.loader.construct_object(key_node, deep=True)
            name = name if self.keeps_names and type(name) is int else str(name)
            line = key_node.start_mark.line + 1
            is_merged = not node.start_mark.index <= key_node.start_mark.index < node.end_mark.index
            if name in first_lines:
                self.problems.append(
                    f"{self.path}:{line}: {cut(f'{prefix}{name}')}: given twice, first in line {first_lines[name]}; keep one"
                )
            elif not is_merged:
                first_lines[name] = line
            self.lines[f"{prefix}{name}"] = line
            yield name, value_node

    def _note_within(self, node: yaml.Node, key: str) -> None:
        """Note the lines of what a list holds; a list that is used again by ``*name`` keeps those of its first place."""
        if not isinstance(node, yaml.CollectionNode) or id(node) in self.noted:
            return
        self.noted.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for name, value_node in self._entries(node, f"{key}."):
                self._note_within(value_node, f"{key}.{name}")
            return
        for index, item in enumerate(node.value):
            self.lines[f"{key}[{index}]"] = item.start_mark.line + 1
            self._note_within(item, f"{key}[{index}]")


_TAG = "tag:yaml.org,2002:"
MAPPING_TAG = f"{_TAG}map"


class PlainLoader(yaml.SafeLoader):
    """Builds None, truth values, numbers, texts, lists and mappings. Dates are text; sets, bytes and all other tags are refused."""

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # noqa: N803 -- PyYAML's name
        """Begin a list or mapping in brackets; PyYAML reads all of a thousand brackets before it comes to the first.

        Raises:
            ScannerError: there are too many in each other.
        """
        if self.flow_level >= DEEPEST:
            raise ScannerError(None, None, f"more than {DEEPEST} levels of brackets in each other", self.get_mark())
        super().fetch_flow_collection_start(TokenClass)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """Return the text of a scalar.

        Raises:
            ConstructorError: it holds a character that has no place in a config.
        """
        text = super().construct_scalar(node)
        return self._checked(text, node)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Return a truth value or a number.

        Raises:
            ConstructorError: the text is none, or a number without bounds.
        """
        kind = node.tag.removeprefix(_TAG)
        construct: Callable[[yaml.ScalarNode], Any] = getattr(self, f"construct_yaml_{kind}")
        if len(node.value) > LONGEST_NUMBER:
            raise ConstructorError(None, None, f"a number of {len(node.value)} characters", node.start_mark)
        try:
            return self._checked(construct(node), node)
        # what is tagged need not look like it
        except (ValueError, KeyError, IndexError, OverflowError):
            raise ConstructorError(None, None, f"{shown(node.value)} is no {kind}", node.start_mark) from None

    def construct_undefined(self, node: yaml.Node) -> NoReturn:
        """Refuse what is no plain data."""
        raise ConstructorError(None, None, f"the tag {shown(node.tag)} is not plain data", node.start_mark)

    def _checked(self, value: Any, node: yaml.Node) -> Any:
        problem = problem_of(value)
        if problem:
            raise ConstructorError(None, None, problem, node.start_mark)
        return value


PlainLoader.yaml_constructors = {
    f"{_TAG}null": PlainLoader.construct_yaml_null,
    **dict.fromkeys((f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float"), PlainLoader.construct_number),
    **dict.fromkeys((f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value"), PlainLoader.construct_scalar),
    f"{_TAG}seq": PlainLoader.construct_yaml_seq,
    MAPPING_TAG: PlainLoader.construct_yaml_map,
    None: PlainLoader.construct_undefined,
}


class ScientificLoader(PlainLoader):
    """Reads ``1e-6`` as a number, as YAML 1.2 does; for PyYAML it is text."""


ScientificLoader.add_implicit_resolver(
    f"{_TAG}float", re.compile(r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)


def read_value(text: str) -> Any:
    """Return a single value that is written as in YAML.

    Raises:
        YAMLError: it is not valid YAML, or no plain data.
        ConfigError: it holds too much, or itself.
    """
    loader = PlainLoader(text)
    node = loader.get_single_node()
    if node is None:
        return None
    check_extent("the value", node)
    return loader.construct_document(node)


def check_extent(source: str, root: yaml.Node) -> None:
    """Check how much a document holds when all aliases are written out.

    Args:
        source: the file, for messages.
        root: the document.

    Raises:
        ConfigError: too much, or a value that holds itself.
    """
    _Extents(source).of(root)


class _Extents:
    """Measures nodes, each once however often an alias names it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._known: dict[int, Extent | None] = {}

    def of(self, node: yaml.Node) -> Extent:
        if isinstance(node, yaml.ScalarNode):
            return Extent()
        place = f"{self._source}:{node.start_mark.line + 1}"
        known = self._known.get(id(node), Extent(0))
        if known is None:
            kind = "mapping" if isinstance(node, yaml.MappingNode) else "list"
            raise ConfigError(f"{place}: a {kind} refers to itself; write the values out")
        if known.values:
            return known
        self._known[id(node)] = None
        inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        extent = self._known[id(node)] = extent_around(map(self.of, inner), place)
        return extent
