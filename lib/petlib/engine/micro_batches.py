"""An iteration that cuts its batch into parts which fit the device, and smaller ones when memory runs out."""

import functools
import logging
import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from petlib.distributed.collectives import all_gather_objects
from petlib.distributed.gradients import GradientExchange, can_repeat
from petlib.distributed.parallel import no_sync
from petlib.distributed.process_group import is_main_process, rank, world_size
from petlib.engine.beginning import Beginning
from petlib.engine.fitting import FittedPart, device_of, equal_size, find_largest_part, peak_of, usable_memory
from petlib.engine.skipping import StepGuard
from petlib.engine.state import Batch, BatchStream, TrainState
from petlib.engine.step import TARGET_COUNTS, DefaultStep, Outputs, count_targets
from petlib.errors import ConfigError, DeviceError
from petlib.solver.optimizers import GradientClipper
from petlib.solver.precision import MixedPrecision
from petlib.suggest import counted

ADVICE = "take smaller images, mixed precision (SOLVER.AMP) or a smaller network"

logger = logging.getLogger(__name__)


@runtime_checkable
class CountsLosses(Protocol):
    """A model with losses that are no means over samples but, for instance, over the pixels that have a label."""

    def loss_counts(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return beginnings of the names of losses -> how many of what they are means over each sample has, float (B,).

        Where a loss is divided by a mean over the processes, so are these numbers. A loss that is not named is a mean over samples.
        """


class MicroBatchStep(DefaultStep):
    """The default iteration, whose batches are cut into parts that are computed one after another; the gradients are those of the whole.

    Each loss of a part counts by the share of the batch that it is a mean over: of its samples, or of what a :class:`CountsLosses` says. So
    the step is that of the whole batch, as far as its samples count by themselves: batch norms take the statistics of a part.

    A part that runs out of memory, in any process, is halved in all of them, and the iteration is repeated from its beginning with the same
    samples, random numbers and buffers.

    Args:
        size: most samples of a part; None: the most that fit the device, found before the first iteration.
        accumulation: see :class:`DefaultStep`; each of these batches is cut.
        clipper: see there.
        precision: see there.
        metrics: see there.
        guard: see there.
    """

    def __init__(
        self,
        *,
        size: int | None,
        accumulation: int,
        clipper: GradientClipper | None,
        precision: MixedPrecision,
        metrics: bool,
        guard: StepGuard | None = None,
    ) -> None:
        super().__init__(accumulation=accumulation, clipper=clipper, precision=precision, metrics=metrics, guard=guard)
        self.size = size
        self._start = Beginning()
        self._exchange: GradientExchange | None = None
        self._repeats = True

    def __call__(self, state: TrainState, data: BatchStream, after_backward: Callable[[TrainState], None]) -> None:
        """Do one iteration.

        Raises:
            DeviceError: not even one sample fits the device, or one process of several ran out of memory and the model cannot repeat that.
            ConfigError: the batch cannot be cut.
        """
        batches = [next(data) for _ in range(self.accumulation)]
        if self._exchange is None:
            self._exchange, self._repeats = GradientExchange(state.model), can_repeat(state.model)
        if self.size is None:
            self.size = self._find_size(state, data, batches[0])
        size = self.size
        while failed := self._compute(state, batches, size, self._exchange):
            size = self._halve(state, size, count_samples(batches[0]), failed)
        self.size = size
        after_backward(state)
        self._update(state, state.optimizer)

    def _compute(self, state: TrainState, batches: Sequence[Batch], size: int, exchange: GradientExchange) -> list[int]:
        """Compute the gradients of an iteration; return the processes in which memory ran out, where the iteration has to be repeated."""
        state.optimizer.zero_grad(set_to_none=True)
        exchange.begin()
        if self.guard is not None:
            self.guard.begin(state.network)
        self._start.keep(state.network)
        records, ran_out = [], False
        parts = count_targets(state.network, [cut(batch, size) for batch in batches])
        try:
            for place, batch in enumerate(batches):
                records.append(self._compute_parts(state, batch, parts[place], last=place == len(batches) - 1))
        except torch.OutOfMemoryError as error:
            if not self._repeats:
                raise DeviceError(_cannot_repeat(state, size)) from error
            ran_out = True
        # the exception that held the tensors of the part is gone here
        failed = exchange.agree(failed=ran_out) if self._repeats else []
        if failed:
            self._forget(state)
            return failed
        if self._repeats:
            exchange.average()
        for batch, (outputs, total) in zip(batches, records, strict=True):
            self._record(state, batch, outputs, total)
        return []

    def _compute_parts(self, state: TrainState, batch: Batch, parts: Sequence[Batch], *, last: bool) -> tuple[Outputs, Tensor]:
        """Return losses and metrics of a batch and the sum of the losses, after forward and backward passes of its parts."""
        shares = _shares(state.network, batch, parts)
        # where gradients are averaged afterwards, the network without the wrapper waits for no other process
        model = state.network if self._repeats and world_size() > 1 else state.model
        sums = _Sums()
        for place, (part, share) in enumerate(zip(parts, shares, strict=True)):
            waits = last and place == len(parts) - 1
            with nullcontext() if waits or self._repeats else no_sync(state.model):
                outputs, total = self._forward(model, part)
                if len(parts) > 1:
                    total = sums.add(outputs, share)
                self._backward(state, total / self.accumulation if self.accumulation > 1 else total)
        return (sums.outputs, sums.total) if len(parts) > 1 else (outputs, total)

    def _forget(self, state: TrainState) -> None:
        """Go back to the beginning of the iteration, and give memory free."""
        state.optimizer.zero_grad(set_to_none=True)
        self._start.restore()
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()

    def _halve(self, state: TrainState, size: int, whole: int, failed: list[int]) -> int:
        size = equal_size(whole, min(size, whole))
        where = f" on rank {', '.join(map(str, failed))}" if world_size() > 1 else ""
        if size == 1:
            raise DeviceError(f"iteration {state.iteration + 1}: one sample alone does not fit the device, out of memory{where}; {ADVICE}")
        if is_main_process():
            logger.warning(
                "iteration %d: out of memory%s with parts of %s; it is repeated and the run goes on with parts of %d (MicroBatchStep.size)",
                *(state.iteration + 1, where, counted(size, "sample"), size // 2),
            )
        return size // 2

    def _find_size(self, state: TrainState, data: BatchStream, batch: Batch) -> int:
        """Return the largest part that fits the devices of all processes, and log it."""
        whole, device = count_samples(batch), device_of(state.network)
        if device.type != "cuda":
            logger.info("MicroBatchStep.size: auto is the whole batch of %s on the %s", counted(whole, "sample"), device.type.upper())
            return whole
        if not self._repeats:
            raise ConfigError(
                "MicroBatchStep.size: auto given, but a forward pass of this model that failed cannot be repeated; give a number"
            )
        found = self._fit(state, data, batch, device)
        sizes = all_gather_objects(0 if found is None else found.samples)
        if found is None or not all(sizes):
            raise DeviceError(f"one sample alone does not fit the device of rank {sizes.index(0)}; {ADVICE}")
        size = equal_size(whole, min(sizes))
        if is_main_process():
            logger.info(
                "MicroBatchStep.size: auto is %d of the %s of a device, which take %.1f GiB with %s images",
                *(size, counted(whole, "sample"), found.peak / 2**30, "the first" if data.enlarge is None else "the largest"),
            )
        return size

    def _fit(self, state: TrainState, data: BatchStream, batch: Batch, device: torch.device) -> FittedPart | None:
        def compute(samples: int) -> None:
            part = take(batch, 0, samples)
            part = part if data.enlarge is None else data.enlarge(part)
            try:
                _, total = self._forward(state.network, part)
                self._backward(state, total)
            finally:
                self._forget(state)

        self._start.keep(state.network)
        limit = usable_memory(device, state.optimizer)
        return find_largest_part(lambda samples: peak_of(lambda: compute(samples), device), whole=count_samples(batch), limit=limit)


class _Share(NamedTuple):
    """By how much a part counts in its batch.

    Attributes:
        samples: its share of the samples.
        named: its share in losses that are no means over samples, by the beginning of their names.
    """

    samples: float
    named: Mapping[str, Tensor]

    def of(self, loss: str) -> float | Tensor:
        """Return by how much a loss of the part counts."""
        return next((share for name, share in self.named.items() if loss.startswith(name)), self.samples)


def _shares(network: nn.Module, batch: Batch, parts: Sequence[Batch]) -> list[_Share]:
    if TARGET_COUNTS in parts[0]:
        # each part is divided by the mean of all parts already
        return [_Share(1 / len(parts), {}) for _ in parts]
    counts = [count_samples(part) for part in parts]
    whole = sum(counts)
    if len(counts) == 1 or not isinstance(network, CountsLosses):
        return [_Share(count / whole, {}) for count in counts]
    named = {name: _part_shares(values, counts) for name, values in network.loss_counts(batch).items()}
    return [_Share(count / whole, {name: shares[place] for name, shares in named.items()}) for place, count in enumerate(counts)]


class _Sums:
    """Losses and metrics of a batch from those of its parts."""

    def __init__(self) -> None:
        self.outputs: Outputs = {"losses": {}, "metrics": {}}
        self.total = torch.zeros(())

    def add(self, outputs: Outputs, share: _Share) -> Tensor:
        """Add those of a part; return the sum of its losses, each by its share."""
        losses = {name: value * share.of(name) for name, value in outputs["losses"].items()}
        total = functools.reduce(operator.add, losses.values())
        _add(self.outputs["losses"], losses)
        _add(self.outputs["metrics"], {name: value * share.samples for name, value in outputs["metrics"].items()})
        self.total = total.detach() + self.total.to(total.device)
        return total


def _add(sums: dict[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        sums[name] = value.detach() + sums[name] if name in sums else value.detach()


def _part_shares(counts: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Return each part's share of what all samples count, (B,). Where nothing counts a loss is divided by 1."""
    sums = torch.stack([part.sum() for part in torch.split(counts, list(sizes))])
    return list((sums.clamp(min=1) / sums.sum().clamp(min=1)).unbind())


def _cannot_repeat(state: TrainState, size: int) -> str:
    return (
        f"iteration {state.iteration + 1}: out of memory on rank {rank()} with parts of {counted(size, 'sample')}; a forward pass of this "
        f"model that failed cannot be repeated: set MicroBatchStep.size to {max(size // 2, 1)}, or {ADVICE}"
    )


def count_samples(batch: Batch) -> int:
    """Return the samples of a batch, whose fields all have one entry for each.

    Raises:
        ConfigError: they do not.
    """
    lengths = {name: _length(value) for name, value in batch.items()}
    if len(set(lengths.values())) != 1 or None in lengths.values():
        found = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ConfigError(
            f"MicroBatchStep.size: this batch cannot be cut into parts, because its fields have not an entry each a sample ({found})"
        )
    return next(length for length in lengths.values() if length is not None)


def _length(value: Any) -> int | None:
    if isinstance(value, Tensor):
        return len(value) if value.ndim else None
    return len(value) if isinstance(value, list | tuple) else None


def take(batch: Batch, first: int, end: int) -> Batch:
    """Return some samples of a batch, which share its memory."""
    return {name: value[first:end] for name, value in batch.items()}


def cut(batch: Batch, size: int) -> list[Batch]:
    """Return a batch in parts of at most ``size`` samples, which share its memory and differ by one at most."""
    whole = count_samples(batch)
    count = -(-whole // size)
    if count == 1:
        return [batch]
    bounds = [whole * place // count for place in range(count + 1)]
    return [take(batch, first, end) for first, end in zip(bounds, bounds[1:], strict=False)]
