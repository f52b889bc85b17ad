"""What a page says of one run: its sections, each a list of blocks that the template draws."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pet.report.advice import advise
from pet.report.blocks import Block, Section, samples_block, table_block
from pet.report.run_folder import RunFolder, duration
from pet.visual.charts import Line, LineChart, as_record
from pet.visual.curves import COUNTED, find_panels
from petlib.suggest import counted

MOST_LINES = 10
MOST_TILES = 6
SORTS = {"worst": "Worst samples", "best": "Best samples", "shown": "Samples"}
WIDE_SPAN = 100
"""A logarithmic axis from here on: the greatest value is so many times the least."""


def sections_of(run: RunFolder, *, live: bool = False) -> list[Section]:
    """Return the sections of a run that have something to show.

    Args:
        run: the run.
        live: it is being trained: its progress and its last pictures come first.
    """
    found = [
        Section("progress", "Progress", list(_progress(run))) if live else None,
        Section("summary", "Summary", list(_summary(run))),
        Section("latest", "Latest predictions", _samples(run.latest)) if live or not run.samples else None,
        Section("curves", "Curves", [curve_block(*panel, {"": run}) for panel in _panels(run)]),
        Section("test", "Test", [*_figures(run), *run.charts]),
        Section("samples", "Samples", _samples(run.samples)),
        Section("settings", "Settings", list(_settings(run))),
        Section("facts", "Versions, hardware, data", list(_facts(run))),
        Section("log", "Log", list(_log(run, live))),
    ]
    return [section for section in found if section is not None and section.blocks]


def curve_block(title: str, unit: str, names: Sequence[str], runs: Mapping[str, RunFolder]) -> Block:
    """Return a chart of figures over the iterations, of each run by its name."""
    lines = [
        Line(f"{label} {name}".strip() if len(names) > 1 or not label else label, *run.series.get(name, ([], [])))
        for label, run in runs.items()
        for name in names
    ]
    shown = lines[:MOST_LINES]
    values = [value for line in shown for value in line.y]
    logarithmic = unit == "loss" and min(values) > 0 and max(values) >= WIDE_SPAN * min(values)
    note = f"The first {len(shown)} of {len(lines)} lines." if len(lines) > len(shown) else ""
    return as_record(LineChart(title, "iteration", unit, shown, note, logarithmic=logarithmic))


def flat_metrics(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return the metrics that are of no single class; counts as whole numbers, which pages show as such."""
    flat = {name: value for name, value in metrics.items() if name.count("/") < 2}
    return {name: round(value) if value is not None and COUNTED.keys() & {*name.split("/")} else value for name, value in flat.items()}


def shown_value(value: Any) -> str:
    """Return a setting as a reader writes it."""
    return "''" if value == "" else str(value)


def _panels(run: RunFolder) -> list[tuple[str, str, list[str]]]:
    timing = [("Time of an iteration", "seconds", ["iter_time", "data_time"]), ("Memory", "MiB", ["memory_mb"])]
    # figures of single classes would hide the others
    series = {name: points for name, points in run.series.items() if name.count("/") < 2}
    return [*find_panels(series), *(panel for panel in timing if panel[2][0] in run.series)]


def _progress(run: RunFolder) -> Iterator[Block]:
    state = run.facts.get("state", "running")
    if run.progress is None:
        yield {"kind": "progress", "share": 0.0, "title": state, "text": "the first figures are not written yet"}
        return
    left = f"{run.progress.remaining} left" if state == "running" else state
    text = f"iteration {run.progress.iteration:,} of {run.progress.iterations:,}, {left}"
    yield {"kind": "progress", "share": run.progress.share, "title": state, "text": text}
    if load := _load(run):
        yield {"kind": "advice", "title": "Load", "lines": load}


def _load(run: RunFolder) -> list[str]:
    """Return how busy the machine is: accelerators, and the share of the last iterations that waited for data."""
    lines = list(run.facts.get("load", []))
    if all(name in run.series for name in ("iter_time", "data_time")):
        whole, waited = (run.series[name][1][-1] for name in ("iter_time", "data_time"))
        lines.append(f"{whole:.3g} s an iteration, {waited / max(whole, 1e-9):.0%} of it waiting for data")
    return lines


def _summary(run: RunFolder) -> Iterator[Block]:
    metrics = flat_metrics(run.metrics) or {name: values[-1] for name, (_, values) in run.series.items() if name.count("/") == 1}
    tiles: list[tuple[str, Any]] = _first_of_each({name: value for name, value in metrics.items() if value is not None})
    facts = run.facts
    if "seconds" in facts:
        tiles.append(("time of the training", duration(facts["seconds"])))
    yield {"kind": "tiles", "tiles": tiles}
    if lines := advise(run):
        yield {"kind": "advice", "title": "What is worth a look, and what to do next", "lines": lines}


def _first_of_each(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the first figures of each evaluator, in its order: boxes do not hide tracks."""
    groups: dict[str, list[tuple[str, float]]] = {}
    for name, value in metrics.items():
        groups.setdefault(name.partition("/")[0], []).append((name, value))
    share = max(1, MOST_TILES // max(1, len(groups)))
    return [tile for group in groups.values() for tile in group[:share]]


def _figures(run: RunFolder) -> Iterator[Block]:
    """Yield all of ``metrics.json``: figures of the whole test, and a table of the classes where there are figures of each."""
    whole = flat_metrics(run.metrics)
    if whole:
        yield table_block("Figures of the test", ("figure", "value"), list(whole.items()), note="As test/metrics.json has them.")
    classes: dict[str, dict[str, dict[str, float | None]]] = {}
    for name, value in run.metrics.items():
        if name not in whole:
            head, middle, rest = name.split("/", 2)
            # most tasks call them head/figure/class, some head/class/figure
            classes.setdefault(head, {}).setdefault(middle, {})[rest] = value
    known = run.classes
    for head, columns in classes.items():
        rows = sorted({row for values in columns.values() for row in values})
        shown = columns
        if known.issuperset(columns):
            shown = {row: {name: values[row] for name, values in columns.items() if row in values} for row in rows}
            rows = list(dict.fromkeys(name for values in shown.values() for name in values))
        table = [[row, *(values.get(row) for values in shown.values())] for row in rows]
        # ranges of counts or distances are no classes
        word = "class" if any(map(run.may_be_class, rows)) else "group"
        yield table_block(f"{head} by {word}", [word, *shown], table, wide=len(shown) > 4)


def _samples(records: Sequence[Mapping[str, Any]]) -> list[Block]:
    sorts = {sort: [record for record in records if record.get("sort") == sort] for sort in SORTS}
    return [samples_block(SORTS[sort], found) for sort, found in sorts.items() if found]


def _settings(run: RunFolder) -> Iterator[Block]:
    settings = run.facts.get("settings", [])
    if settings:
        rows = [[entry["key"], shown_value(entry["value"]), shown_value(entry["default"]), str(entry["place"])] for entry in settings]
        note = "All settings are in config.yaml."
        columns = ("key", "value", "default", "from")
        yield table_block("Settings that differ from the defaults", columns, rows, note=note, text=True)


def flat_facts(run: RunFolder) -> dict[str, str]:
    """Return the facts of a run, each a line: times, versions, hardware, data and the weights that it began with."""
    found: dict[str, str] = {}
    for name in ("config", "state", "started", "ended", "iteration", "iterations", "iterations an epoch"):
        if name in run.facts:
            found[name] = str(run.facts[name])
    if "seconds" in run.facts:
        found["time"] = duration(run.facts["seconds"])
    for group in ("hardware", "versions"):
        found |= {name: str(value) for name, value in run.facts.get(group, {}).items()}
    for group, prefix in (("data", "data"), ("weights", "weights")):
        found |= {f"{prefix}: {name}": str(value) for name, value in run.facts.get(group, {}).items()}
    return found


def _facts(run: RunFolder) -> Iterator[Block]:
    if facts := flat_facts(run):
        yield table_block("", ("fact", "value"), list(facts.items()), text=True)


def _log(run: RunFolder, live: bool) -> Iterator[Block]:
    if run.warnings:
        title = counted(len(run.warnings), "warning")
        yield {"kind": "log", "title": title, "lines": run.warnings[-50:], "warnings": True, "open": live, "wide": True}
    if run.log:
        yield {"kind": "log", "title": f"The last {len(run.log)} lines of the log", "lines": run.log, "open": live, "wide": True}
