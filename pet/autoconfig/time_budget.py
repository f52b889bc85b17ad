"""How many iterations fit into a time: a few are run and measured."""

import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import yaml

from pet.autoconfig.settings import EVALUATIONS, Settings, set_length
from pet.autoconfig.training_process import run_training
from petlib.errors import ConfigError, note_if_interrupted

MEASURED, WARM = 12, 4
"""Iterations that are run, and those at the beginning that are left out."""
FEWEST = 20
"""Iterations of a training at least."""
RESERVE = 0.95
"""Share of the time that is planned."""
LAST_ITERATION, EVALUATION = f"[iter: {MEASURED}/{MEASURED}]", f"[iter: {MEASURED}]-[evaluation]"
"""What the lines have that a training prints before and after its evaluation."""


class Speed(NamedTuple):
    """How fast a training is: seconds of an iteration and of an evaluation."""

    iteration: float
    evaluation: float


def iterations_within(seconds: float, settings: Settings, type_folder: str, options: Sequence[str]) -> tuple[int, str]:
    """Return how many iterations a training of so many seconds has, with its start and its evaluations, and in words what was measured.

    Args:
        seconds: that all of it may take, this measurement too.
        settings: the config.
        type_folder: folder of the task below ``cfgs``.
        options: further words of the command line, e.g. ``--nproc 2``.

    Raises:
        ConfigError: the training does not run, or the time is too short.
    """
    began = time.monotonic()
    note = note_if_interrupted("the training was still being measured for --time, and no config is written; the same command begins anew")
    with note, tempfile.TemporaryDirectory(prefix="pet-measured-") as folder:
        speed = _measure(Path(folder), settings, type_folder, options)
    measured = time.monotonic() - began
    # the start and the end, which the training has once more, and its evaluations
    around = measured - MEASURED * speed.iteration + (EVALUATIONS - 1) * speed.evaluation
    left = RESERVE * seconds - measured - around
    count = int(left / speed.iteration)
    if count < FEWEST:
        raise ConfigError(
            f"--time: {seconds:g} s given; measuring, start and evaluations take {measured + around:.0f} s and an iteration "
            f"{speed.iteration:.2g} s, which leaves {max(count, 0)} iterations, at least {FEWEST} expected; give more time, a smaller "
            "--model or smaller images"
        )
    return count, f"{count} iterations of {speed.iteration:.2g} s fit into {seconds:g} s"


def _measure(folder: Path, settings: Settings, type_folder: str, options: Sequence[str]) -> Speed:
    """Run the first iterations with one evaluation, and return the median of an iteration, and what the evaluation took."""
    short = deepcopy(settings)
    set_length(short, iterations=MEASURED)
    short.setdefault("MISC", {}).update({"CKPT": str(folder / "run"), "DISPLAY_ITER": 1})
    short["EVAL"]["PERIOD_ITER"] = short["SOLVER"]["SNAPSHOT_ITER"] = MEASURED
    config = folder / "cfgs" / type_folder / "measured.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(yaml.safe_dump(short, allow_unicode=True), encoding="utf-8")
    lines: list[tuple[float, str]] = []
    code = run_training(["--cfg", str(config), *options], lambda line: lines.append((time.monotonic(), line)))
    if code:
        output = "".join(line for _, line in lines)
        raise ConfigError(f"the first iterations, which are measured for --time, do not run:\n{output}")
    rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    per_iteration = float(statistics.median([row["iter_time"] for row in rows if "iter_time" in row][WARM:]))
    return Speed(per_iteration, seconds_of_evaluation(lines))


def seconds_of_evaluation(lines: Iterable[tuple[float, str]]) -> float:
    """Return the time between the lines of the last iteration and of its evaluation; 0: nothing was evaluated.

    Args:
        lines: what the training printed, each with the time when it came.
    """
    begin = end = 0.0
    for when, line in lines:
        if LAST_ITERATION in line:
            begin = when
        elif EVALUATION in line:
            end = when
    return max(end - begin, 0.0)
