"""Charts and tables as data: what evaluators say of a test, which a page draws. Imports no torch."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from petlib.files import write_text_atomically

CHARTS_FILE = "charts.json"
"""Where a test writes them."""

MOST_POINTS = 400
"""Points of a line; more of them are thinned out, which no screen shows."""

MOST_CLASSES = 60
"""Rows of a confusion matrix; of more classes the most confused ones are shown."""

CALIBRATION_BINS = 10


class Line(NamedTuple):
    """A line of a chart: its name and its points; a value that is NaN is a gap."""

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray


class LineChart(NamedTuple):
    """Lines over one axis.

    Attributes:
        title: what it shows.
        x_label: of the horizontal axis, with its unit.
        y_label: of the vertical axis, with its unit.
        lines: what is drawn.
        note: how it is read, in a sentence.
        points: draw points and no lines between them.
        logarithmic: the vertical axis is logarithmic.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    note: str = ""
    points: bool = False
    logarithmic: bool = False


class Histogram(NamedTuple):
    """How often values fall between B + 1 edges: for each name B counts."""

    title: str
    x_label: str
    edges: Sequence[float]
    counts: Mapping[str, Sequence[int]]
    note: str = ""


class Table(NamedTuple):
    """A table; numbers are sorted as numbers, shares are numbers from 0 to 1 in columns whose name ends with ``%``; None: undefined."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


class Matrix(NamedTuple):
    """A confusion matrix: (C, C) counts; rows are the truth, columns what was predicted."""

    title: str
    names: Sequence[str]
    counts: Sequence[Sequence[int]]
    note: str = ""


Chart = LineChart | Histogram | Table | Matrix
KINDS: Mapping[type, str] = {LineChart: "lines", Histogram: "histogram", Table: "table", Matrix: "matrix"}


def as_record(chart: Chart) -> dict[str, Any]:
    """Return a chart as JSON can hold it, with its ``kind``; long lines are thinned out, and what is not finite becomes None."""
    record: dict[str, Any] = {"kind": KINDS[type(chart)], **chart._asdict()}
    if isinstance(chart, LineChart):
        record["lines"] = [_thinned(line) for line in chart.lines]
    found: dict[str, Any] = _finite(record)
    return found


def write_charts(path: Path, charts: Sequence[Chart]) -> None:
    """Write charts as a JSON file."""
    write_text_atomically(path, json.dumps([as_record(chart) for chart in charts], ensure_ascii=False))


def make_histogram(title: str, x_label: str, values: Mapping[str, np.ndarray], *, bins: int = 30, note: str = "") -> Histogram:
    """Return how often values (N,) of each name fall into bins of one width that hold all of them."""
    joined = np.concatenate([np.asarray(own, np.float64) for own in values.values()] or [np.zeros(0)])
    joined = joined[np.isfinite(joined)]
    low, high = (float(joined.min()), float(joined.max())) if joined.size else (0.0, 1.0)
    # scores and shares keep the whole axis, so that two runs can be compared
    low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high if high > low else low + 1)
    edges = np.linspace(low, high, bins + 1)
    counts = {name: np.histogram(np.asarray(own, np.float64), edges)[0].tolist() for name, own in values.items()}
    return Histogram(title, x_label, edges.tolist(), counts, note)


def make_calibration(scores: np.ndarray, right: np.ndarray, *, what: str) -> LineChart:
    """Return how often what was predicted with a score is right, in ten bins of scores, next to the diagonal that is aimed at.

    Args:
        scores: (N,), from 0 to 1.
        right: bool (N,).
        what: what has a score, e.g. ``samples``.
    """
    scores, right = np.asarray(scores, np.float64), np.asarray(right, np.float64)
    places = np.minimum((scores * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    counts = np.bincount(places, minlength=CALIBRATION_BINS)
    filled = np.flatnonzero(counts)
    means = np.bincount(places, scores, CALIBRATION_BINS)[filled] / counts[filled]
    shares = np.bincount(places, right, CALIBRATION_BINS)[filled] / counts[filled]
    error = float(np.sum(counts[filled] * np.abs(means - shares)) / max(len(scores), 1))
    return LineChart(
        "Calibration",
        "score",
        f"share of right {what}",
        [Line("this model", means.tolist(), shares.tolist()), Line("perfect", [0.0, 1.0], [0.0, 1.0])],
        note=f"Expected calibration error {error:.3f}: the mean difference of scores and shares. Below the diagonal scores are too high.",
    )


def make_confusion(title: str, names: Sequence[str], counts: np.ndarray, *, note: str = "") -> Matrix:
    """Return a confusion matrix (C, C); of many classes those with the most mistakes, in their order."""
    if len(names) > MOST_CLASSES:
        wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
        kept = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
        note = f"{note} The {MOST_CLASSES} of {len(names)} classes with the most mistakes.".strip()
        names, counts = [names[place] for place in kept], counts[np.ix_(kept, kept)]
    return Matrix(title, list(names), counts.astype(np.int64).tolist(), note)


def thin(length: int, most: int = MOST_POINTS) -> list[int]:
    """Return at most so many places, evenly spread over ``length``, with the first and the last one."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int)).tolist() if length else []


def _thinned(line: Line) -> dict[str, Any]:
    kept = thin(len(line.x))
    return {"name": line.name, "x": [float(line.x[place]) for place in kept], "y": [float(line.y[place]) for place in kept]}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(own) for own in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        # six digits are more than a page shows, and half of its size
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
