"""The confusion matrix as a picture."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pet.visual.figure import font_families, make_figure, plain, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

MOST_NUMBERS = 25
MOST_LABELS = 120
NAME_LENGTH = 24
POINTS_PER_INCH = 72


def draw_confusion_matrix(matrix: npt.ArrayLike, classes: Sequence[str], path: Path) -> None:
    """Write the confusion matrix as a PNG file: true classes are rows, predicted ones columns.

    The colour of a cell is its share of the true class's samples; a class without samples has a grey row. Cells hold
    numbers of samples where there are few classes, and with many classes only some of them are named.

    Args:
        matrix: (C, C), whole numbers; element [i, j] counts samples of class i that were taken for class j.
        classes: the C names; long ones are shortened.
        path: the file.
    """
    counts = np.asarray(matrix)
    number = len(classes)
    assert counts.shape == (number, number), f"{number} classes and a matrix of shape {counts.shape}"
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    cell = _cell_size(counts)
    side = min(max(number * cell, 2.5), 18.0)
    margin = 0.09 * min(max((len(name) for name in classes), default=0), NAME_LENGTH) + 0.8
    figure = make_figure(side + margin + 1.2, side + margin + 0.5)
    axes = figure.add_subplot()
    colours, norm = _colours()
    image = axes.imshow(np.ma.masked_invalid(shares), cmap=colours, norm=norm, interpolation="nearest")
    _name_axes(axes, classes, side / number)
    if number <= MOST_NUMBERS:
        _write_numbers(axes, counts, shares, side / number)
    colour_bar = figure.colorbar(image, ax=axes, fraction=0.05, shrink=0.8, pad=0.02)
    colour_bar.set_ticks([0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1])
    colour_bar.set_label("share of the true class's samples")
    axes.set_title(_title(counts), fontsize=12)
    save_figure(figure, path)


def _colours() -> tuple["Colormap", "Normalize"]:
    """Return colours, and a scale that spreads the small shares: rare confusions are what one looks for."""
    # slow, and only needed here
    from matplotlib import colormaps
    from matplotlib.colors import PowerNorm

    return colormaps["Blues"].with_extremes(bad="0.85"), PowerNorm(gamma=0.5, vmin=0, vmax=1)


def _cell_size(counts: npt.NDArray[Any]) -> float:
    """Return the inches of a cell: enough for the greatest number, or for a line of text where there are no numbers."""
    if len(counts) > MOST_NUMBERS:
        return 0.16
    return max(0.45, 0.1 * len(str(counts.max(initial=0))) + 0.15)


def _title(counts: npt.NDArray[Any]) -> str:
    total = int(counts.sum())
    if not total:
        return "Confusion matrix: no samples"
    return f"Confusion matrix: {total:,} samples, {np.trace(counts) / total:.2%} correct"


def _name_axes(axes: "Axes", classes: Sequence[str], cell: float) -> None:
    every = math.ceil(len(classes) / MOST_LABELS)
    places = range(0, len(classes), every)
    names = [plain(classes[place], NAME_LENGTH) for place in places]
    style: dict[str, Any] = {"fontsize": min(10.0, max(6.0, 0.75 * every * cell * POINTS_PER_INCH)), "fontfamily": font_families()}
    # names lie flat only where each fits below its column
    fits = max((len(name) for name in names), default=0) * 0.09 < cell
    axes.set_xticks(places, names, rotation=0 if fits else 90, **style)
    axes.set_yticks(places, names, **style)
    remark = f" (every {every}th is named)" if every > 1 else ""
    axes.set_xlabel(f"predicted class{remark}")
    axes.set_ylabel(f"true class{remark}")
    axes.tick_params(length=2)


def _write_numbers(axes: "Axes", counts: npt.NDArray[Any], shares: npt.NDArray[Any], cell: float) -> None:
    widest = len(str(counts.max(initial=0)))
    size = min(10.0, 0.9 * cell * POINTS_PER_INCH / (0.65 * widest))
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.3 else "0.6" if count == 0 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=size)
