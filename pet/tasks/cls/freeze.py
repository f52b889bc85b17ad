"""A body that is frozen for the first epochs."""

from typing import cast

from pet.tasks.cls.model import FineTunedClassifier
from petlib.config import CfgNode
from petlib.engine.hook import Hook
from petlib.engine.state import TrainState


class FreezeHook(Hook):
    """Keeps the body of a :class:`FineTunedClassifier` as it is for the first epochs.

    The gradients of the body are thrown away before the optimizer sees them. It would be faster not to compute them,
    but DistributedDataParallel fixes at its start which parameters have gradients, and so would never train the body.

    Args:
        epochs: how many epochs the body stays.
    """

    order = 15
    key = "freeze"

    def __init__(self, *, epochs: int) -> None:
        self.epochs = epochs

    def before_epoch(self, state: TrainState) -> None:
        """Freeze the batch-norm statistics, or release them when the time is over."""
        network = cast(FineTunedClassifier, state.network)
        network.body_frozen = state.epoch < self.epochs
        network.train()

    def after_backward(self, state: TrainState) -> None:
        """Drop the gradients of the body."""
        network = cast(FineTunedClassifier, state.network)
        if network.body_frozen:
            for parameter in network.body_parameters():
                parameter.grad = None


def build_freeze_hooks(cfg: CfgNode) -> list[Hook]:
    """Return the hook that ``FINETUNE.FREEZE_EPOCHS`` needs; none where it is 0, or -1, for which the model itself cares."""
    return [FreezeHook(epochs=cfg.FINETUNE.FREEZE_EPOCHS)] if cfg.FINETUNE.FREEZE_EPOCHS > 0 else []
