"""What the user's model and trainer learn of the run."""

from collections.abc import Callable

import torch
from torch import Tensor

from pet.compat.trainframework.model.base_model import BaseModel
from petlib.distributed.collectives import barrier
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState


class IterationHook(Hook):
    """Gives the model the number of the iteration that begins, which TrainFramework calls ``epoch``.

    Args:
        model: whose ``run_step`` gets it.
    """

    order = 3
    key = "trainframework_iteration"

    def __init__(self, model: BaseModel) -> None:
        self._model = model

    def before_step(self, state: TrainState) -> None:
        """Set the number."""
        self._model.epoch = state.iteration


class IterateAfterHook(Hook):
    """Calls ``iterate_after(epoch, loss_dict)`` after every iteration, with the losses as numbers.

    Fetching them waits for the device; so this hook exists only where a trainer defines the method.

    Args:
        model: keeps the losses.
        call: the method.
    """

    order = 70
    key = "trainframework_iterate_after"

    def __init__(self, model: BaseModel, call: Callable[[int, dict[str, float]], None]) -> None:
        self._model = model
        self._call = call

    def before_step(self, state: TrainState) -> None:
        """Have the losses of this iteration kept."""
        self._model.kept_losses = []

    def after_step(self, state: TrainState) -> None:
        """Hand over the means of this iteration's losses on this process."""
        kept, self._model.kept_losses = self._model.kept_losses or [], None
        names = list(dict.fromkeys(name for losses in kept for name in losses))
        means: list[Tensor] = [torch.stack([losses[name].float() for losses in kept if name in losses]).mean() for name in names]
        numbers: list[float] = torch.stack(means).tolist() if means else []
        self._call(state.iteration - 1, dict(zip(names, numbers, strict=True)))


class AfterLoopHook(Hook):
    """Calls ``after_loop()`` at the end of a training that was not stopped by a signal, when its last checkpoint is on the disk.

    Args:
        call: the method.
    """

    order = 95
    key = "trainframework_after_loop"

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def after_train(self, state: TrainState) -> None:
        """Call it, in every process after the main one has written the checkpoint."""
        if not state.signal_number:
            barrier()
            self._call()
