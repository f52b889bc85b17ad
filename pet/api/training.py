"""Trainings that a program or a notebook starts."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pet.api.model import Model
from pet.api.runs import HERE, Source, as_overrides, settings_of
from pet.autoconfig import TRAIN_COMMAND, choose_config
from pet.task import PACKAGE
from petlib.config import load_cfg
from petlib.errors import USER_ERROR_EXIT_CODE, ConfigError, WorkerError, name_in_errors
from petlib.launch.start.resolve import find_config
from petlib.launch.start.task_folder import find_task_folder

ERROR = "error: "
SPEED = ("iter_time", "data_time", "memory_mb")
"""Entries that a line about iterations has, and one about an evaluation has not."""


class Run:
    """A training that has ended.

    Args:
        folder: where its checkpoints, metrics and logs are.

    Attributes:
        folder: likewise.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def metrics(self) -> dict[str, float]:
        """The figures of the last evaluation, fractions from 0 to 1; without an evaluation those of the last iterations."""
        lines = [json.loads(line) for line in (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        evaluations = [line for line in lines if not any(name in line for name in SPEED)]
        return {name: value for name, value in (evaluations or lines)[-1].items() if isinstance(value, float)}

    def load(self, *, device: str = "auto") -> Model:
        """Return the model with the best weights, see :func:`pet.load`."""
        return Model(Source(self.folder), device=device)


def train(
    config: str | Path | None = None,
    *,
    data: str | Path | None = None,
    model: str = "",
    epochs: int | None = None,
    minutes: float | None = None,
    folder: str | Path = "",
    gpus: Sequence[int] = (),
    processes: int | None = None,
    **settings: Any,
) -> Run:
    """Train in processes of their own, as ``pet-train`` does, show their lines, and return the run when it has ended.

    Interrupted with Ctrl-C or the stop button of a notebook, it leaves a checkpoint; the same call goes on from there.

    Args:
        config: a config file, or the name of one that comes with Pet, e.g. ``vision/shapes/fcos_R-18-FPN.yaml``.
        data: in place of a config: a folder of data, or a name such as ``digits``; a config is written for it.
        model: with ``data``: a detector, a backbone or a network; empty: by the kind of the labels.
        epochs: with ``data``: how long it lasts; None: by the number of images.
        minutes: with ``data``: the same as a time; some iterations are measured first.
        folder: of the run; empty: what the config says.
        gpus: numbers of the GPUs, a process each; empty: all that are visible.
        processes: number of processes on CPUs, or of the first GPUs.
        settings: keys of the config with ``__`` for each dot, e.g. ``SOLVER__OPTIMIZER__BASE_LR=0.01``.

    Raises:
        ConfigError: a mistake in config, data or settings; the message is that of ``pet-train``.
        WorkerError: the training failed for another reason; its lines say why.
    """
    if (config is None) == (data is None):
        raise ConfigError("train: give either a config or data")
    if data is None and (model or epochs or minutes):
        raise ConfigError("train: model, epochs and minutes go with data; for a config give SOLVER__SCHEDULER__TOTAL_EPOCHS=10")
    overrides = as_overrides(settings_of(settings) | ({"MISC.CKPT": folder} if folder else {}))
    options = [*_option("--gpu_id", ",".join(map(str, gpus))), *_option("--nproc", processes)]
    if data is not None:
        seconds = None if minutes is None else 60 * minutes
        chosen = choose_config(data, model=model, epochs=epochs, seconds=seconds, overrides=overrides, options=options)
        print("\n".join(chosen.lines), flush=True)
        # the config has them
        config, overrides = chosen.config, []
    path = find_config(Path(str(config)), PACKAGE)
    with name_in_errors(HERE):
        target = load_cfg(find_task_folder(path, PACKAGE).config, path, overrides).MISC.CKPT
    _run(["--cfg", str(path), *options, *overrides])
    return Run(Path(target).absolute())


def _option(name: str, value: Any) -> list[str]:
    return [name, str(value)] if value else []


def _run(words: Sequence[str]) -> None:
    """Run ``pet-train`` and print its lines where ``print`` prints, in a notebook below the cell."""
    last: list[str] = []
    process = subprocess.Popen(
        [*TRAIN_COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None, "it is a pipe"
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = [line] if line.startswith(ERROR) else [*last, line] if last else []
        code = process.wait()
    except BaseException:
        # Ctrl-C reaches the launcher too where it comes from a terminal, a notebook stops this process alone
        process.terminate()
        process.wait()
        raise
    if code == USER_ERROR_EXIT_CODE:
        raise ConfigError("".join(last).removeprefix(ERROR).strip() or "the training was refused, see the lines above")
    if code:
        raise WorkerError(f"the training ended with exit code {code}; the lines above say why")
