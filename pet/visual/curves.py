"""Curves of a training: losses, learning rate, metrics."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pet.visual.figure import BORDER, make_figure, plain, save_figure
from petlib.distributed.process_group import is_main_process

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOT_METRICS = ("iteration", "epoch", "lr", "iter_time", "data_time", "memory_mb")
COUNTED = {"IDSW": "identity switches"}
"""Figures that are counts, and of what: each has a panel of its own, in which the shares next to it are no flat lines."""
COUNT = "count"
MOST_LINES = 10
LINE_STYLES = ("-", "--", "-.", ":")
WIDEST, THINNEST = 3.0, 1.2
UNITS = 0.035
"""Share of the width in which the units of the vertical axes lie."""
# A logarithmic axis from here on: the greatest value is so many times the least
WIDE_SPAN = 100

Series = dict[str, tuple[list[int], list[float]]]

logger = logging.getLogger(__name__)


def draw_run(folder: str | Path) -> None:
    """Draw the curves of a run into ``curves.png`` in its folder, and log where that is; rank 0 does it. A full disk is a warning."""
    if is_main_process():
        try:
            draw_curves(Path(folder) / "metrics.jsonl", Path(folder) / "curves.png")
        except OSError as error:
            logger.warning("the curves of the run cannot be drawn: %s", error)
        logger.info("checkpoints, metrics and curves are in %s", folder)


def draw_curves(metrics_jsonl: Path, path: Path) -> None:
    """Write the curves of a run's ``metrics.jsonl`` as a PNG file, one panel below the other, over the iterations.

    Panels: losses, learning rate, other figures of the training, and one for each group of evaluation metrics (``cls/acc1``
    and ``cls/acc5`` are in the group ``cls``), with its first ten metrics. Losses that span two decades or more have a
    logarithmic axis. A line that was cut off while it was written is left out, and so are values that are null.

    Args:
        metrics_jsonl: the file, one JSON object a line, each with ``iteration``.
        path: the picture.
    """
    series = read_series(metrics_jsonl)
    panels = find_panels(series)
    height = 0.6 + 2.4 * max(len(panels), 1)
    figure = make_figure(9.0, height, left=UNITS)
    figure.suptitle(plain(f"Training of {metrics_jsonl.absolute().parent.name}", 80), y=1 - BORDER / 2 / height)
    all_axes = figure.subplots(max(len(panels), 1), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, unit, names) in zip(all_axes, panels, strict=False):
        _draw_panel(figure, axes, {name: series[name] for name in names}, title, unit)
    if not panels:
        all_axes[0].text(0.5, 0.5, "nothing is recorded yet", ha="center", va="center", transform=all_axes[0].transAxes)
    all_axes[-1].set_xlabel("iteration")
    all_axes[-1].xaxis.get_major_locator().set_params(integer=True)
    save_figure(figure, path, cut=False)


def read_series(path: Path) -> Series:
    """Return the iterations and values of each name."""
    series: Series = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        for name, value in record.items():
            if name != "iteration" and isinstance(value, int | float):
                iterations, values = series.setdefault(name, ([], []))
                iterations.append(record["iteration"])
                values.append(value)
    return series


def find_panels(series: Series) -> list[tuple[str, str, list[str]]]:
    """Return title, unit of the values and names of the series of each panel."""
    training = [name for name in series if "/" not in name and name not in NOT_METRICS]
    losses = [name for name in training if "loss" in name]
    evaluation: dict[str, list[str]] = {}
    for name in series:
        if "/" in name:
            evaluation.setdefault(name.split("/")[0], []).append(name)
    panels = [
        ("Losses", "loss", losses),
        ("Learning rate", "learning rate", [name for name in ("lr",) if name in series]),
        ("Training metrics", _unit(series, others := [name for name in training if name not in losses]), others),
        *(panel for group, names in evaluation.items() for panel in _evaluation_panels(series, group, names)),
    ]
    return [panel for panel in panels if panel[2]]


def _evaluation_panels(series: Series, group: str, names: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    counted = {what: [name for name in names if figure in name.split("/")] for figure, what in COUNTED.items()}
    others = [name for name in names if not any(name in counts for counts in counted.values())]
    title = f"Evaluation: {group}"
    return [(title, _unit(series, others), others), *((f"{title}, {what}", COUNT, counts) for what, counts in counted.items())]


def _unit(series: Series, names: Sequence[str]) -> str:
    are_fractions = all(0 <= value <= 1 for name in names for value in series[name][1])
    return "fraction (0 to 1)" if are_fractions else "value"


def _draw_panel(figure: "Figure", axes: "Axes", series: Series, title: str, unit: str) -> None:
    # slow, and only needed here
    from matplotlib.transforms import blended_transform_factory

    shown = dict(list(series.items())[:MOST_LINES])
    for place, (name, (iterations, values)) in enumerate(shown.items()):
        style: dict[str, Any] = {"marker": "o", "markersize": 3} if len(values) <= 60 else {}
        # a curve that lies on another leaves gaps and a rim, so that both are seen
        width = WIDEST - (WIDEST - THINNEST) * place / max(len(shown) - 1, 1)
        axes.plot(iterations, values, label=plain(name, 30), linewidth=width, linestyle=LINE_STYLES[place % len(LINE_STYLES)], **style)
    values = [value for _, column in shown.values() for value in column]
    if unit == "loss" and min(values) > 0 and max(values) >= WIDE_SPAN * min(values):
        axes.set_yscale("log")
    left_out = len(series) - len(shown)
    axes.set_title(title + (f" (the first {MOST_LINES} of {len(series)})" if left_out else ""), fontsize=10, loc="left")
    # one below the other; labels of axes that matplotlib aligns take half of the time of the picture
    column = blended_transform_factory(figure.transFigure, axes.transAxes)
    axes.text(0.7 * UNITS, 0.5, unit, transform=column, rotation="vertical", ha="center", va="center", in_layout=False)
    if unit == COUNT:
        axes.locator_params(axis="y", integer=True)
    axes.grid(True, color="0.9")
    if unit != "learning rate":
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False, borderaxespad=0.3)
