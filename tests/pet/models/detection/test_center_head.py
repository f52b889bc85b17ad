"""CenterNet's head: what it learns is what it finds, its size, and that several processes learn what one does."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pet.models.detection.center_head import CenterHead, point_branch
from pet.models.detection.suppression import Suppression
from pet.models.features import Features
from petlib.distributed.process_group import rank, world_size

RULES = Suppression(score_threshold=0.3, iou_threshold=0.5, most=10)
BOXES = [torch.tensor([[4.0, 6, 25, 41], [40, 10, 75, 30]]), torch.tensor([[50.0, 20, 96, 64]]), torch.zeros(0, 4)]
LABELS = [torch.tensor([0, 2]), torch.tensor([1]), torch.zeros(0, dtype=torch.int64)]


def make_head(*, edges: bool = False) -> CenterHead:
    torch.manual_seed(0)
    return CenterHead(channels=8, stride=4, num_classes=3, hidden=16, edges=edges, size_weight=0.1, offset_weight=1.0, suppression=RULES)


def make_features(count: int) -> Features:
    maps = torch.randn(count, 8, 16, 24, generator=torch.Generator().manual_seed(1))
    return Features(torch.zeros(count, 3, 64, 96), [(64, 96)] * count, [], {"0": maps})


@pytest.mark.parametrize("edges", [False, True])
def test_objects_that_are_learned_by_heart_are_found(edges: bool) -> None:
    head, features = make_head(edges=edges).train(), make_features(3)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(250):
        optimizer.zero_grad()
        losses = head(features, {"boxes": BOXES, "labels": LABELS}, None).losses
        sum(losses.values(), torch.zeros(())).backward()
        optimizer.step()
    with torch.no_grad():
        found = head.eval()(features, {}, None).predictions
    for image, boxes, labels in zip(found, BOXES, LABELS, strict=True):
        order = image["labels"].argsort()
        assert image["labels"][order].tolist() == labels.tolist()
        torch.testing.assert_close(image["boxes"][order], boxes, atol=1.5, rtol=0)


def test_the_four_branches_of_fairmot_have_the_published_size() -> None:
    branches = [point_branch(64, 256, outputs) for outputs in (1, 4, 128, 2)]
    assert sum(parameter.numel() for branch in branches for parameter in branch.parameters()) == 625_543
    head = CenterHead(channels=64, stride=4, num_classes=1, hidden=256, edges=True, size_weight=0.1, offset_weight=1.0, suppression=RULES)
    assert sum(parameter.numel() for parameter in head.parameters()) == 625_543 - (64 * 9 + 1 + 128) * 256 - 128


def test_the_heatmap_begins_with_a_tenth() -> None:
    head = make_head()
    bias: Any = head.heatmap[-1].bias
    torch.testing.assert_close(bias.sigmoid(), torch.full((3,), 0.1))


def gradients_of_rank() -> list[Tensor]:
    """Return the mean over the processes of the gradients of this one's images, as training with several processes makes it."""
    places = range(rank(), 2, world_size())
    head, features = make_head().train(), make_features(2)
    maps = {"0": features.maps["0"][list(places)]}
    batch = {"boxes": [BOXES[place] for place in places], "labels": [LABELS[place] for place in places]}
    losses = head(Features(features.images, features.image_sizes, [], maps), batch, None).losses
    sum(losses.values(), torch.zeros(())).backward()
    return [parameter.grad.clone() for parameter in head.parameters() if parameter.grad is not None]


def test_two_processes_learn_what_one_does(run_ranks: Any) -> None:
    alone = gradients_of_rank()
    together = [torch.stack(pair).mean(dim=0) for pair in zip(*run_ranks(gradients_of_rank, 2), strict=True)]
    assert len(alone) == len(together) == 12
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
