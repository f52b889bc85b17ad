"""Nearest neighbours of embeddings, a part of the bank at a time, and what they say of a class."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 4096
"""Queries, and embeddings of the bank, that are compared at once: 4096 x 4096 similarities take 64 MiB."""


class Neighbours(NamedTuple):
    """The most similar embeddings of a bank.

    Attributes:
        similarities: float32 (Q, K), the greatest first.
        places: int64 (Q, K), places in the bank.
    """

    similarities: Tensor
    places: Tensor


class NeighbourSearch:
    """Finds the K most similar embeddings of a bank that comes in parts, so that all similarities never exist together.

    The similarity is the inner product: of unit vectors the cosine. Of equally similar ones the first in the bank counts.

    Args:
        queries: float (Q, D).
        count: K; of a smaller bank all are found.
        skips_self: the bank is the queries themselves, in their order: no query finds itself.
    """

    def __init__(self, queries: Tensor, count: int, *, skips_self: bool = False) -> None:
        assert count > 0, f"{count} neighbours"
        self._queries, self._count, self._skips_self = queries, count, skips_self
        self._seen = 0
        self._similarities = queries.new_empty(len(queries), 0)
        self._places = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)

    @torch.no_grad()
    def add(self, bank: Tensor) -> None:
        """Take the next embeddings (N, D) of the bank, of the dtype and on the device of the queries."""
        for begin in range(0, len(bank), CHUNK):
            part = bank[begin : begin + CHUNK]
            found = [self._best(start, part) for start in range(0, len(self._queries), CHUNK)]
            if found:
                self._similarities, self._places = (torch.cat(parts) for parts in zip(*found, strict=True))
            self._seen += len(part)

    def neighbours(self) -> Neighbours:
        """Return what was found in all parts so far."""
        return Neighbours(self._similarities.float(), self._places)

    def _best(self, start: int, part: Tensor) -> tuple[Tensor, Tensor]:
        chosen = slice(start, start + CHUNK)
        similarities = self._queries[chosen] @ part.t()
        places = torch.arange(self._seen, self._seen + len(part), device=part.device).expand(len(similarities), -1)
        if self._skips_self:
            own = torch.arange(start, start + len(similarities), device=part.device)[:, None]
            similarities = similarities.masked_fill(places == own, -torch.inf)
        similarities = torch.cat([self._similarities[chosen], similarities], dim=1)
        places = torch.cat([self._places[chosen], places], dim=1)
        order = similarities.sort(dim=1, descending=True, stable=True).indices[:, : self._count]
        return similarities.gather(1, order), places.gather(1, order)


def find_neighbours(queries: Tensor, bank: Tensor, count: int, *, skips_self: bool = False) -> Neighbours:
    """Return the ``count`` most similar of the bank's embeddings (N, D) for each query (Q, D); see :class:`NeighbourSearch`."""
    search = NeighbourSearch(queries, count, skips_self=skips_self)
    search.add(bank)
    return search.neighbours()


def vote(neighbours: Neighbours, labels: Tensor, *, count: int, num_classes: int, temperature: float) -> Tensor:
    """Return the votes of the ``count`` nearest neighbours for each class, float32 (Q, C).

    A neighbour of similarity s votes with ``exp(s / temperature)``, as in Wu et al., 2018 (https://arxiv.org/abs/1805.01978); dividing
    by their sum, as DINO does, changes no order.

    Args:
        neighbours: at least ``count``, or the whole bank.
        labels: int64 (N,), the class of each embedding of the bank.
        count: how many vote.
        num_classes: C.
        temperature: the smaller, the more the nearest count.
    """
    similarities = neighbours.similarities[:, :count]
    # relative to the nearest one: exp of 1 / 0.07 is no small number
    weights = ((similarities - similarities[:, :1]) / temperature).exp()
    votes = torch.zeros(len(similarities), num_classes, device=similarities.device)
    return votes.scatter_add_(1, labels[neighbours.places[:, :count]], weights)


def recall_at(neighbours: Neighbours, bank_labels: Tensor, labels: Tensor, counts: Sequence[int]) -> dict[int, float]:
    """Return for each K of ``counts`` the share of queries that have one of their own class among the K nearest; NaN without queries."""
    hits = bank_labels[neighbours.places] == labels[:, None]
    return {count: float(hits[:, :count].any(dim=1).double().mean()) for count in counts}
