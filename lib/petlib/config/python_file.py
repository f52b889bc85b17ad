"""Python configs: data in Python's notation. Their expressions are evaluated within bounds, and nothing is executed."""

import ast
from pathlib import Path
from typing import Any

from petlib.config.expressions import Evaluator
from petlib.config.limits import BASE_KEYS, TYPE_KEY, Contents
from petlib.errors import ConfigError


def read_python(path: Path, text: str) -> Contents:
    """Return the module variables of a Python config and the line number of each, nested ones as dotted keys.

    A value is what :mod:`petlib.config.expressions` evaluates: literals, ``dict(name=value)``, variables that are assigned above it,
    arithmetic, indexing, f-strings, comprehensions and a few functions. Names that begin with one underscore (but not ``_BASE_``,
    ``_base_`` or ``_TYPE_``) are helpers: they can be referred to and are no keys.

    Raises:
        ConfigError: the text is not valid Python, holds anything but such assignments, or makes too much (with the line).
    """
    evaluator = Evaluator(path)
    try:
        module = ast.parse(text, filename=str(path))
        for position, statement in enumerate(module.body):
            if position == 0 and _is_docstring(statement):
                continue
            _assign(statement, evaluator)
    except SyntaxError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.offset}: not valid Python: {error.msg}") from error
    # Python says either of an expression in too many parts
    except (RecursionError, MemoryError) as error:
        raise ConfigError(f"{path}: an expression in it is nested too deeply; no config is") from error
    values = {name: value for name, value in evaluator.variables.items() if name in (*BASE_KEYS, TYPE_KEY) or not name.startswith("_")}
    return Contents(values, evaluator.lines, referred=evaluator.referred)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)


def _assign(statement: ast.stmt, evaluator: Evaluator) -> None:
    """Take ``a = value``, ``a = b = value``, ``a, b = values`` or ``a += value``."""
    match statement:
        case ast.Assign():
            given, targets = statement.value, statement.targets
        case ast.AugAssign(target=ast.Name(id=name)):
            given = ast.copy_location(ast.BinOp(ast.copy_location(ast.Name(name), statement), statement.op, statement.value), statement)
            targets = [statement.target]
        case _:
            raise evaluator.refuse(statement, "only assignments of data to names are allowed: a config is read, not executed")
    key = targets[0].id if isinstance(targets[0], ast.Name) else ast.unparse(targets[0])
    value: Any = evaluator.value(given, key)
    for target in targets:
        for name, part in evaluator.bound_names(target, value, key).items():
            evaluator.variables[name] = part
            evaluator.lines[name] = statement.lineno
            # what was referred to is the value before
            evaluator.referred.discard(name)
