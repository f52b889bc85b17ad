"""Pet's whole training loop and a bare one over batches that lie on the device already, timed in turns."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from report import synchronize
from torch import nn
from torch.optim import Optimizer

from pet.typed import PetConfig
from petlib import config, engine
from petlib.config import CfgNode

Batch = dict[str, Any]


class Repeated:
    """A loader that hands out prepared batches over and over.

    Args:
        batches: on the device.
        change: what Pet does to a batch on the device; None: nothing.
    """

    def __init__(self, batches: Sequence[Batch], change: Callable[[Batch], Batch] | None = None) -> None:
        self._batches = batches
        self._change = change

    def batches(self, start_iteration: int, max_iter: int) -> Iterator[Batch]:
        """Return one batch for each iteration."""
        for batch in itertools.islice(itertools.cycle(self._batches), max_iter - start_iteration):
            yield batch if self._change is None else self._change(batch)


class Stopwatch(engine.Hook):
    """Times the iterations between the warm-up and the last but one, after all other hooks; the last one writes a checkpoint."""

    order = 95
    key = "stopwatch"

    def __init__(self, device: torch.device, warm_up: int) -> None:
        self._device = device
        self._warm_up = warm_up
        self.begin = self.end = 0.0
        self.peak = 0

    def after_step(self, state: engine.TrainState) -> None:
        """Note the time."""
        if state.iteration == self._warm_up:
            start_peak(self._device)
            self.begin = now(self._device)
        if state.iteration == state.max_iter - 1:
            self.end = now(self._device)
            self.peak = peak(self._device)


class Timed:
    """Seconds of an iteration and the peak of the memory while it was timed, in bytes (0 on a CPU)."""

    def __init__(self, seconds: float, peak: int) -> None:
        self.seconds = seconds
        self.peak = peak


def run_pet(cfg: PetConfig, model: nn.Module, optimizer: Optimizer, loader: Repeated, device: torch.device, *, warm_up: int) -> Timed:
    """Train by Pet's loop with all default hooks and writers; a config's run length counts the warm-up and one iteration more.

    Args:
        cfg: the config, whose length is set in iterations.
        model: made ready by ``engine.prepare_model``.
        optimizer: of its parameters.
        loader: the batches.
        device: where they are.
        warm_up: iterations that are not timed.
    """
    step = engine.build_step(cfg, device)
    state = engine.build_state(cfg, model=model, optimizer=optimizer, step=step, iterations_per_epoch=cfg.SOLVER.SCHEDULER.TOTAL_ITERS)
    stopwatch = Stopwatch(device, warm_up)
    metric = cfg.EVAL.BEST_METRIC or "cls/acc1"
    hooks = [*engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=lambda network: {metric: 0.0}), stopwatch]
    engine.train(state, loader, step, hooks)
    optimizer.zero_grad(set_to_none=True)
    return Timed((stopwatch.end - stopwatch.begin) / (state.max_iter - 1 - warm_up), stopwatch.peak)


def run_bare(step: Callable[[Batch], None], optimizer: Optimizer, loader: Repeated, device: torch.device, *, iterations: int) -> Timed:
    """Train by ``step``, a function that does one iteration, as often as Pet's loop with ``iterations`` timed ones after a warm-up."""
    warm_up = max(2, iterations // 5)
    begin = 0.0
    for index, batch in enumerate(loader.batches(0, warm_up + iterations)):
        if index == warm_up:
            start_peak(device)
            begin = now(device)
        step(batch)
    end = now(device)
    highest = peak(device)
    optimizer.zero_grad(set_to_none=True)
    return Timed((end - begin) / iterations, highest)


def load(task: Any, path: str, folder: Path, iterations: int, overrides: Sequence[str]) -> CfgNode:
    """Return a config for ``iterations`` iterations below ``folder`` that needs no data."""
    return config.load_cfg(
        task,
        Path(__file__).resolve().parents[2] / "cfgs" / path,
        [
            f"MISC.CKPT={folder}",
            "SOLVER.SCHEDULER.NAME=cosine",
            "SOLVER.SCHEDULER.TOTAL_EPOCHS=0",
            f"SOLVER.SCHEDULER.TOTAL_ITERS={iterations}",
            "SOLVER.SCHEDULER.WARM_UP_ITERS=0",
            "SOLVER.SCHEDULER.MIN_LR=0.0",
            # the batches are noise, from which a network at its usual rate soon learns to overflow
            "SOLVER.OPTIMIZER.BASE_LR=1e-7",
            "SOLVER.SNAPSHOT_ITER=0",
            "EVAL.PERIOD_ITER=0",
            "EVAL.PERIOD_EPOCH=0",
            "TRAIN.WEIGHTS=''",
            *overrides,
        ],
    )


def now(device: torch.device) -> float:
    """Return the time, in seconds, when the device has done what it was given; on a CPU that of this process, whatever else goes on."""
    synchronize(device)
    return time.process_time() if device.type == "cpu" else time.perf_counter()


def start_peak(device: torch.device) -> None:
    """Begin to look for the peak of the memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> int:
    """Return the peak of the allocated memory in bytes."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def allocated(device: torch.device) -> int:
    """Return the allocated memory in bytes."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
