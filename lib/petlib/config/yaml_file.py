"""YAML configs, read with the line of every key."""

from pathlib import Path
from typing import Any

import yaml

from petlib.errors import ConfigError


def read_yaml(path: Path, text: str) -> tuple[dict[str, Any], dict[str, int], list[str]]:
    """Return the values of a YAML config, the line number of each dotted key, and a line for each key given twice.

    Raises:
        ConfigError: the text is not valid YAML (with line and column) or not a mapping.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return {}, {}, []
        if not isinstance(root, yaml.MappingNode):
            kind = "list" if isinstance(root, yaml.SequenceNode) else "single value"
            raise ConfigError(f"{path}: a config holds keys and values, this file holds a {kind}")
        reader = _Reader(path, loader)
        return reader.mapping(root, ""), reader.lines, reader.problems
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}:{place}: not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    finally:
        loader.dispose()


class _Reader:
    def __init__(self, path: Path, loader: yaml.SafeLoader) -> None:
        self.path = path
        self.loader = loader
        self.lines: dict[str, int] = {}
        self.problems: list[str] = []

    def mapping(self, node: yaml.MappingNode, prefix: str) -> dict[str, Any]:
        self.loader.flatten_mapping(node)
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name = str(self.loader.construct_object(key_node, deep=True))
            line = key_node.start_mark.line + 1
            if name in values:
                first = self.lines[prefix + name]
                self.problems.append(f"{self.path}:{line}: {prefix}{name}: given twice, first in line {first}; keep one")
            self.lines[prefix + name] = line
            if isinstance(value_node, yaml.MappingNode):
                values[name] = self.mapping(value_node, f"{prefix}{name}.")
            else:
                values[name] = self.loader.construct_object(value_node, deep=True)
        return values
