"""What a page says of several runs: their figures and curves next to each other, and in what they differ."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pet.report.blocks import Block, Section, table_block
from pet.report.run_folder import RunFolder
from pet.report.sections import curve_block, flat_facts, flat_metrics, shown_value
from pet.visual.curves import find_panels

MISSING = "(default)"


def compare(runs: Sequence[RunFolder]) -> list[Section]:
    """Return the sections about all runs together that have something to show."""
    found = [
        Section("comparison", "Figures of the tests", _metrics(runs)),
        Section("all-curves", "Curves", _curves(runs)),
        Section("differences", "What differs", [*_settings(runs), *_facts(runs)]),
    ]
    return [section for section in found if section.blocks]


def _metrics(runs: Sequence[RunFolder]) -> list[Block]:
    whole = [flat_metrics(run.metrics) for run in runs]
    names = list(dict.fromkeys(name for metrics in whole for name in metrics))
    rows: list[list[Any]] = [[name, *(metrics.get(name) for metrics in whole)] for name in names]
    return [table_block("", ["figure", *(run.name for run in runs)], rows, wide=True)] if rows else []


def _curves(runs: Sequence[RunFolder]) -> list[Block]:
    """Return a chart for each figure: the lines are the runs."""
    joined = {name: points for run in runs for name, points in run.series.items() if name.count("/") < 2}
    named = {run.name: run for run in runs}
    return [curve_block(name, unit, [name], named) for _, unit, names in find_panels(joined) for name in names]


def _settings(runs: Sequence[RunFolder]) -> list[Block]:
    settings = [{entry["key"]: entry["value"] for entry in run.facts.get("settings", [])} for run in runs]
    defaults = {entry["key"]: entry["default"] for run in runs for entry in run.facts.get("settings", [])}
    return _differing("Settings that differ", "key", runs, settings, lambda key: f"{shown_value(defaults[key])} {MISSING}")


def _facts(runs: Sequence[RunFolder]) -> list[Block]:
    return _differing("Facts that differ", "fact", runs, [flat_facts(run) for run in runs], lambda _: "-")


def _differing(
    title: str, what: str, runs: Sequence[RunFolder], values: Sequence[Mapping[str, Any]], missing: Callable[[str], str]
) -> list[Block]:
    names = list(dict.fromkeys(name for own in values for name in own))
    rows = [[name, *(shown_value(own[name]) if name in own else missing(name) for own in values)] for name in names]
    rows = [row for row in rows if len(set(row[1:])) > 1]
    return [table_block(title, [what, *(run.name for run in runs)], rows, text=True)] if rows else []
