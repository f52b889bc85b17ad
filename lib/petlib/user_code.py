"""Modules that a user wrote: what is wrong in one while it is imported becomes a message with the user's own file and line."""

import ast
import importlib
import importlib.util
import traceback
from pathlib import Path
from types import ModuleType

from petlib.errors import ConfigError, UserError


def import_user_module(name: str, root: Path | None = None) -> ModuleType:
    """Import a module of a user.

    Args:
        name: its dotted name.
        root: the folder that the user's files lie below; None: the one that holds the module or its outermost package.

    Raises:
        ModuleNotFoundError: there is no such module.
        ConfigError: the module is not Python, or an error ended its import; the message has the line of the user's that led to it.
        UserError: what code of the module raised as such.
    """
    try:
        return importlib.import_module(name)
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(describe_import_error(error, root or _folder_of(name))) from error


def parse_user_module(path: Path) -> ast.Module:
    """Return the syntax of a module of a user, which is not imported.

    Raises:
        ConfigError: it is missing or not Python.
    """
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except (OSError, SyntaxError, ValueError) as error:
        raise ConfigError(describe_import_error(error, path.parent)) from error


def describe_import_error(error: Exception, root: Path) -> str:
    """Return where code below ``root`` went wrong while it was imported, and how: ``blobs/task.py:11: NameError: ...``, and the line.

    An error that came up in code of others has the place in it as a second line.
    """
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        line = f"\n    {error.text.strip()}" if error.text else ""
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}{line}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if root.resolve() in Path(frame.filename).resolve().parents]
    if not own:
        return text
    deeper = "" if own[-1] is frames[-1] else f"\n  raised in {frames[-1].filename}:{frames[-1].lineno}, {frames[-1].name}"
    return f"{own[-1].filename}:{own[-1].lineno}: {text}\n    {own[-1].line}{deeper}"


def _folder_of(name: str) -> Path:
    """Return the folder that holds a module or its outermost package."""
    spec = importlib.util.find_spec(name.partition(".")[0])
    assert spec is not None, f"{name} was found when it was imported"
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).parent
    return Path(spec.origin or "").parent
