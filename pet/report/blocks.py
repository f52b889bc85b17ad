"""What a page is made of: sections, each a list of blocks that the template draws. Imports no torch."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Block = Mapping[str, Any]
"""Its ``kind`` is one of ``tiles``, ``table``, ``matrix``, ``lines``, ``histogram``, ``samples``, ``advice``, ``progress`` and ``log``; the
template ``section.html.j2`` shows what else each has."""


class Section(NamedTuple):
    """A part of a page with a heading."""

    id: str
    title: str
    blocks: Sequence[Block]


def table_block(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], **further: Any) -> Block:
    """Return a table; numbers keep all of their digits, which the template shortens."""
    return {"kind": "table", "title": title, "columns": list(columns), "rows": [list(row) for row in rows], **further}


def samples_block(title: str, samples: Sequence[Mapping[str, Any]], **further: Any) -> Block:
    """Return samples, each with ``name``, ``remark`` and ``pictures``, of which each has ``title``, ``data``, ``width`` and ``height``."""
    return {"kind": "samples", "title": title, "samples": samples, **further}
