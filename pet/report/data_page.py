"""The page of a look at data: every finding with its picture and what to do, and what there is how often."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pet.data.report.dataset_report import QUANTILES, DatasetReport
from pet.data.report.overview import RunReport
from pet.data.report.readable import by_kind, verdict_of
from pet.data.report.remedies import remedy_of
from pet.data.report.shared import LEAKS, NEARLY_SAME
from pet.data.targets.dataset import Dataset
from pet.data.targets.observation import Finding
from pet.report.blocks import Block, Section, samples_block, table_block
from pet.report.document import render_document, render_section
from pet.report.finding_pictures import Illustrator
from pet.visual.settings import DrawSettings
from petlib.files import write_text_atomically

DATA_PAGE = "check.html"
MOST_SHOWN = 12
"""Findings of one kind that are shown, the first ones."""

MOST_CLASSES = 1000
RATIO = "width / height"
TITLES = {"leaks": "Training and test share", "faults": "Faults", "oddities": "Oddities"}

KindKey = tuple[bool, str]
"""Whether findings are fatal, and what they are."""


def write_data_page(path: Path, report: RunReport, datasets: Mapping[str, Dataset], settings: DrawSettings, *, title: str) -> None:
    """Write the page of a look at data.

    Args:
        path: the file.
        report: what was found.
        datasets: the data sets by name, for pictures.
        settings: what is drawn.
        title: the name of the config.
    """
    sections = [render_section(section, section.title) for section in data_sections(report, datasets, settings)]
    write_text_atomically(path, render_document(f"Data of {title}", str(path.absolute().parent), sections))


def data_sections(report: RunReport, datasets: Mapping[str, Dataset], settings: DrawSettings) -> list[Section]:
    """Return the sections of a page that have something to show: what makes a test too easy comes first, then faults, then what is odd."""
    illustrator, kinds = Illustrator(datasets, settings), by_kind(report.all_findings)
    groups = {name: {key: kinds[key] for key in sorted(kinds, key=_urgency) if _section_of(key) == name} for name in TITLES}
    found = [
        Section("summary", "Summary", list(_summary(report, [entry for group in groups.values() for entry in group.items()]))),
        *(Section(name, TITLES[name], [_findings(*entry, illustrator) for entry in group.items()]) for name, group in groups.items()),
        *(
            Section(f"data-{split}-{number}", f"{split}: {part.name}", list(_contents(part)))
            for split, parts in report.datasets.items()
            for number, part in enumerate(parts)
        ),
    ]
    return [section for section in found if section.blocks]


def _section_of(key: KindKey) -> str:
    return "leaks" if key[1] in LEAKS else "faults" if key[0] else "oddities"


def _urgency(key: KindKey) -> tuple[int, bool]:
    """What is nearly the same comes last: there may be much of it."""
    return LEAKS.index(key[1]) if key[1] in LEAKS else 0, key[1] == NEARLY_SAME


def _summary(report: RunReport, kinds: Sequence[tuple[KindKey, list[Finding]]]) -> Iterator[Block]:
    everything = report.all_findings
    fatal = sum(finding.fatal for finding in everything)
    samples = [(f"samples of {split}", sum(part.samples for part in parts)) for split, parts in report.datasets.items()]
    yield {"kind": "tiles", "tiles": [("faults", fatal), ("oddities", len(everything) - fatal), *samples]}
    yield {"kind": "advice", "title": "", "lines": [f"{verdict_of(report)}.", *report.not_looked_for]}
    rows = [[kind, "fault" if is_fatal else "oddity", len(members), remedy_of(kind)] for (is_fatal, kind), members in kinds]
    if rows:
        yield table_block("What to do", ("what", "sort", "how often", "what to do"), rows, text=True)


def _findings(key: KindKey, members: list[Finding], illustrator: Illustrator) -> Block:
    shown = [illustrator.record(finding) for finding in members[:MOST_SHOWN]]
    rest = len(members) - len(shown)
    note = f"and {rest:,} more, see report.json" if rest else ""
    return samples_block(f"{len(members):,} x {key[1]}", shown, lead=remedy_of(key[1]), note=note)


def _contents(part: DatasetReport) -> Iterator[Block]:
    objects = sum(count for count, _ in part.classes.values())
    tiles: list[tuple[str, int]] = [("samples", part.samples)]
    if part.images_without_objects is not None:
        tiles += [("objects", objects), ("images without any", part.images_without_objects)]
    yield {"kind": "tiles", "tiles": tiles}
    if part.skipped:
        yield table_block("While reading", ("what", "how often"), [list(entry) for entry in part.skipped.items()], text=True)
    rows = [[name, *counts] for name, counts in part.classes.items()][:MOST_CLASSES]
    has_objects = part.images_without_objects is not None
    if rows and has_objects:
        yield table_block("Classes", ("class", "objects", "images"), rows)
    elif rows:
        yield table_block("Classes", ("class", "images"), [row[:2] for row in rows])
    for kind, shares in part.pixels.items():
        yield table_block(f"Pixels of {kind}", ("class", "%"), [list(entry) for entry in shares.items()])
    yield from _sizes(part)


def _sizes(part: DatasetReport) -> Iterator[Block]:
    if part.object_sizes:
        names = {"small": "small (< 32²)", "medium": "medium", "large": "large (> 96²)"}
        rows = [[shown, part.object_sizes[name]] for name, shown in names.items()]
        yield table_block("Objects by area", ("size", "objects"), rows)
    quantiles = {name: part.image_sizes.get(name, {}) for name in ("width", "height", RATIO)}
    quantiles["object edge"] = part.object_sizes.get("edge", {})
    sizes = [[name, *(_shown(values[quantile], name) for quantile in QUANTILES)] for name, values in quantiles.items() if values]
    if sizes:
        # not a share of something
        columns = [name.replace(" %", " in 100") for name in QUANTILES]
        yield table_block("Sizes in pixels", ("", *columns), sizes, wide=True, note="5 in 100: so many are as small as that, or smaller.")


def _shown(value: float, name: str) -> float:
    """Return whole pixels, and a ratio as it is."""
    return value if name == RATIO and not value.is_integer() else round(value)
