"""What is written from the schemas: the reference page of all keys, and types of configs for editors and mypy."""

import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from petlib.config.key import Key, Schema, annotation_name


def schema_as_markdown(schema: Schema) -> str:
    """Return one table for each first-level section: key, type, default, unit, meaning."""
    parts: list[str] = []
    for section, entry in schema.items():
        assert not isinstance(entry, Key), f"the key {section} is outside a section"
        parts.append(f"### {section}\n\n| key | type | default | unit | meaning |\n|---|---|---|---|---|")
        parts.extend(_rows(entry, f"{section}."))
        parts.append("")
    return "\n".join(parts)


def _rows(schema: Schema, prefix: str) -> Iterator[str]:
    for name, entry in schema.items():
        if not isinstance(entry, Key):
            yield from _rows(entry, f"{prefix}{name}.")
            continue
        kinds = [f"`{choice}`" for choice in (entry.choices if entry.takes_numbers() else entry.allowed())]
        kind = " \\| ".join([*(["`int`"] if entry.takes_numbers() else []), *kinds]) or f"`{annotation_name(entry.annotation())}`"
        meaning = entry.meaning.replace("|", "\\|").replace("<", "\\<")
        yield f"| `{prefix}{name}` | {kind} | `{entry.default!r}` | {entry.unit} | {meaning} |"


HEADER = """# Written by tools/docs/write_config_page.py (make docs) from the schemas; a test compares them. At run time each is a CfgNode.
from typing import {names}

"""
TYPING = ("Any", "Literal", "Self")


@dataclass(frozen=True)
class ConfigType:
    """A config that gets a type.

    Attributes:
        name: the class, e.g. ``"VisionConfig"``; its sections are called after it, ``VisionModelBox``.
        schema: what it has.
        base: the type of a config that it extends; None: it has sections only.
        doc: what the class is, one line.
    """

    name: str
    schema: Schema
    base: "ConfigType | None"
    doc: str


def stub_of(config_types: Sequence[ConfigType], *, imports: str = "") -> str:
    """Return the text of a ``.pyi`` with a class for each of the types and their sections.

    Args:
        config_types: a base before what extends it; bases that ``imports`` names need not be among them.
        imports: further import lines, for bases and their sections.
    """
    classes = [text for one in config_types for text in _class(one.name, one.schema, one.base, doc=one.doc)]
    text = (f"{imports}\n" if imports else "") + "\n".join(classes)
    return HEADER.format(names=", ".join(name for name in TYPING if re.search(rf"\b{name}\b", text) or name == "Any")) + text


def _class(name: str, schema: Schema, base: ConfigType | None, *, path: tuple[str, ...] = (), doc: str = "") -> Iterator[str]:
    """Yield the class of a section, or of a whole config, after those of the sections below it that are new or differ from the base's."""
    inherited = _section(base.schema, path) if base is not None else None
    lines = []
    for key, entry in schema.items():
        there = (inherited or {}).get(key)
        if isinstance(entry, Key):
            if not (isinstance(there, Key) and annotation_source(there) == annotation_source(entry)):
                lines.append(f"    {key}: {annotation_source(entry)}")
        elif there is None or isinstance(there, Key) or not same_types(entry, there):
            inner = f"{name if path else name.removesuffix('Config')}{_word(key)}"
            yield from _class(inner, entry, base, path=(*path, key))
            lines.append(f"    {key}: {inner}")
    parent = section_name(base, path) if base is not None and inherited is not None else "ConfigSection"
    text = ([f'    """{doc}"""\n'] if doc else []) + (lines or ["    ..."])
    yield f"class {name}({parent}):\n" + "\n".join(text) + "\n"


def section_name(config_type: ConfigType, path: tuple[str, ...]) -> str:
    """Return the class of a section, which belongs to the deepest base that has the same types there; without a path the whole config's."""
    if not path:
        return config_type.name
    if config_type.base is not None:
        own, below = _section(config_type.schema, path), _section(config_type.base.schema, path)
        if below is not None and own is not None and same_types(own, below):
            return section_name(config_type.base, path)
    return config_type.name.removesuffix("Config") + "".join(map(_word, path))


def _word(key: str) -> str:
    return key.title().replace("_", "")


def _section(schema: Schema, path: tuple[str, ...]) -> Schema | None:
    entry: Key | Schema | None = schema
    for word in path:
        entry = entry.get(word) if isinstance(entry, Mapping) else None
    return entry if isinstance(entry, Mapping) else None


def same_types(first: Schema, second: Schema) -> bool:
    """Return whether two sections have the same keys with the same types."""
    return _types(first) == _types(second)


def _types(schema: Schema) -> dict[str, Any]:
    return {name: annotation_source(entry) if isinstance(entry, Key) else _types(entry) for name, entry in schema.items()}


def annotation_source(key: Key) -> str:
    """Return the type of a key as source code: ``list[int]``, ``float | None``, ``Literal["ddp", "fsdp"]``."""
    if isinstance(key.choices, tuple) and key.choices and all(isinstance(choice, str) for choice in key.choices):
        quoted = ", ".join(f'"{choice}"' for choice in key.choices)
        return f"int | Literal[{quoted}]" if key.takes_numbers() else f"Literal[{quoted}]"
    return _source(key.annotation())


_PLAIN = {Any: "Any", None: "None", types.NoneType: "None", dict: "dict[str, Any]", list: "list[Any]"}


def _source(annotation: Any) -> str:
    if isinstance(annotation, types.UnionType):
        return " | ".join(map(_source, typing.get_args(annotation)))
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    arguments = typing.get_args(annotation)
    if arguments:
        return f"{typing.get_origin(annotation).__name__}[{', '.join(map(_source, arguments))}]"
    return str(annotation.__name__)


SECTION = '''class ConfigSection:
    """What every section of a config has next to its settings."""

    schema: Schema
    def get(self, name: str, default: Any = None) -> Any: ...
    def __getitem__(self, name: str) -> Any: ...
    def __contains__(self, name: object) -> bool: ...
    def set(self, key: str, value: Any) -> None: ...
    def to_dict(self) -> dict[str, Any]: ...
    def dump(self) -> str: ...
    def clone(self) -> Self: ...
    def freeze(self) -> None: ...
    def defrost(self) -> None: ...
    def flat(self) -> dict[str, Any]: ...
    def given(self) -> dict[str, str]: ...
    def read_keys(self) -> frozenset[str]: ...
'''
