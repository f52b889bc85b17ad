"""Against scikit-learn's exact search and votes by hand."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from pet.metrics import neighbours
from pet.metrics.neighbours import NeighbourSearch, find_neighbours, recall_at, vote


def vectors(count, length=7, seed=0):
    return normalize(torch.randn(count, length, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("chunk", [3, 50, 4096])
def test_neighbours_are_those_of_an_exact_search(monkeypatch, chunk):
    sklearn = pytest.importorskip("sklearn.neighbors")
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    queries, bank = vectors(20, seed=1), vectors(101, seed=2)
    distances, places = (
        sklearn.NearestNeighbors(n_neighbors=9, metric="cosine", algorithm="brute").fit(bank.numpy()).kneighbors(queries.numpy())
    )
    search = NeighbourSearch(queries, 9)
    for part in bank.split([40, 0, 61]):
        search.add(part)
    found = search.neighbours()
    assert np.array_equal(found.places.numpy(), places)
    assert found.similarities.numpy() == pytest.approx(1 - distances, abs=1e-6)


def test_nothing_finds_itself_where_the_bank_is_the_queries(monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK", 4)
    bank = vectors(10)
    with_self, without = find_neighbours(bank, bank, 3), find_neighbours(bank, bank, 2, skips_self=True)
    assert with_self.places[:, 0].tolist() == list(range(10))
    assert torch.equal(with_self.places[:, 1:], without.places)


def test_a_small_bank_is_found_whole_and_the_first_of_equals_counts():
    found = find_neighbours(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]), 20)
    assert found.places.tolist() == [[1, 2, 0]]
    assert find_neighbours(torch.zeros(0, 2), torch.zeros(3, 2), 2).places.shape == (0, 0)


def test_votes_are_weighted_by_similarity():
    found = find_neighbours(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.8, -0.6], [-1.0, 0.0]]), 4)
    labels = torch.tensor([0, 1, 1, 2])
    votes = vote(found, labels, count=3, num_classes=3, temperature=0.5)[0].tolist()
    assert votes == pytest.approx([1.0, 2 * math.exp(-0.2 / 0.5), 0.0])
    # two that are less similar outvote the nearest one at a high temperature only
    assert vote(found, labels, count=3, num_classes=3, temperature=0.07).argmax() == 0
    assert vote(found, labels, count=3, num_classes=3, temperature=10.0).argmax() == 1


def test_recall():
    found = find_neighbours(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), 3)
    assert recall_at(found, torch.tensor([5, 6, 7]), torch.tensor([5, 6]), [1, 2]) == {1: 0.5, 2: 1.0}
