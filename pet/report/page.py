"""The page of one or several runs as one file: template, styles, scripts and data together, so that it needs no network."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pet import __version__
from pet.report.comparison import compare
from pet.report.run_folder import RunFolder, read_distinct
from pet.report.sections import Section, sections_of
from petlib.files import write_text_atomically

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE = "report.html"
ASSETS = Path(__file__).parent / "assets"


class RenderedSection(NamedTuple):
    """A section as HTML, a number that changes with it, and what the list of sections calls it; empty: it is not listed."""

    id: str
    title: str
    version: str
    html: str


def write_page(folders: Sequence[Path], path: Path) -> None:
    """Write the page of one run, or of several next to each other.

    Raises:
        DataError: a folder is that of no run.
    """
    write_text_atomically(path, render_page(read_distinct(folders)))


def render_page(runs: Sequence[RunFolder], *, live: bool = False) -> str:
    """Return the page of runs as HTML; ``live``: of one that is served, which asks for what has changed."""
    title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs: {', '.join(run.name for run in runs)}"
    subtitle = str(runs[0].path.absolute()) if len(runs) == 1 else "next to each other"
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=title,
            subtitle=subtitle,
            sections=render_sections(runs, live=live),
            live=live,
            version=__version__,
            styles=_trusted(_read("uplot.min.css") + _read("page.css")),
            scripts=_trusted(f"/*\nuPlot\n{_read('uplot.LICENSE')}\n*/\n{_read('uplot.min.js')}\n{_read('page.js')}"),
        )
    )


def render_sections(runs: Sequence[RunFolder], *, live: bool = False) -> list[RenderedSection]:
    """Return the sections of a page; of several runs first what compares them, then those of each."""
    if len(runs) == 1:
        return [_render(section, section.title) for section in sections_of(runs[0], live=live)]
    found = [_render(section, section.title) for section in compare(runs)]
    for number, run in enumerate(runs, start=1):
        for place, section in enumerate(sections_of(run)):
            own = Section(f"run{number}-{section.id}", f"{run.name}: {section.title}", section.blocks)
            found.append(_render(own, "" if place else run.name))
    return found


def _render(section: Section, listed: str) -> RenderedSection:
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


@lru_cache
def _read(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
