"""The learning rate moves on."""

from petlib.engine.hook import Hook
from petlib.engine.state import TrainState


class LRScheduleHook(Hook):
    """Steps every schedule of the run once an iteration, after the writers have read the rate that was used."""

    order = 50
    key = "lr_schedule"

    def after_step(self, state: TrainState) -> None:
        """Set the learning rates of the next iteration."""
        for scheduler in state.schedulers.values():
            scheduler.step()
