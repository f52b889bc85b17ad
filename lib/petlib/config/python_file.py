"""Python configs: data in Python's notation, evaluated as literals and never executed."""

import ast
from pathlib import Path
from typing import Any

from petlib.config.limits import BASE_KEYS, Contents, Extent, extent_around, problem_of, shown
from petlib.errors import ConfigError


def read_python(path: Path, text: str) -> Contents:
    """Return the module variables of a Python config and the line number of each, nested ones as dotted keys.

    A value is a literal, ``dict(name=value)``, a sum or product of numbers, or a variable that is assigned above it. Names
    that begin with one underscore (but not ``_BASE_`` or ``_base_``) are helpers: they can be referred to and are no keys.

    Raises:
        ConfigError: the text is not valid Python, or holds anything but such assignments (with the line).
    """
    try:
        module = ast.parse(text, filename=str(path))
        reader = _Reader(path)
        for position, statement in enumerate(module.body):
            if position == 0 and _is_docstring(statement):
                continue
            reader.assign(statement)
    except SyntaxError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.offset}: not valid Python: {error.msg}") from error
    # Python says either of an expression in too many parts
    except (RecursionError, MemoryError) as error:
        raise ConfigError(f"{path}: an expression in it is nested too deeply; no config is") from error
    values = {name: value for name, value in reader.variables.items() if name in BASE_KEYS or not name.startswith("_")}
    return Contents(values, reader.lines, referred=reader.referred)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.variables: dict[str, Any] = {}
        self.lines: dict[str, int] = {}
        self.referred: set[str] = set()
        self.extents: dict[str, Extent] = {}

    def assign(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            self.extents[name] = self.extent(statement.value)
            self.variables[name] = self.value(statement.value, name)
            self.lines[name] = statement.lineno
            return
        raise self._refuse(statement, "only assignments of data to names are allowed: a config is read, not executed")

    def extent(self, node: ast.expr) -> Extent:
        """Return how much an expression holds, before any of it is made: names may double what they refer to, line by line."""
        match node:
            case ast.List() | ast.Tuple():
                parts = node.elts
            case ast.Dict():
                parts = node.values
            case ast.Call():
                parts = [word.value for word in node.keywords]
            case ast.Name():
                return self.extents.get(node.id, Extent())
            case _:
                return Extent()
        return extent_around(map(self.extent, parts), f"{self.path}:{node.lineno}")

    def value(self, node: ast.expr, key: str) -> Any:
        self.lines[key] = node.lineno
        match node:
            case ast.Constant():
                return self._plain(node, node.value, key)
            case ast.List() | ast.Tuple():
                items = [self.value(item, f"{key}[{index}]") for index, item in enumerate(node.elts)]
                return items if isinstance(node, ast.List) else tuple(items)
            case ast.Dict():
                return self._mapping(node, key)
            case ast.Call(func=ast.Name(id="dict"), args=[]):
                names = [self._word(word) for word in node.keywords]
                if len(set(names)) < len(names):
                    twice = next(name for name in names if names.count(name) > 1)
                    raise self._refuse(node, f"{key}: {twice} is given twice; keep one")
                return {word.arg: self.value(word.value, f"{key}.{word.arg}") for word in node.keywords}
            case ast.Name() if node.id in self.variables:
                self.referred.add(node.id)
                return self.variables[node.id]
            case ast.UnaryOp(op=ast.USub()) | ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
                return self._plain(node, self._number(node, key), key)
        raise self._refuse(node, f"{key}: {ast.unparse(node)[:60]!r} is not plain data (literals, dict(...), names from above)")

    def _mapping(self, node: ast.Dict, key: str) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            if not isinstance(key_node, ast.Constant):
                raise self._refuse(node, f"{key}: the names in a dictionary must be literals")
            if self._plain(key_node, key_node.value, key) in values:
                raise self._refuse(key_node, f"{key}: {shown(key_node.value)} is given twice; keep one")
            values[key_node.value] = self.value(value_node, f"{key}.{key_node.value!s}")
        return values

    def _word(self, word: ast.keyword) -> str:
        if word.arg is None:
            raise self._refuse(word.value, "dict(**other) is not allowed; write the names out")
        return word.arg

    def _number(self, node: ast.UnaryOp | ast.BinOp, key: str) -> float:
        operands = [node.operand] if isinstance(node, ast.UnaryOp) else [node.left, node.right]
        numbers = [self.value(operand, key) for operand in operands]
        if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
            raise self._refuse(node, f"{key}: arithmetic is for numbers only")
        if isinstance(node, ast.UnaryOp):
            return -numbers[0]  # type: ignore[no-any-return]
        match node.op:
            case ast.Add():
                return numbers[0] + numbers[1]  # type: ignore[no-any-return]
            case ast.Sub():
                return numbers[0] - numbers[1]  # type: ignore[no-any-return]
            case ast.Mult():
                return numbers[0] * numbers[1]  # type: ignore[no-any-return]
        if numbers[1] == 0:
            raise self._refuse(node, f"{key}: division by zero")
        return numbers[0] / numbers[1]  # type: ignore[no-any-return]

    def _plain(self, node: ast.expr, value: Any, key: str) -> Any:
        problem = problem_of(value)
        if problem:
            raise self._refuse(node, f"{key}: {problem}")
        return value

    def _refuse(self, node: ast.stmt | ast.expr, reason: str) -> ConfigError:
        return ConfigError(f"{self.path}:{node.lineno}: {reason}")
