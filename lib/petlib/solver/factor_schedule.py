"""Learning rates that follow one factor of the iteration. A file of its own: configs are read with the schedules, and without torch."""

from torch import Tensor
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
        # torch has wrapped the optimizer's step, to warn when it is called after the schedule's; the loop cannot do that
        if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
            del optimizer.step

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next iteration, or of iteration ``epoch``, as torch calls it."""
        self._step_count += 1
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._set_rates()

    def refresh(self) -> None:
        """Set the rates of the present iteration anew, after the groups were given other rates to begin with."""
        self.base_lrs = [group["initial_lr"] for group in self.optimizer.param_groups]
        self._set_rates()

    def _set_rates(self) -> None:
        factor = self._factor(self.last_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rates of the groups."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, object]:
        """Return what a checkpoint keeps: the iteration and the rates; the factor follows from the config."""
        return {"last_epoch": self.last_epoch, "base_lrs": self.base_lrs, "_step_count": self._step_count}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self.__dict__.update(state_dict)
