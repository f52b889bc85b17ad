"""What comes out of a search: a table of its trials, the best settings as a config, and how much each setting matters."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pet.search.space import describe_value
from pet.search.study import FINISHED, SearchStudy

BEST_CONFIG = "best.yaml"


def describe_trials(rows: Sequence[Mapping[str, Any]], metric: str, keys: Sequence[str]) -> str:
    """Return the trials as a table, in their order."""
    head = ["trial", "state", metric, "evaluations", *keys]
    lines = [[str(row["number"]), row["state"], _shown(row["value"]), str(row["evaluations"]), *_cells(row["point"], keys)] for row in rows]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in [head, *lines]]
    return "\n".join(texts)


def describe_importance(importance: Mapping[str, float]) -> str:
    """Return the shares of the settings, the greatest first."""
    width = max((len(key) for key in importance), default=0)
    ordered = sorted(importance.items(), key=lambda item: -item[1])
    return "\n".join(f"  {key.ljust(width)}  {share:.0%}" for key, share in ordered)


def describe_search(study: SearchStudy, *, folder: Path, metric: str) -> list[str]:
    """Return the lines that a search ends with.

    Args:
        study: the trials.
        folder: their folders lie here.
        metric: what is searched for.
    """
    rows, best = study.rows(), study.best()
    lines = ["", describe_trials(rows, metric, study.keys)]
    if best is None:
        return [*lines, "no trial has reached its end"]
    importance = study.importance()
    if importance:
        lines += ["", "how much of the differences each setting explains:", describe_importance(importance)]
    best_folder = folder / f"trial_{best['number']:03d}"
    finished = [str(folder / f"trial_{row['number']:03d}") for row in rows if row["state"] == FINISHED]
    return [
        *lines,
        "",
        f"best: {metric} {describe_value(best['value'])} in trial {best['number']}, whose weights are {best_folder / 'model_best.pth'}",
        f"its settings: {folder / BEST_CONFIG}; train with them: {shlex.join(['pet-train', '--cfg', str(folder / BEST_CONFIG)])}",
        f"compare: {shlex.join(['pet-report', *finished[:4], '--out', str(folder / 'report.html')])}",
    ]


def _shown(value: float | None) -> str:
    return "-" if value is None else describe_value(value)


def _cells(point: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    return [describe_value(point[key]) if key in point else "-" for key in keys]
