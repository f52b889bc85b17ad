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
        from tensorboard.compat.proto.summary_pb2 import Summary
        from torch.utils.tensorboard import SummaryWriter

        purge_step = start_iteration + 1 if start_iteration else None
        self._writer = SummaryWriter(log_dir=str(folder), purge_step=purge_step)
        self._summary = Summary

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
        # one event for all values: SummaryWriter.add_scalar would make one for each, at several times the price
        summary = self._summary(value=[self._summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        file_writer = self._writer.file_writer
        assert file_writer is not None, "the event file was closed"
        file_writer.add_summary(summary, iteration)
