"""Runs of a layer: the log, the engine's surroundings, and mistakes in the words of the layer."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from petlib import engine
from petlib.checkpoint.checkpointer import Checkpointer
from petlib.config import CfgNode
from petlib.errors import USER_ERROR_EXIT_CODE, CheckpointError, ConfigError, UserError, name_in_errors
from petlib.log import ConsoleHandler, setup_logging


def start_log(folder: str | Path, purpose: str) -> None:
    """Log to the screen and to ``<folder>/logs``; ``purpose`` begins the name of the file: train, test or export."""
    setup_logging(Path(folder), rank=int(os.environ.get("RANK", "0")), purpose=purpose)


@contextmanager
def open_run(cfg: CfgNode, *, purpose: str, words: Mapping[str, str], record: str = "config.yaml") -> Iterator[torch.device]:
    """Log and prepare this process for a run, and give the device to compute on; see :func:`petlib.engine.open_run`.

    Args:
        cfg: Pet's settings of the run.
        purpose: train or test.
        words: Pet's keys -> what the layer calls them, for the message of a mistake; see
            :func:`pet.compat.shared.translation.words_of`.
        record: the file in the output folder that the settings are written to, see :func:`petlib.engine.open_run`.
    """
    with name_in_errors(words):
        start_log(cfg.MISC.CKPT, purpose)
        with engine.open_run(cfg, record=record) as device:
            yield device


def begin_script() -> None:
    """Prepare the process of a user's script; what it begins with calls it, and further calls change nothing.

    Log lines appear on the screen, in the first process, unless the program decided where they go; a run takes over then. A mistake of
    the user that ends the script is one message, and the exit code 2, as on Pet's command lines. Notebooks show tracebacks as before.
    """
    if not _hook_before:
        _hook_before.append(sys.excepthook)
        sys.excepthook = _report_mistake
    root = logging.getLogger()
    if not root.handlers and os.environ.get("RANK", "0") == "0":
        root.addHandler(ConsoleHandler())
        root.setLevel(logging.INFO)


_hook_before: list[Callable[..., Any]] = []


def _report_mistake(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, UserError):
        _hook_before[0](kind, error, trace)
        return
    print(error, file=sys.stderr)
    # the only way to an exit code from here
    sys.exit(USER_ERROR_EXIT_CODE)


def find_trained(folder: Path, *, advice: str) -> Path:
    """Return the best checkpoint of a training where there is one, else the latest.

    Args:
        folder: of the training.
        advice: what else to do, for messages.

    Raises:
        CheckpointError: there is none.
    """
    checkpointer = Checkpointer(folder)
    if checkpointer.has_best():
        return checkpointer.best_path
    if checkpointer.has_latest():
        return checkpointer.latest_path
    names = f"{checkpointer.best_path.name} and no {checkpointer.latest_path.name}"
    raise CheckpointError(f"{folder}: there is no {names}; train first, or {advice}")


def check_resumed(given: str | Path, folder: Path, *, place: str, instead: str) -> None:
    """Check that what a run is to go on from is its own folder, or the latest checkpoint in it.

    Args:
        given: what the user names.
        folder: of the run.
        place: the argument, for messages.
        instead: how a new run begins with the weights of another one.

    Raises:
        ConfigError: it is something else, or there is no checkpoint.
    """
    checkpointer = Checkpointer(folder)
    latest = checkpointer.latest_path
    if Path(given).resolve() not in (folder.resolve(), latest.parent.resolve() / latest.name):
        raise ConfigError(
            f"{place}: {given} given, but a run goes on in its own folder: give {folder}, or {latest}. To begin anew with the weights of "
            f"another run, {instead}"
        )
    if not checkpointer.has_latest():
        raise ConfigError(f"{place}: {given}: there is no {latest.name} to go on from; leave it out")
