"""Losses of centres: against plain formulas, without objects, and the same for one process and several."""

from typing import Any

import pytest
import torch

from pet.losses.centers import center_focal_loss, center_l1_loss, mean_count
from pet.structures.centers import draw_centers, locate_centers
from petlib.distributed.process_group import rank


def example() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 6, 7, generator=generator) * 3
    target = torch.stack(
        [
            draw_centers(torch.tensor([[1, 2], [5, 4]]), torch.tensor([2.0, 1.0]), torch.tensor([0, 2]), num_classes=3, size=(6, 7)),
            torch.zeros(3, 6, 7),
        ]
    )
    return logits, target


def test_the_focal_loss_is_the_formula_of_the_paper() -> None:
    logits, target = example()
    scores = logits.double().sigmoid()
    total = 0.0
    for score, wanted in zip(scores.flatten(), target.double().flatten(), strict=True):
        if wanted == 1:
            total -= float((1 - score) ** 2 * score.log())
        else:
            total -= float((1 - wanted) ** 4 * score**2 * (1 - score).log())
    assert center_focal_loss(logits, target, count=torch.tensor(2.0)).item() == pytest.approx(total / 2, rel=1e-5)


def test_certain_logits_give_no_infinity() -> None:
    logits = torch.tensor([200.0, -200.0]).view(1, 1, 1, 2).requires_grad_()
    loss = center_focal_loss(logits, torch.tensor([0.0, 1.0]).view(1, 1, 1, 2), count=torch.tensor(1.0))
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
    assert loss.item() == pytest.approx(400)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_the_error_at_centres_is_a_mean_over_objects_and_values() -> None:
    centers = locate_centers([torch.tensor([[1.5, 0.5]]), torch.tensor([[0.0, 2.0]])], (3, 4))
    maps = torch.zeros(2, 2, 3, 4, requires_grad=True)
    loss = center_l1_loss(maps, centers, torch.tensor([[1.0, -3.0], [0.0, 4.0]]), count=mean_count(centers))
    assert loss.item() == pytest.approx((2 + 2) / 2)
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
    assert maps.grad is not None
    assert sorted(map(tuple, maps.grad.abs().sum(dim=1).nonzero().tolist())) == [(0, 0, 1), (1, 2, 0)]


def test_without_objects_losses_are_finite_and_those_at_centres_0() -> None:
    centers = locate_centers([torch.zeros(0, 2)], (3, 4))
    maps = torch.zeros(1, 2, 3, 4, requires_grad=True)
    at_centers = center_l1_loss(maps, centers, torch.zeros(0, 2), count=mean_count(centers))
    heatmap = center_focal_loss(maps, torch.zeros(1, 2, 3, 4), count=mean_count(centers))
    assert at_centers.item() == 0
    assert heatmap.isfinite()
    (at_centers + heatmap).backward()  # type: ignore[no-untyped-call]  # torch has no types for it
    assert maps.grad is not None
    assert maps.grad.isfinite().all()


def count_of_rank() -> float:
    points = [torch.ones(3, 2)] if rank() == 0 else [torch.zeros(0, 2)]
    return float(mean_count(locate_centers(points, (4, 4))))


def test_the_count_is_the_mean_of_all_processes(run_ranks: Any) -> None:
    assert run_ranks(count_of_rank, 2) == [1.5, 1.5]
