"""The one training loop. It knows iterations and hooks, nothing else."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from petlib.engine.hook import CALLS, Hook, sort_hooks
from petlib.engine.snapshot import RolledBack
from petlib.engine.state import Batch, BatchStream, TrainState

Call = Callable[[TrainState], None]


class Loader(Protocol):
    """Gives the batches of a run from any iteration on."""

    def batches(self, start_iteration: int, max_iter: int) -> Iterator[Batch]:
        """Return the batches of the iterations ``start_iteration`` to ``max_iter``, as many an iteration as the step takes."""


@runtime_checkable
class NamedSamples(Protocol):
    """A loader that knows which samples an iteration has."""

    def samples_of(self, iteration: int) -> list[dict[str, Any]]:
        """Return what ``meta`` says of the samples of an iteration, counted from 0, on this rank."""


@runtime_checkable
class SizedBatches(Protocol):
    """A loader that may know how large its batches can become."""

    enlarge: Callable[[Batch], Batch] | None
    """Makes of a batch one with as many samples that takes as much memory as any of the run may; None: it is not known."""


class Step(Protocol):
    """One iteration: takes what it needs from ``data`` and changes the weights."""

    def __call__(self, state: TrainState, data: BatchStream, after_backward: Call) -> None:
        """Do one iteration; ``after_backward(state)`` must be called when the gradients are there."""


def train(state: TrainState, loader: Loader, step: Step, hooks: Sequence[Hook]) -> None:
    """Run iterations until ``state.max_iter`` is reached or a hook sets ``state.stop_reason``.

    The run begins after ``state.iteration``, which :func:`petlib.engine.resume.resume` takes from a checkpoint.

    Raises:
        SystemExit: with 128 plus the number of the signal, when a signal asked for the end; a checkpoint was written.
    """
    ordered = sort_hooks(hooks)
    calls = {name: _implementations(ordered, name) for name in CALLS}
    samples_of = loader.samples_of if isinstance(loader, NamedSamples) else None
    enlarge = loader.enlarge if isinstance(loader, SizedBatches) else None
    data = BatchStream(loader.batches(state.iteration, state.max_iter), samples_of, enlarge)
    state.data, state.hooks = data, ordered
    state.model.train()
    try:
        _call(calls["before_train"], state)
        while True:
            try:
                _run_iterations(state, data, step, ordered, calls)
                break
            except RolledBack:
                data.restart(loader.batches(state.iteration, state.max_iter))
                _go_on(state, ordered, calls)
        _call(calls["after_train"], state)
    except BaseException:
        _call(calls["on_exception"], state)
        raise
    finally:
        data.close()
    if state.signal_number:
        raise SystemExit(128 + state.signal_number)


def _run_iterations(state: TrainState, data: BatchStream, step: Step, hooks: Sequence[Hook], calls: dict[str, list[Call]]) -> None:
    before_step, backward_calls = calls["before_step"], calls["after_backward"]
    after_each = _implementations([hook for hook in hooks if hook.intervals is None], "after_step")
    after_some = _implementations([hook for hook in hooks if hook.intervals is not None], "after_step")
    intervals = {interval for hook in hooks for interval in hook.intervals or () if interval > 0}

    def after_backward(state: TrainState) -> None:
        for call in backward_calls:
            call(state)

    epoch_begins = True
    # the first iteration is shown to all hooks: some have something to say about it
    wake = state.iteration + 1
    while state.iteration < state.max_iter and not state.stop_reason:
        if epoch_begins:
            _call(calls["before_epoch"], state)
        for call in before_step:
            call(state)
        step(state, data, after_backward)
        state.iteration += 1
        if state.iteration < wake:
            for call in after_each:
                call(state)
            if state.stop_reason:
                _call(after_some, state)
        else:
            _call(calls["after_step"], state)
            wake = _next_multiple(state.iteration, intervals, state.max_iter)
        epoch_begins = state.at_epoch_end
        if epoch_begins:
            _call(calls["after_epoch"], state)


def _go_on(state: TrainState, hooks: Sequence[Hook], calls: dict[str, list[Call]]) -> None:
    """Let the hooks know that the run went back; where it was the last iteration that failed, do what belongs to the end of a run."""
    _call(calls["after_rollback"], state)
    if state.iteration == state.max_iter:
        _call(_implementations([hook for hook in hooks if hook.intervals is not None], "after_step"), state)


def _next_multiple(iteration: int, intervals: Collection[int], max_iter: int) -> int:
    """Return the first iteration after ``iteration`` that is a multiple of any of ``intervals``, at most ``max_iter``."""
    return min([max_iter, *((iteration // interval + 1) * interval for interval in intervals)])


def _implementations(hooks: Sequence[Hook], name: str) -> list[Call]:
    """Return the bound methods of the hooks that implement a call, so that an iteration costs nothing for the others."""
    return [getattr(hook, name) for hook in hooks if getattr(type(hook), name) is not getattr(Hook, name)]


def _call(calls: Sequence[Call], state: TrainState) -> None:
    for call in calls:
        call(state)
