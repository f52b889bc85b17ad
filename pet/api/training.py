"""Trainings that a program or a notebook starts."""

import json
import math
import os
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from pet.api.model import Model
from pet.api.runs import HERE, Source, as_overrides, settings_of
from pet.autoconfig import choose_config, run_training
from pet.task import PACKAGE
from petlib.config import load_cfg
from petlib.errors import USER_ERROR_EXIT_CODE, ConfigError, WorkerError, name_in_errors
from petlib.launch.start.resolve import find_config
from petlib.launch.start.task_folder import find_task_folder

ARGUMENTS = {
    **HERE,
    "--data": "data",
    "--model": "model",
    "--epochs": "epochs",
    "--time": "minutes",
    "--name": "name",
    "--gpu_id": "gpus",
    "--nproc": "processes",
}
"""Options of ``pet-train``, as messages have them -> arguments."""
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
    name: str = "",
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
        name: with ``data``: of the config and the run; empty: that of the folder.
        folder: of the run; empty: what the config says.
        gpus: numbers of the GPUs, a process each; empty: all that are visible.
        processes: number of processes on CPUs, or of the first GPUs.
        settings: keys of the config with ``__`` for each dot, e.g. ``SOLVER__OPTIMIZER__BASE_LR=0.01``.

    Raises:
        ConfigError: a mistake in config, data or settings; the message is that of ``pet-train``.
        WorkerError: the training failed for another reason; its lines say why.
    """
    _check_types(config=config, data=data, model=model, name=name, folder=folder)
    _check_numbers(epochs=epochs, minutes=minutes, gpus=gpus, processes=processes)
    if (config is None) == (data is None):
        raise ConfigError("train: give either a config or data")
    if data is None and (model or name or epochs is not None or minutes is not None):
        raise ConfigError("train: model, epochs, minutes and name go with data; for a config give SOLVER__SCHEDULER__TOTAL_EPOCHS=10")
    if config is not None and Path(config).is_dir():
        raise ConfigError(f"train.config: {config} is a folder; a config expected; train(data={str(config)!r}) trains on a folder of data")
    overrides = as_overrides(settings_of(settings, train) | ({"MISC.CKPT": folder} if folder else {}))
    options = [*_option("--gpu_id", ",".join(map(str, gpus))), *_option("--nproc", processes)]
    with name_in_errors(ARGUMENTS):
        if data is not None:
            seconds = None if minutes is None else 60 * minutes
            epochs = None if epochs is None else int(epochs)
            chosen = choose_config(data, model=model, epochs=epochs, seconds=seconds, name=name, overrides=overrides, options=options)
            print("\n".join(chosen.lines), flush=True)
            # the config has them
            config, overrides = chosen.config, []
        path = find_config(Path(str(config)), PACKAGE)
        target = load_cfg(find_task_folder(path, PACKAGE).config, path, overrides).MISC.CKPT
        _run(["--cfg", str(path), *options, *overrides])
    return Run(Path(target).absolute())


def _check_types(**given: Any) -> None:
    """Check arguments that are texts or paths; only config and data may be None."""
    for argument, value in given.items():
        kinds = str if argument in ("model", "name") else str | os.PathLike
        if not (isinstance(value, kinds) or value is None and argument in ("config", "data")):
            raise ConfigError(f"train.{argument}: {value!r} given, {'a name' if kinds is str else 'a path or a name'} expected")


def _check_numbers(*, epochs: object, minutes: object, gpus: object, processes: object) -> None:
    for argument, value in (("epochs", epochs), ("processes", processes)):
        if value is not None and not _is_whole(value, 1):
            raise ConfigError(f"train.{argument}: {value!r} given, a whole number from 1 on expected")
    is_time = isinstance(minutes, Real) and not isinstance(minutes, bool) and 0 < float(minutes) < math.inf
    if minutes is not None and not is_time:
        raise ConfigError(f"train.minutes: {minutes!r} given, a number of minutes above 0 expected")
    if not isinstance(gpus, list | tuple | range) or not all(_is_whole(gpu, 0) for gpu in gpus):
        raise ConfigError(f"train.gpus: {gpus!r} given, a list of the numbers of GPUs expected, e.g. [0, 1]")


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _option(name: str, value: Any) -> list[str]:
    return [name, str(value)] if value else []


def _run(words: Sequence[str]) -> None:
    """Run ``pet-train`` and print its lines where ``print`` prints, in a notebook below the cell."""
    last: list[str] = []

    def show(line: str) -> None:
        print(line, end="", flush=True)
        if last or line.startswith(ERROR):
            last[:] = [line] if line.startswith(ERROR) else [*last, line]

    code = run_training(words, show)
    if code == USER_ERROR_EXIT_CODE:
        raise ConfigError("".join(last).removeprefix(ERROR).strip() or "the training was refused, see the lines above")
    if code:
        raise WorkerError(f"the training ended with exit code {code}; the lines above say why")
