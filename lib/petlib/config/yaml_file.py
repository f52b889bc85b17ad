"""YAML configs, read with the line of every key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from petlib.config.contents import Contents
from petlib.config.limits import LONGEST_SHOWN, cut
from petlib.config.yaml_loader import MAPPING_TAG, PlainLoader, ScientificLoader, check_extent
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
    def __init__(self, path: Path, loader: PlainLoader, *, keeps_names: bool) -> None:
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
        """Yield names and values, note their lines, and report names that stand twice (those of ``<<`` may be replaced)."""
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
