"""Learning rates that follow one factor of the iteration."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from petlib.solver.schedules import Factor


class FactorSchedule(LambdaLR):
    """torch's ``LambdaLR`` with one factor for all parameter groups and a step that does nothing else than set the rates.

    It is stepped in every iteration, where the checks of torch's own step cost several times as much as the rates.

    Args:
        optimizer: its rates are multiplied by the factor.
        factor: of the iteration, counted from 0.
    """

    def __init__(self, optimizer: Optimizer, factor: Factor) -> None:
        self._factor = factor
        super().__init__(optimizer, factor)

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next iteration, or of iteration ``epoch``, as torch calls it."""
        self._step_count += 1
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        factor = self._factor(self.last_epoch)
        self._last_lr = [base * factor for base in self.base_lrs]
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    def state_dict(self) -> dict[str, object]:
        """Return what a checkpoint keeps: the iteration and the rates; the factor follows from the config."""
        return {"last_epoch": self.last_epoch, "base_lrs": self.base_lrs, "_last_lr": self._last_lr, "_step_count": self._step_count}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self.__dict__.update(state_dict)
