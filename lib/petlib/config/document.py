"""The reference page of all keys (``docs/config.md``), made from the schemas."""

from collections.abc import Iterator

from petlib.config.key import Key, Schema, annotation_name


def schema_as_markdown(schema: Schema) -> str:
    """Return one table for each first-level section: key, type, default, unit, meaning."""
    parts: list[str] = []
    for section, entry in schema.items():
        assert not isinstance(entry, Key), f"the key {section} stands outside a section"
        parts.append(f"### {section}\n\n| key | type | default | unit | meaning |\n|---|---|---|---|---|")
        parts.extend(_rows(entry, f"{section}."))
        parts.append("")
    return "\n".join(parts)


def _rows(schema: Schema, prefix: str) -> Iterator[str]:
    for name, entry in schema.items():
        if not isinstance(entry, Key):
            yield from _rows(entry, f"{prefix}{name}.")
            continue
        kind = " \\| ".join(f"`{choice}`" for choice in entry.allowed()) or f"`{annotation_name(entry.annotation())}`"
        meaning = entry.meaning.replace("|", "\\|").replace("<", "\\<")
        yield f"| `{prefix}{name}` | {kind} | `{entry.default!r}` | {entry.unit} | {meaning} |"
