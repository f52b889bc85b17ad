"""The page of the Python API, from signatures and docstrings."""

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from transforms_page import cell

MODULES = {
    "pet": "What the commands do, in a program: [python.md](python.md) shows it.",
    "pet.autoconfig": "From a folder of data to a config.",
    "pet.task": "What a task is: [add_a_task.md](add_a_task.md).",
    "pet.data": "Data sets, transforms, and pictures of what they give.",
    "pet.models": "Weights of models.",
    "petlib.engine": "The loop, its state and its hooks.",
    "petlib.solver": "Optimizers and schedules.",
    "petlib.data": "Which sample is where, and loading.",
    "petlib.checkpoint": "Checkpoints, and weights of others.",
    "petlib.distributed": "Processes that train together.",
}
HEAD = """# Python API

Written by `tools/docs/write_config_page.py` (`make docs`) from the code; a test compares it. What Pet offers to programs and to training
scripts of one's own; other modules may change without a line in the changelog.
"""
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):\n((?:(?:[ ]{4}.*)?(?:\n|$))+)", re.MULTILINE)
ENTRY = re.compile(r"^    (\**\w+): ?(.*(?:\n {5,}.*|\n(?= {5,}))*)", re.MULTILINE)
WIDE = 100


def api_page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_module(name, text) for name, text in MODULES.items())


def _module(name: str, text: str) -> str:
    return f"\n## `{name}`\n\n{text}\n" + "".join(_member(name, member) for member in public_names(name))


def public_names(module: str) -> list[str]:
    """Return the classes and functions that a module offers, in their order."""
    found = importlib.import_module(module)
    names = getattr(found, "__all__", None) or [key for key, value in vars(found).items() if getattr(value, "__module__", "") == module]
    return sorted(name for name in names if not name.startswith("_") and isinstance(getattr(found, name), type | FunctionType))


def _member(module: str, name: str) -> str:
    value = getattr(importlib.import_module(module), name)
    text = f"\n### `{module}.{name}`\n\n```python\n{signature(name, value)}\n```\n\n{_meaning(value)}"
    return text + ("".join(_methods(value)) if isinstance(value, type) else "")


def _methods(value: type) -> Iterator[str]:
    """Give a list of the methods and properties of a class."""
    rows = []
    for name, method in vars(value).items():
        inner = method.fget if isinstance(method, property) else getattr(method, "__func__", method)
        if not name.startswith("_") and isinstance(inner, FunctionType):
            shown = name if isinstance(method, property) else f"{name}({', '.join(_parameters(inner))})"
            rows.append(f"- `{shown}`: {cell((inspect.getdoc(inner) or '').partition(chr(10) * 2)[0])}")
    if rows:
        yield "\n".join(["\n**Methods and properties**\n", *rows]) + "\n"


def signature(name: str, value: Any) -> str:
    """Return how something is called, on several lines where it is long; what a class only has to look like, its name."""
    if getattr(value, "_is_protocol", False):
        return name
    parameters = _parameters(value.__init__ if isinstance(value, type) else value)
    returned = inspect.signature(value).return_annotation if isinstance(value, FunctionType) else inspect.Signature.empty
    end = "" if returned is inspect.Signature.empty else f" -> {_annotation(returned)}"
    line = f"{name}({', '.join(parameters)}){end}"
    inner = textwrap.indent(",\n".join(parameters), "    ")
    return line if len(line) <= WIDE else f"{name}(\n{inner},\n){end}"


def _parameters(value: Any) -> list[str]:
    if not isinstance(value, FunctionType):
        return []
    shown, keyword_only = [], False
    for name, parameter in inspect.signature(value).parameters.items():
        if name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            shown.append("*")
            keyword_only = True
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        typed = "" if parameter.annotation is parameter.empty else f": {_annotation(parameter.annotation)}"
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        shown.append(f"{stars}{name}{typed}{default}")
    return shown


def _annotation(value: Any) -> str:
    """Return a type without the modules of its parts."""
    text = value if isinstance(value, str) else inspect.formatannotation(value)
    return re.sub(r"\b(?:\w+\.)+(?=\w)|~(?=\w)", "", text)


def _default(value: Any) -> str:
    """Return a default as it is written, or where that says nothing, three dots."""
    text = repr(value)
    return "..." if " object at " in text or text.startswith(("<", "mappingproxy")) else text


def _meaning(value: Any) -> str:
    """Return what a docstring says, with its sections as lists."""
    text = inspect.getdoc(value) or ""
    parts = [_prose(text[: found.start()] if (found := SECTION.search(text)) else text)]
    for title, body in SECTION.findall(text):
        entries = [f"- `{name}`: {cell(meaning)}" for name, meaning in ENTRY.findall(body)]
        parts.append(f"**{title}**\n\n" + ("\n".join(entries) if entries else cell(body)) + "\n")
    return "\n".join(parts)


def _prose(text: str) -> str:
    """Return paragraphs of a docstring; what is indented stays code."""
    blocks = re.split(r"\n\n+", text.strip())
    shown = [block if block.startswith("    ") else cell(block).replace("::", ":") for block in blocks]
    return "\n\n".join(block.replace("\\|", "|") for block in shown) + "\n"
