"""What writers are handed: the figures of a window of training, and those of an evaluation."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class TrainingRecord:
    """Means over the iterations since the last record.

    Args:
        iteration: iterations done so far.
        max_iter: iterations of the whole run.
        epoch: the epoch that the iteration belongs to, counted from 1.
        total_epochs: epochs of the whole run; 0 where its length is set in iterations.
        lr: learning rate of the last iteration (of the first parameter group).
        eta_seconds: expected seconds until the end.
        memory_mb: most memory that was in use: of the GPU, or of the process where there is none; MiB.
        iter_time: seconds an iteration.
        data_time: seconds of it that the loop waited for data.
        losses: mean of each loss, ``total_loss`` first where there are several.
        metrics: mean of each training metric.
    """

    iteration: int
    max_iter: int
    epoch: int
    total_epochs: int
    lr: float
    eta_seconds: float
    memory_mb: float
    iter_time: float
    data_time: float
    losses: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationRecord:
    """Metrics of one evaluation, named like ``cls/acc1``, as fractions."""

    iteration: int
    metrics: dict[str, float]


class Writer(Protocol):
    """Prints or keeps records. Only rank 0 has writers."""

    def write_training(self, record: TrainingRecord) -> None:
        """Take the figures of a window of iterations."""

    def write_evaluation(self, record: EvaluationRecord) -> None:
        """Take the figures of an evaluation."""

    def close(self) -> None:
        """Write what is still held back."""
