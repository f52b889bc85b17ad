"""What a training run consists of at one moment, and the batches that it gets."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from petlib.checkpoint.checkpointer import Checkpointer
from petlib.checkpoint.origin import UNRECORDED, Origin
from petlib.distributed.parallel import unwrap
from petlib.events.storage import EventStorage, Writer

Batch = dict[str, Any]


class BatchStream:
    """The batches of a run, with the time that was spent waiting for them.

    Args:
        batches: the batches.
        samples_of: names the samples of an iteration, counted from 0, on this rank; None: they have no names.
        enlarge: makes of a batch one that takes as much memory as any of the run may; None: all are of one size, or it is not known.

    Attributes:
        wait_seconds: seconds spent in ``next`` so far.
    """

    def __init__(
        self,
        batches: Iterator[Batch],
        samples_of: Callable[[int], list[dict[str, Any]]] | None = None,
        enlarge: Callable[[Batch], Batch] | None = None,
    ) -> None:
        self._batches = batches
        self._samples_of = samples_of
        self.enlarge = enlarge
        self.wait_seconds = 0.0

    def __iter__(self) -> "BatchStream":
        return self

    def __next__(self) -> Batch:
        started = time.perf_counter()
        batch = next(self._batches)
        self.wait_seconds += time.perf_counter() - started
        return batch

    def samples_of(self, iteration: int) -> list[dict[str, Any]]:
        """Return what ``meta`` says of the samples of an iteration, counted from 0, on this rank; nothing where it is unknown."""
        return [] if self._samples_of is None else self._samples_of(iteration)

    def restart(self, batches: Iterator[Batch]) -> None:
        """Go on with other batches."""
        self.close()
        self._batches = batches

    def close(self) -> None:
        """End the loader's workers."""
        close = getattr(self._batches, "close", None)
        if close is not None:
            close()


class KeyedState(Protocol):
    """What a checkpoint wants of a hook."""

    key: ClassVar[str]

    def state_dict(self) -> dict[str, Any]:
        """Return plain values and tensors."""

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Take them over."""


class LeftOut(NamedTuple):
    """An iteration that changed nothing, because its loss or its gradients were not finite.

    Attributes:
        losses: the sum of the losses of each of its batches on this rank.
        samples: ``meta`` of the samples of these batches.
    """

    losses: list[float]
    samples: list[dict[str, Any]]


@dataclass
class TrainState:
    """The parts that the loop, the step and the hooks share.

    Args:
        model: the network as it is called in training, i.e. inside DDP where there are several processes.
        optimizers: by name; one network has one, ``main``, a GAN has two.
        schedulers: learning-rate schedules, by the name of their optimizer; stepped once an iteration.
        max_iter: iterations (optimizer steps) of the whole run.
        iterations_per_epoch: iterations that count as one pass over the data.
        checkpointer: writes and reads the checkpoints of the run.
        scaler: gradient scaler of fp16 training.
        total_epochs: length in epochs; 0 where the length is set in iterations.
        iteration: iterations that are done.
        stop_reason: why the run is to end at the next iteration boundary; empty: it goes on.
        signal_number: the signal that asked for the end (SIGTERM, SIGINT); 0: none.
        storage: losses and metrics since the last print.
        data: the batches of this process, while the loop runs.
        writers: who print and keep figures, on rank 0, while the loop runs.
        hooks: the hooks of the run, while the loop runs.
        names: what the numbers that the model gives are called, by kind of target; saved with it. Empty: not known.
        origin: what its weights began with; saved with it.
        left_out: why the optimizers did not step in the iteration that was just done; None: they did.
    """

    model: nn.Module
    optimizers: dict[str, Optimizer]
    schedulers: dict[str, LRScheduler]
    max_iter: int
    iterations_per_epoch: int
    checkpointer: Checkpointer
    scaler: torch.amp.GradScaler | None = None
    total_epochs: int = 0
    iteration: int = 0
    stop_reason: str = ""
    signal_number: int = 0
    storage: EventStorage = field(default_factory=EventStorage)
    data: BatchStream = field(default_factory=lambda: BatchStream(iter(())))
    writers: list[Writer] = field(default_factory=list)
    hooks: Sequence[KeyedState] = ()
    left_out: LeftOut | None = None
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    origin: Origin = UNRECORDED

    @property
    def network(self) -> nn.Module:
        """The network itself, without the wrapper that shares it among processes."""
        return unwrap(self.model)

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer of a run that has just one."""
        assert len(self.optimizers) == 1, f"the run has the optimizers {', '.join(self.optimizers)}: name one"
        return next(iter(self.optimizers.values()))

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return self.iteration // self.iterations_per_epoch

    @property
    def at_epoch_end(self) -> bool:
        """Whether the iteration that was just done is the last one of an epoch."""
        return self.iteration > 0 and self.iteration % self.iterations_per_epoch == 0
