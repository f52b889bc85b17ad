"""The console line of Pet."""

import logging
import math
from datetime import timedelta

from petlib.events.storage import EvaluationRecord, TrainingRecord

logger = logging.getLogger(__name__)

INDENT = " " * len("[10-26 11:41:27] ")


def format_figure(value: float, form: str = ".4f") -> str:
    """Return a metric as a reader sees it: a dash where it is NaN, which means that it is undefined."""
    return "-" if math.isnan(value) else format(value, form)


class ConsoleWriter:
    """Logs ``|-[resnet110.yaml]-[iter: 20/63960]-[lr: 0.100000]-[eta: 2:49:11]``, then memory and times, then the losses.

    Args:
        name: the name of the config file.
    """

    def __init__(self, *, name: str) -> None:
        self.name = name

    def write_training(self, record: TrainingRecord) -> None:
        """Log the three lines of a window."""
        epoch = f"-[epoch: {record.epoch}/{record.total_epochs}]" if record.total_epochs else ""
        head = (
            f"|-[{self.name}]{epoch}-[iter: {record.iteration}/{record.max_iter}]"
            f"-[lr: {record.lr:.6f}]-[eta: {timedelta(seconds=round(record.eta_seconds))}]"
        )
        times = f"|-[memory: {record.memory_mb:.0f}M]-[iter_time: {record.iter_time:.4f}s]-[data_time: {record.data_time:.4f}s]"
        values = "-".join(f"[{name}: {value:.4f}]" for name, value in {**record.losses, **record.metrics}.items())
        logger.info("%s\n%s%s\n%s|-%s", head, INDENT, times, INDENT, values)

    def write_evaluation(self, record: EvaluationRecord) -> None:
        """Log the metrics of an evaluation in one line."""
        values = "-".join(f"[{name}: {format_figure(value)}]" for name, value in record.metrics.items())
        logger.info("|-[%s]-[iter: %d]-[evaluation]-%s", self.name, record.iteration, values)

    def close(self) -> None:
        """Nothing is held back."""
