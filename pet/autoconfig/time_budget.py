"""How many iterations fit into a time: a few are run and measured."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import yaml

from pet.autoconfig.settings import Settings, set_length
from petlib.errors import ConfigError

MEASURED, WARM = 12, 4
"""Iterations that are run, and those at the beginning that are left out."""
FEWEST = 20
"""Iterations of a training at least."""
RESERVE = 0.95
"""Share of the time that is planned."""
TRAIN_COMMAND = (sys.executable, "-c", "import sys; from pet.cli import train; sys.exit(train())")
"""``pet-train`` of this Python, wherever its scripts are."""


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
    with tempfile.TemporaryDirectory(prefix="pet-measured-") as folder:
        per_iteration = _measure(Path(folder), settings, type_folder, options)
    measured = time.monotonic() - began
    around = measured - MEASURED * per_iteration
    # the start, and the evaluations, which together take at most as long as it: the measurement had one of each
    left = RESERVE * seconds - measured - 2 * around
    count = int(left / per_iteration)
    if count < FEWEST:
        raise ConfigError(
            f"--time: {seconds:g} s given; measuring, start and evaluation take {measured + 2 * around:.0f} s and an iteration "
            f"{per_iteration:.2g} s, which leaves {max(count, 0)} iterations, at least {FEWEST} expected; give more time, a smaller "
            "--model or smaller images"
        )
    return count, f"{count} iterations of {per_iteration:.2g} s fit into {seconds:g} s"


def _measure(folder: Path, settings: Settings, type_folder: str, options: Sequence[str]) -> float:
    """Run the first iterations with one evaluation, and return the median seconds of an iteration."""
    short = deepcopy(settings)
    set_length(short, iterations=MEASURED)
    short.setdefault("MISC", {}).update({"CKPT": str(folder / "run"), "DISPLAY_ITER": 1})
    short["EVAL"]["PERIOD_ITER"] = short["SOLVER"]["SNAPSHOT_ITER"] = MEASURED
    config = folder / "cfgs" / type_folder / "measured.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(yaml.safe_dump(short, allow_unicode=True), encoding="utf-8")
    done = subprocess.run(
        [*TRAIN_COMMAND, "--cfg", str(config), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ConfigError(f"the first iterations, which are measured for --time, do not run:\n{done.stdout}")
    rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return float(statistics.median([row["iter_time"] for row in rows if "iter_time" in row][WARM:]))
