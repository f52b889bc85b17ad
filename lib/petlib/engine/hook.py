"""What happens around the iterations of the loop."""

from collections.abc import Sequence
from typing import Any, ClassVar

from petlib.engine.state import TrainState
from petlib.errors import ConfigError

CALLS = (
    "before_train",
    "before_epoch",
    "before_step",
    "after_backward",
    "after_step",
    "after_epoch",
    "after_rollback",
    "after_train",
    "on_exception",
)


class Hook:
    """Something that is done at fixed points of a run. A hook implements the calls that it needs.

    The loop makes the calls in this order::

        before_train
        each epoch:
            before_epoch                 (also when a run continues in the middle of an epoch)
            each iteration:
                before_step
                step: forward, backward, after_backward, optimizer
                after_step               (state.iteration counts the one that was just done)
            after_epoch
        after_rollback                   (when the run went back to its last checkpoint; before_epoch follows)
        after_train
        on_exception                     (instead of after_train, when anything was raised)

    Attributes:
        order: hooks are called from the smallest to the greatest number; no two have the same.
        key: the name under which the hook's state is saved in a checkpoint.
        intervals: None: ``after_step`` is called after every iteration. Else a hook that acts now and then costs the other
            iterations nothing: it is called after multiples of these numbers (0: never), after the first and the last iteration,
            when the run is asked to stop, and whenever another such hook is called.
    """

    order: ClassVar[int]
    key: ClassVar[str]
    intervals: tuple[int, ...] | None = None

    def before_train(self, state: TrainState) -> None:
        """Called once, before the first iteration of this process."""

    def before_epoch(self, state: TrainState) -> None:
        """Called before the first iteration of an epoch that this process runs."""

    def before_step(self, state: TrainState) -> None:
        """Called before each iteration, before its data are fetched."""

    def after_backward(self, state: TrainState) -> None:
        """Called when all gradients of an iteration are there, before they are clipped and applied."""

    def after_step(self, state: TrainState) -> None:
        """Called after each iteration."""

    def after_epoch(self, state: TrainState) -> None:
        """Called after the last iteration of each epoch, after ``after_step``."""

    def after_rollback(self, state: TrainState) -> None:
        """Called when the run went back to its last checkpoint: the hook's state is the one of then, ``state.iteration`` is not."""

    def after_train(self, state: TrainState) -> None:
        """Called once, after the last iteration, also when the run was asked to end early."""

    def on_exception(self, state: TrainState) -> None:
        """Called when an exception ends the run."""

    def state_dict(self) -> dict[str, Any]:
        """Return what the hook must remember over a restart: plain values and tensors."""
        return {}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""


def sort_hooks(hooks: Sequence[Hook]) -> list[Hook]:
    """Return the hooks in the order of their calls.

    Raises:
        ConfigError: a hook has no ``order`` or ``key``, or two have the same.
    """
    for hook in hooks:
        for attribute in ("order", "key"):
            if not hasattr(hook, attribute):
                raise ConfigError(f"the hook {type(hook).__name__} has no {attribute!r}; set it on the class")
    ordered = sorted(hooks, key=lambda hook: hook.order)
    for attribute in ("order", "key"):
        names: dict[Any, str] = {}
        for hook in ordered:
            value = getattr(hook, attribute)
            if value in names:
                taken = ", ".join(str(getattr(other, attribute)) for other in ordered)
                raise ConfigError(
                    f"the hooks {names[value]} and {type(hook).__name__} have the same {attribute} {value!r}; change one, {taken} are taken"
                )
            names[value] = type(hook).__name__
    return ordered


def due(iteration: int, *, every: int) -> bool:
    """Return whether something that happens every so many iterations happens after this one; never where ``every`` is 0."""
    return every > 0 and iteration % every == 0
