import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from pet.losses.density import count_loss, squared_loss, transport_loss, variation_loss
from pet.losses.dots import dot_losses, match_proposals


def test_losses_by_hand():
    density = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    target = torch.tensor([[[4.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert count_loss(density, torch.tensor([4.0, 1.0])).item() == pytest.approx((2 + 1) / 2)
    assert squared_loss(density, target).item() == pytest.approx((9 + 1) / 2)
    # the halves of the first map against all of its target in one cell, four times
    assert variation_loss(density, target).item() == pytest.approx(4 * (0.5 + 0.5) / 2)


def exact_transport(mass, dots, stride):
    """The cost of the best plan, by linear programming."""
    rows, columns = np.meshgrid(np.arange(mass.shape[0]), np.arange(mass.shape[1]), indexing="ij")
    cells = np.stack([columns.ravel(), rows.ravel()], axis=1) * stride + stride / 2
    costs = ((cells[:, None] - dots[None]) ** 2).sum(axis=2)
    count, points = costs.shape
    sums = np.concatenate([np.kron(np.eye(count), np.ones(points)), np.kron(np.ones(count), np.eye(points))])
    totals = np.concatenate([(mass / mass.sum()).ravel(), np.full(points, 1 / points)])
    return linprog(costs.ravel(), A_eq=sums, b_eq=totals).fun


def test_transport_comes_to_the_cost_of_the_best_plan():
    rng = np.random.default_rng(0)
    mass, dots = rng.random((3, 4)), rng.random((5, 2)) * (32, 24)
    found = transport_loss(torch.tensor(mass), torch.tensor(dots), 8, regularization=1.0, iterations=2000)
    assert found.item() == pytest.approx(exact_transport(mass, dots, 8), rel=0.05)


def test_the_gradient_of_the_transport_is_that_of_its_value():
    generator = torch.Generator().manual_seed(1)
    density = torch.rand(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    dots = torch.rand(4, 2, generator=generator, dtype=torch.float64) * 24

    def cost(values):
        return transport_loss(values, dots, 8, regularization=20.0, iterations=3000)

    (gradient,) = torch.autograd.grad(cost(density), density)
    step = 1e-5
    for row, column in ((0, 0), (1, 2), (2, 3)):
        moved = torch.zeros_like(density)
        moved[row, column] = step
        numeric = (cost(density.detach() + moved) - cost(density.detach() - moved)) / (2 * step)
        assert gradient[row, column].item() == pytest.approx(numeric.item(), rel=1e-3, abs=1e-4)


def test_mass_learns_to_go_to_the_dots():
    density = torch.full((6, 6), 0.1, requires_grad=True)
    dots = torch.tensor([[12.0, 12.0], [36.0, 36.0]])
    optimizer = torch.optim.Adam([density], lr=0.02)
    costs = []
    for _ in range(60):
        optimizer.zero_grad()
        cost = transport_loss(density.relu() + 1e-4, dots, 8, regularization=10.0, iterations=100)
        cost.backward()
        optimizer.step()
        costs.append(cost.item())
    assert costs[-1] < costs[0] / 4


def test_images_without_dots_have_no_cost_and_finite_gradients():
    density = torch.rand(4, 4, requires_grad=True)
    empty = torch.zeros(0, 2)
    loss = transport_loss(density, empty, 8, regularization=10.0, iterations=10) + variation_loss(density[None], torch.zeros(1, 4, 4))
    assert loss.item() == 0
    loss.backward()
    assert torch.isfinite(density.grad).all()
    zero = torch.zeros(4, 4, requires_grad=True)
    transport_loss(zero, torch.rand(3, 2) * 32, 8, regularization=10.0, iterations=100).backward()
    assert torch.isfinite(zero.grad).all()


def test_proposals_are_matched_by_distance_and_score():
    places = torch.tensor([[0.0, 0.0], [1.0, 0.0], [50.0, 50.0]])
    dots = torch.tensor([[0.0, 0.0], [49.0, 50.0]])
    for scores, expected in (([0.5, 0.5, 0.5], [[0, 2], [0, 1]]), ([0.1, 0.9, 0.5], [[1, 2], [0, 1]])):
        pairs = match_proposals(places, torch.tensor(scores), dots, distance_weight=0.05)
        assert [part.tolist() for part in pairs] == expected


def test_losses_of_dots_by_hand_also_without_dots_and_with_too_many():
    places = torch.tensor([[0.0, 3.0], [20.0, 20.0]], requires_grad=True)
    logits = torch.zeros(2, 2, requires_grad=True)
    weights = {"distance_weight": 0.05, "background_weight": 0.5}
    scores, offsets = dot_losses(places, logits, torch.tensor([[0.0, 0.0]]), **weights)
    assert scores.item() == pytest.approx(np.log(2) * (1 + 0.5) / 2) and offsets.item() == 9
    scores, offsets = dot_losses(places, logits, torch.zeros(0, 2), **weights)
    assert scores.item() == pytest.approx(np.log(2) * 0.5) and offsets.item() == 0
    (scores + offsets).backward()
    scores, _ = dot_losses(places, logits, torch.rand(5, 2), **weights)
    assert scores.item() == pytest.approx(np.log(2))
