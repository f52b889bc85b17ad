"""The figures of a model on the validation set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pet.metrics.results import write_metrics_json
from petlib.distributed.collectives import all_gather_objects
from petlib.errors import ConfigError
from petlib.events.writers.console import format_figure


class FiguresEvaluator:
    """Averages what ``evaluate_step`` returns over the samples of all processes.

    Args:
        model: name of the model, for messages.
    """

    def __init__(self, *, model: str) -> None:
        self._model = model
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._means: dict[str, float] = {}

    def update(self, batch: dict[str, Any], predictions: Any) -> None:
        """Take the figures of one batch, weighted with its number of samples.

        Raises:
            ConfigError: they are no numbers with names, or other ones than those of the batches before.
        """
        if not isinstance(predictions, Mapping) or not predictions:
            raise ConfigError(f"{self._model}.evaluate_step returned {predictions!r}; names and numbers expected, e.g. {{'psnr': 31.2}}")
        if self._sums and set(predictions) != set(self._sums):
            raise ConfigError(f"{self._model}.evaluate_step returned {', '.join(predictions)}, and before {', '.join(self._sums)}")
        size = len(batch["meta"])
        for name, value in predictions.items():
            figure = torch.as_tensor(value).detach().double()
            if figure.dim() != 0:
                raise ConfigError(f"{self._model}.evaluate_step: {name} has the shape {tuple(figure.shape)}; one number expected")
            self._sums[name] = self._sums.get(name, torch.zeros_like(figure)) + size * figure
        self._count += size

    def compute(self) -> dict[str, float]:
        """Return the means by name, with ``val/`` before it."""
        own = ({name: value.item() for name, value in self._sums.items()}, self._count)
        shares = all_gather_objects(own)
        total = sum(count for _, count in shares)
        names = next((sums for sums, count in shares if count), {})
        self._means = {f"val/{name}": sum(sums.get(name, 0.0) for sums, _ in shares) / total for name in names}
        return self._means

    def write(self, folder: Path) -> None:
        """Write the means into ``metrics.json``."""
        write_metrics_json(folder / "metrics.json", self._means)

    def summary(self) -> str:
        """Return the means in one line."""
        return " | ".join(f"{name}: {format_figure(value)}" for name, value in self._means.items())
