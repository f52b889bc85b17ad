"""Writes the page of a run: the hook of a training, and what a test calls. Neither slows or ends a run."""

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from pet.report.facts import collect_facts, now, write_facts
from pet.report.page import PAGE, write_page
from pet.report.run_folder import METRICS_LOG, RECORD, read_json
from pet.typed import PetConfig
from pet.visual.curves import draw_curves
from petlib.checkpoint.origin import Origin
from petlib.distributed.process_group import is_main_process
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState
from petlib.log import FILE_ONLY

FINISHED, RUNNING, FAILED = "finished", "running", "ended by an error"

CURVES = "curves.png"
EVERYWHERE: Mapping[str, bool] = MappingProxyType({})
"""Where a line of the log goes."""

logger = logging.getLogger(__name__)


class ReportHook(Hook):
    """Records what a training is made of when it begins, and writes its page when it ends; the main process does both.

    Args:
        folder: of the run.
        collect: gives the facts of the run.
    """

    order = 95
    key = "report"
    intervals = ()

    def __init__(self, *, folder: Path, collect: Callable[[], dict[str, Any]]) -> None:
        self._folder, self._collect = folder, collect
        self._facts: dict[str, Any] = {}
        self._began = 0.0

    def before_train(self, state: TrainState) -> None:
        """Record the facts; of a training that goes on, when it first began."""
        self._began = time.perf_counter()
        if is_main_process():
            _attempt("the facts of the run are not recorded", partial(self._begin, state))

    def after_train(self, state: TrainState) -> None:
        """Write the page."""
        self._end(state, state.stop_reason or FINISHED)

    def on_exception(self, state: TrainState) -> None:
        """Write the page of a training that an error ended."""
        self._end(state, FAILED)

    def _begin(self, state: TrainState) -> None:
        facts, earlier = self._collect(), read_json(self._folder / RECORD, dict) if state.iteration else {}
        self._facts = {
            **facts,
            "started": earlier.get("started", facts["started"]),
            "seconds": earlier.get("seconds", 0.0),
            "iterations": state.max_iter,
            "iterations an epoch": state.iterations_per_epoch,
            "classes": {kind: list(names) for kind, names in state.names.items()},
            "weights": _describe_weights(state.origin),
            "state": RUNNING,
        }
        write_facts(self._folder, self._facts)

    def _end(self, state: TrainState, how: str) -> None:
        if not is_main_process() or not self._facts:
            return
        seconds = self._facts["seconds"] + time.perf_counter() - self._began
        ended = {**self._facts, "ended": now(), "seconds": round(seconds, 1), "iteration": state.iteration, "state": how}
        _attempt("the facts of the run are not recorded", partial(write_facts, self._folder, ended))
        _attempt("the report is not written", partial(_write_page, self._folder))


class CurvesHook(Hook):
    """Draws the curves when a training ends and before trackers look for pictures; without trackers the script does so after all hooks.

    Args:
        folder: of the run.
    """

    order = 94
    key = "curves"
    intervals = ()

    def __init__(self, *, folder: Path) -> None:
        self._folder = folder

    def after_train(self, state: TrainState) -> None:
        """Draw them."""
        if is_main_process():
            _attempt("the curves are not drawn", partial(draw_curves, self._folder / METRICS_LOG, self._folder / CURVES))


def build_report_hooks(cfg: PetConfig) -> list[Hook]:
    """Return the hook that writes the page of a training, unless ``REPORT.ENABLED`` is off, and with trackers the one of their curves."""
    folder = Path(cfg.MISC.CKPT)
    hooks: list[Hook] = [CurvesHook(folder=folder)] if cfg.MISC.TRACKERS else []
    if cfg.REPORT.ENABLED:
        # the device is chosen by then
        hooks.append(ReportHook(folder=folder, collect=lambda: collect_facts(cfg, _device())))
    return hooks


def write_test_report(cfg: PetConfig) -> None:
    """Write the page of a run after a test; the main process does it, unless ``REPORT.ENABLED`` is off."""
    if cfg.REPORT.ENABLED and is_main_process():
        # the last line on the screen is the result of the test
        _attempt("the report is not written", partial(_write_page, Path(cfg.MISC.CKPT), FILE_ONLY), FILE_ONLY)


def _describe_weights(origin: Origin) -> dict[str, str]:
    """Return what the training began with, and the licence of that where it was not random."""
    if not origin.licence:
        return {"began with": "random weights"}
    return {"began with": origin.weights or "weights that are not recorded", "licence": origin.licence}


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_initialized() else "cpu")  # type: ignore[no-untyped-call]


def _write_page(folder: Path, extra: Mapping[str, bool] = EVERYWHERE) -> None:
    write_page([folder], folder / PAGE)
    logger.info("the report of the run is %s", folder / PAGE, extra=extra)


def _attempt(complaint: str, action: Callable[[], None], extra: Mapping[str, bool] = EVERYWHERE) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 -- a page never ends a training
        logger.warning("%s: %s: %s", complaint, type(error).__name__, error, extra=extra)
