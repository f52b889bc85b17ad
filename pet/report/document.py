"""A page as one file: template, styles, scripts and data together, so that it needs no network."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pet import __version__
from pet.report.blocks import Section

if TYPE_CHECKING:
    from jinja2 import Environment

ASSETS = Path(__file__).parent / "assets"
CHART = 'class="plot"'
"""What a section with a chart has."""


class RenderedSection(NamedTuple):
    """A section as HTML, a number that changes with it, and what the list of sections calls it; empty: it is not listed."""

    id: str
    title: str
    version: str
    html: str


def render_document(title: str, subtitle: str, sections: Sequence[RenderedSection], *, live: bool = False) -> str:
    """Return a page as HTML; ``live``: of one that is served, which asks for what has changed."""
    has_charts = live or any(CHART in section.html for section in sections)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=title,
            subtitle=subtitle,
            sections=sections,
            live=live,
            version=__version__,
            has_charts=has_charts,
            styles=_trusted((_read("uplot.min.css") if has_charts else "") + _read("page.css")),
            scripts=_trusted((_chart_library() if has_charts else "") + _read("page.js")),
        )
    )


def render_section(section: Section, listed: str) -> RenderedSection:
    """Return a section as HTML; ``listed``: what the list of sections calls it."""
    template = _environment().get_template("section.html.j2")
    content = {"id": section.id, "title": section.title, "blocks": section.blocks}
    version = hashlib.sha256(template.render(**content, version="").encode()).hexdigest()[:12]
    return RenderedSection(section.id, listed, version, _trusted(template.render(**content, version=version)))


def _trusted(text: str) -> Any:
    """Return text that is HTML already: the template has escaped what comes from files."""
    # slow, and only needed here
    from markupsafe import Markup

    return Markup(text)


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    # slow, and only needed here
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(ASSETS), autoescape=True, trim_blocks=True)
    environment.filters["figure"] = format_number
    return environment


def format_number(value: float, column: str) -> str:
    """Return a number with four digits behind the point; counts as they are, and shares as percent where the column says ``%``."""
    if column.endswith("%"):
        return f"{100 * value:.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if abs(value) >= 1e-4 or value == 0 else f"{value:.2e}"


def _chart_library() -> str:
    return f"/*\nuPlot\n{_read('uplot.LICENSE')}\n*/\n{_read('uplot.min.js')}\n"


@lru_cache
def _read(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
