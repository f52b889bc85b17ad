"""Embeddings of a whole data set, in its order."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pet.evaluation.loop import Batches, evaluate
from petlib.distributed.collectives import all_gather_objects
from petlib.distributed.gathering import gather_rows

UNKNOWN = -1
"""The label of a sample that has none."""


class Embeddings(NamedTuple):
    """Vectors of samples.

    Attributes:
        vectors: float32 (N, D) on the CPU.
        labels: int64 (N,), the class of each sample; -1: it has none.
        places: int64 (N,), ascending: the place of each sample in the data set.
    """

    vectors: Tensor
    labels: Tensor
    places: Tensor


class EmbeddingCollector:
    """Collects the embeddings that a model gives; a part of evaluators that compare samples with each other.

    It may be handed to :func:`pet.evaluation.loop.evaluate` as it is: it measures nothing itself.

    Args:
        normalise: divide each vector by its length; zeros stay zeros.
        field: what the vector is called in a prediction.
    """

    def __init__(self, *, normalise: bool = True, field: str = "embedding") -> None:
        self._normalise, self._field = normalise, field
        self._vectors: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._places: list[int] = []

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take one batch: its ``meta`` with ``index``, its ``label`` (B,) where there is one, and a vector (D,) of each prediction."""
        vectors = torch.stack([prediction[self._field] for prediction in predictions]).float()
        self._vectors.append((normalize(vectors, dim=1) if self._normalise else vectors).cpu())
        labels = batch.get("label")
        self._labels.append(torch.full((len(vectors),), UNKNOWN) if labels is None else labels.long().cpu())
        self._places += [meta["index"] for meta in batch["meta"]]

    def compute(self) -> dict[str, float]:
        """Return nothing: what embeddings are worth, says who compares them."""
        return {}

    def own(self) -> Embeddings:
        """Return the embeddings of this process's share of the samples, maybe none; every process calls it, so that all know D."""
        length = max(all_gather_objects(self._vectors[0].shape[1] if self._vectors else 0))
        if not self._vectors:
            return Embeddings(torch.zeros(0, length), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
        return Embeddings(torch.cat(self._vectors), torch.cat(self._labels), torch.tensor(self._places))

    def gather(self) -> Embeddings:
        """Return the embeddings of all samples, in the order of the data set, on every process; every process calls it."""
        return Embeddings(*map(gather_rows, self.own()))


def collect_embeddings(
    model: nn.Module,
    loader: Batches,
    *,
    normalise: bool = True,
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> EmbeddingCollector:
    """Run ``model`` over a loader, and return what has the embeddings of this process's share and, on request, of all samples.

    Args:
        model: gives for each sample a prediction with ``embedding`` (D,); in evaluation mode meanwhile.
        loader: the batches of this process.
        normalise: divide each vector by its length.
        autocast: gives the context of each forward pass, for mixed precision.

    Raises:
        Interrupted: a signal asked the training around it to end; in all processes.
    """
    collector = EmbeddingCollector(normalise=normalise)
    evaluate(model, loader, [collector], autocast=autocast)
    return collector
