"""The page of one or several runs."""

from collections.abc import Sequence
from pathlib import Path

from pet.report.blocks import Section
from pet.report.comparison import compare
from pet.report.document import RenderedSection, render_document, render_section
from pet.report.run_folder import RunFolder, read_distinct
from pet.report.sections import sections_of
from petlib.files import write_text_atomically

PAGE = "report.html"


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
    return render_document(title, subtitle, render_sections(runs, live=live), live=live)


def render_sections(runs: Sequence[RunFolder], *, live: bool = False) -> list[RenderedSection]:
    """Return the sections of a page; of several runs first what compares them, then those of each."""
    if len(runs) == 1:
        return [render_section(section, section.title) for section in sections_of(runs[0], live=live)]
    found = [render_section(section, section.title) for section in compare(runs)]
    for number, run in enumerate(runs, start=1):
        for place, section in enumerate(sections_of(run)):
            own = Section(f"run{number}-{section.id}", f"{run.name}: {section.title}", section.blocks)
            found.append(render_section(own, "" if place else run.name))
    return found
