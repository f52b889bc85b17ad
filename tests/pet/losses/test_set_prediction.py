"""Queries and objects are matched at the least cost, and what the losses are divided by is the same in all processes and parts."""

from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_convert, box_iou, generalized_box_iou

from pet.losses.set_prediction import (
    Costs,
    ObjectCounts,
    Objects,
    agree_on_counts,
    box_losses,
    count_objects,
    match_queries,
    matched_overlaps,
    varifocal_loss,
)
from petlib.distributed.process_group import rank

COSTS = Costs(label=2.0, box=5.0, overlap=2.0)
OBJECTS = Objects(
    labels=torch.tensor([[0, 2, 1], [1, 0, 0]]),
    boxes=torch.tensor([[[0.2, 0.3, 0.2, 0.2], [0.7, 0.7, 0.3, 0.4], [0.5, 0.2, 0.1, 0.3]], [[0.4, 0.4, 0.5, 0.5], [0.0] * 4, [0.0] * 4]]),
    counts=[3, 1],
)


def found(layers: int = 2, queries: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    centres = torch.rand(layers, 2, queries, 2, generator=generator) * 0.6 + 0.2
    sides = torch.rand(layers, 2, queries, 2, generator=generator) * 0.3 + 0.1
    return torch.randn(layers, 2, queries, 3, generator=generator), torch.cat([centres, sides], dim=-1)


def costs_of(logits: Tensor, boxes: Tensor, image: int) -> Tensor:
    """Return the cost of each query (Q) of one layer and image with each object (N), written down anew."""
    labels, wanted = OBJECTS.labels[image, : OBJECTS.counts[image]], OBJECTS.boxes[image, : OBJECTS.counts[image]]
    scores = logits.sigmoid()[:, labels]
    focal = 0.25 * (1 - scores) ** 2 * -scores.log() - 0.75 * scores**2 * -(1 - scores).log()
    corners = [box_convert(one, "cxcywh", "xyxy") for one in (boxes, wanted)]
    return 2 * focal + 5 * torch.cdist(boxes, wanted, p=1) - 2 * generalized_box_iou(*corners)


def test_the_pairs_cost_least() -> None:
    logits, boxes = found()
    matches = match_queries(logits, boxes, OBJECTS, COSTS)
    assert len(matches.layers) == 2 * (3 + 1)
    for layer in range(2):
        for image, count in enumerate(OBJECTS.counts):
            own = (matches.layers == layer) & (matches.images == image)
            cost = costs_of(logits[layer, image], boxes[layer, image], image)
            best = min(sum(cost[query, place] for place, query in enumerate(chosen)) for chosen in permutations(range(4), count))
            torch.testing.assert_close(cost[matches.queries[own], matches.objects[own]].sum(), best)
            assert sorted(matches.objects[own].tolist()) == list(range(count))


def test_more_objects_than_queries_and_none_at_all() -> None:
    logits, boxes = found(queries=2)
    matches = match_queries(logits, boxes, OBJECTS._replace(counts=[3, 0]), COSTS)
    assert matches.images.tolist() == [0] * 4, "two queries of each layer"
    nothing = match_queries(logits, boxes, OBJECTS._replace(counts=[0, 0]), COSTS)
    assert nothing.queries.dtype == torch.int64
    assert [value.item() for value in box_losses(boxes, OBJECTS, nothing, count=1.0)] == [0.0, 0.0]


def test_losses_of_boxes_and_scores_of_the_pairs() -> None:
    logits, boxes = found(layers=1)
    matches = match_queries(logits, boxes, OBJECTS, COSTS)
    chosen, wanted = matches.of_queries(boxes), matches.of_objects(OBJECTS.boxes)
    corners = box_convert(chosen, "cxcywh", "xyxy"), box_convert(wanted, "cxcywh", "xyxy")
    overlaps = matched_overlaps(boxes, OBJECTS, matches)
    torch.testing.assert_close(overlaps, box_iou(*corners).diag())
    absolute, overlap = box_losses(boxes, OBJECTS, matches, count=2.0)
    torch.testing.assert_close(absolute, functional.l1_loss(chosen, wanted, reduction="sum") / 2)
    torch.testing.assert_close(overlap, (1 - generalized_box_iou(*corners).diag()).sum() / 2)
    expected = 0.75 * logits.sigmoid() ** 2 * functional.softplus(logits)
    for image, query, place, share in zip(matches.images, matches.queries, matches.objects, overlaps, strict=True):
        one = logits[0, image, query, OBJECTS.labels[image, place]]
        expected[0, image, query, OBJECTS.labels[image, place]] = share * functional.binary_cross_entropy_with_logits(one, share)
    found_loss = varifocal_loss(logits, overlaps, OBJECTS.labels, matches, alpha=0.75, gamma=2.0)
    torch.testing.assert_close(found_loss, expected.sum())


@pytest.mark.parametrize(("counts", "expected"), [([3, 1, 5], (9, 7, 3, 5)), ([0], (0, 0, 1, 0))])
def test_what_is_counted_of_a_batch(counts: list[int], expected: tuple[int, ...]) -> None:
    batch = {"boxes": [torch.zeros(count, 4) for count in counts]}
    assert tuple(count_objects(batch, num_queries=3).tolist()) == expected


def counts_of_rank() -> list[float]:
    parts = torch.tensor([[[6.0, 5, 2, 4], [2, 2, 2, 1]], [[0, 0, 2, 0], [4, 4, 2, 9]]], dtype=torch.float64)
    return [float(number) for number in agree_on_counts(parts[rank()])]


def test_all_processes_and_parts_divide_by_the_same(run_ranks: Any) -> None:
    assert run_ranks(counts_of_rank, 2) == [[3.0, 2.75, 2.0, 9.0]] * 2
    assert agree_on_counts(torch.zeros(1, 4, dtype=torch.float64)) == ObjectCounts(1.0, 0.0, 0.0, 1), "nothing to divide by is 1"
