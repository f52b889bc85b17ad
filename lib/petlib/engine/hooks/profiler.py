"""A trace of a few iterations."""

import logging
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from petlib.distributed.process_group import rank
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState

logger = logging.getLogger(__name__)


class ProfilerHook(Hook):
    """Records iterations with ``torch.profiler``: a trace for https://ui.perfetto.dev, and the dearest operators in the log.

    Args:
        folder: where the trace goes, one file a rank.
        start_iter: iterations before the first one that is recorded.
        num_iters: iterations that are recorded.
    """

    order = 35
    key = "profiler"

    def __init__(self, *, folder: Path, start_iter: int, num_iters: int) -> None:
        self._folder = folder
        self._start_iter = start_iter
        self._num_iters = num_iters
        self._profile: profile | None = None
        self._recorded = 0

    def before_step(self, state: TrainState) -> None:
        """Begin to record."""
        if state.iteration == self._start_iter:
            activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
            self._profile = profile(activities=activities)
            self._profile.start()

    def after_step(self, state: TrainState) -> None:
        """Count, and end after the last iteration."""
        if self._profile is not None:
            self._recorded += 1
            if self._recorded == self._num_iters:
                self._finish()

    def after_train(self, state: TrainState) -> None:
        """Write what there is when the run is shorter than the recording."""
        if self._profile is not None:
            self._finish()

    def _finish(self) -> None:
        assert self._profile is not None, "no recording is under way"
        self._profile.stop()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"trace_rank{rank()}.json"
        self._profile.export_chrome_trace(str(path))
        dearest = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        table = self._profile.key_averages().table(sort_by=dearest, row_limit=15)
        logger.info("%s\ntrace of %d iterations: %s", table, self._recorded, path)
        self._profile = None
