"""TensorBoard events."""

from pathlib import Path

from petlib.events.records import EvaluationRecord, TrainingRecord


class TensorBoardWriter:
    """Writes scalars for ``tensorboard --logdir <folder>``.

    Args:
        folder: where the event files go.
        start_iteration: iterations that a resumed run had done; what an earlier file says of later ones is purged.
    """

    def __init__(self, *, folder: Path, start_iteration: int) -> None:
        # slow to import, and only rank 0 of a run that wants it needs it
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

        purge_step = start_iteration + 1 if start_iteration else None
        self._writer = SummaryWriter(log_dir=str(folder), purge_step=purge_step)

    def write_training(self, record: TrainingRecord) -> None:
        """Write losses, metrics, learning rate and times of a window."""
        values = {"lr": record.lr, "time/iter_time": record.iter_time, "time/data_time": record.data_time}
        values.update({f"train/{name}": value for name, value in {**record.losses, **record.metrics}.items()})
        self._write(record.iteration, values)

    def write_evaluation(self, record: EvaluationRecord) -> None:
        """Write the metrics of an evaluation."""
        self._write(record.iteration, {f"eval/{name}": value for name, value in record.metrics.items()})

    def tick(self, iteration: int) -> None:
        """Nothing between two windows."""

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()

    def _write(self, iteration: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, iteration)
