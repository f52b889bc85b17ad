"""The losses of edges that are distributions: what the distances of logits are, and where a loss is least."""

import pytest
import torch
from torch import Tensor

from pet.losses.fine_grained import EdgeScale, EdgeShare, distillation_loss, edge_distances, fine_grained_loss
from pet.losses.set_prediction import Matches, Objects

SCALE = EdgeScale(torch.tensor([0.5]), torch.tensor([4.0]))
ZERO = torch.zeros(1, dtype=torch.int64)
ONE_PAIR = Matches(ZERO, ZERO, ZERO, ZERO)


def test_distances_rise_to_both_sides_and_are_dense_in_the_middle() -> None:
    distances = edge_distances(SCALE, 32)
    assert len(distances) == 33
    torch.testing.assert_close(distances, -distances.flip(0))
    assert distances[-1] == 4.0, "2 * up * scale"
    steps = distances.diff()
    assert (steps > 0).all()
    assert steps.argmin() in (15, 16)


def one_object(box: list[float]) -> Objects:
    return Objects(torch.zeros(1, 1, dtype=torch.int64), torch.tensor([[box]]), [1])


@pytest.mark.parametrize("moved", [0.0, 0.03, -0.05])
def test_the_loss_is_least_where_the_mean_of_the_edges_is_right(moved: float) -> None:
    start = torch.tensor([0.5, 0.5, 0.2, 0.2]).reshape(1, 1, 1, 4)
    objects = one_object([0.5 + moved, 0.5, 0.2, 0.2])
    edges = torch.zeros(1, 1, 1, 4, 33, requires_grad=True)
    optimizer = torch.optim.Adam([edges], lr=0.5)
    for _ in range(60):
        optimizer.zero_grad()
        loss = fine_grained_loss(edges, start, torch.ones(1), objects, ONE_PAIR, scale=SCALE, count=1.0)
        loss.backward()
        optimizer.step()
    # the distance of an edge is in quarters of the side, from where the first box has it
    means = (edges.detach().softmax(dim=-1) * edge_distances(SCALE, 32)).sum(dim=-1).flatten()
    torch.testing.assert_close(means * 0.2 / 4, torch.tensor([-moved, 0.0, moved, 0.0]), atol=2e-3, rtol=0)


def test_an_edge_further_away_than_all_distances_learns_the_last_one() -> None:
    start, objects = torch.tensor([0.5, 0.5, 0.01, 0.01]).reshape(1, 1, 1, 4), one_object([0.5, 0.5, 0.9, 0.9])
    edges = torch.zeros(1, 1, 1, 4, 33, requires_grad=True)
    (gradient,) = torch.autograd.grad(fine_grained_loss(edges, start, torch.ones(1), objects, ONE_PAIR, scale=SCALE, count=2.0), edges)
    assert (gradient.argmin(dim=-1) == 32).all()
    torch.testing.assert_close(gradient[..., 32], torch.full((1, 1, 1, 4), (1 / 33 - 1) / 2))


def distil(edges: Tensor) -> Tensor:
    matches = Matches(torch.tensor([0, 1]), torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([0, 0]))
    logits = torch.tensor([[[0.0], [1.0], [-1.0]]])
    return distillation_loss(edges, logits, torch.tensor([0.5, 0.9]), matches, share=EdgeShare(4.0, 8.0))


def test_layers_learn_from_the_last_one_which_does_not_learn_from_them() -> None:
    generator = torch.Generator().manual_seed(0)
    edges = torch.randn(2, 1, 3, 4, 33, generator=generator, requires_grad=True)
    (gradient,) = torch.autograd.grad(distil(edges), edges)
    assert gradient[0].abs().amin(dim=(0, 2, 3)).min() > 0
    assert gradient[1].abs().max() == 0
    assert distil(edges[1:].expand(2, -1, -1, -1, -1)).item() == pytest.approx(0.0, abs=1e-6)
    divergence = (edges[1] / 5).softmax(-1) * ((edges[1] / 5).log_softmax(-1) - (edges[0] / 5).log_softmax(-1))
    of_queries = 25 * divergence.sum(dim=(0, 2, 3)) * torch.tensor([0.5, 0.5, torch.tensor(-1.0).sigmoid()])
    expected = (of_queries[1] / 2 + (of_queries[0] + of_queries[2]) / 8**0.5) / (2 + 8**0.5)
    torch.testing.assert_close(distil(edges), expected)
