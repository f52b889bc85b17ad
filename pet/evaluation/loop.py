"""The evaluation loop."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import nn

from pet.data.loading.batch_transforms import predict_by_size
from pet.evaluation.evaluator import Collector
from petlib.distributed.collectives import all_gather_objects
from petlib.distributed.interruption import agree_to_go_on, until_asked_to_end
from petlib.distributed.parallel import computes_together
from petlib.errors import DataError

Batch = dict[str, Any]


class Batches(Protocol):
    """This process's share of the samples, in batches."""

    def __iter__(self) -> Iterator[Batch]:
        """Return the batches in the order of the data set."""

    def __len__(self) -> int:
        """Return how many there are."""


@torch.no_grad()
def evaluate(
    model: nn.Module,
    loader: Batches,
    evaluators: Sequence[Collector],
    *,
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, float]:
    """Return the metrics of ``model`` over the samples of all processes; each computes its share, no sample counts twice.

    The model is in evaluation mode meanwhile and returns to the mode it was in.

    Args:
        model: ``model(batch)`` gives a list with one dictionary of predictions for each sample.
        loader: the batches of this process, on its device.
        evaluators: take the predictions.
        autocast: gives the context of each forward pass, for mixed precision.

    Raises:
        DataError: a model that is sharded over the processes, and fewer samples than processes.
        Interrupted: a signal asked the training around it to end; in all processes.
    """
    sharded = computes_together(model)
    extra_steps = _extra_steps(len(loader)) if sharded else 0
    was_training = model.training
    model.eval()
    batch: Batch | None = None
    # the processes of a sharded model compute each batch together: none can stop before the others, or take it in parts
    for batch in loader if sharded else until_asked_to_end(loader):
        with autocast():
            predictions = model(batch) if sharded else predict_by_size(model, batch)
        for evaluator in evaluators:
            evaluator.update(batch, predictions)
    for _ in range(extra_steps):
        with autocast():
            model(batch)
    model.train(was_training)
    agree_to_go_on()
    metrics: dict[str, float] = {}
    for evaluator in evaluators:
        metrics |= evaluator.compute()
    return metrics


def _extra_steps(steps: int) -> int:
    """Return how often the last batch is to be repeated, its predictions unused, because other processes have more batches.

    Only a model that is sharded needs it: the other processes compute with this one's shards.
    """
    all_steps = all_gather_objects(steps)
    if 0 in all_steps:
        raise DataError(
            f"parallelize.mode: fsdp: {all_steps.count(0)} of {len(all_steps)} processes have no test sample; use fewer processes"
        )
    return max(all_steps) - steps
