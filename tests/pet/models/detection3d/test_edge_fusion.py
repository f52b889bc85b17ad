"""Convolutions along the border of an image."""

import pytest
import torch
from torch import Tensor, nn

from pet.models.detection3d.edge_fusion import EdgeFusion, border_cells

CPU = torch.device("cpu")


def fusion(channels: int = 4, outputs: int = 2) -> EdgeFusion:
    torch.manual_seed(0)
    made = EdgeFusion(channels, outputs)
    nn.init.normal_(made.last.weight)
    nn.init.ones_(made.last.bias)  # type: ignore[arg-type]  # it has one
    return made.eval()


@torch.no_grad()
def added(made: EdgeFusion, features: Tensor, sizes: list[tuple[int, int]]) -> Tensor:
    outputs = torch.zeros(len(features), 3, *features.shape[2:])
    return made(features, outputs, sizes)


def test_the_border_is_walked_clockwise() -> None:
    assert border_cells(3, 4, width=10, device=CPU).tolist() == [0, 1, 2, 3, 13, 23, 22, 21, 20, 10]
    assert border_cells(2, 2, width=2, device=CPU).tolist() == [0, 1, 3, 2]


def test_something_is_added_at_the_border_of_each_image_and_nowhere_else() -> None:
    made, features = fusion(), torch.randn(2, 4, 6, 8)
    found = added(made, features, [(6, 8), (4, 5)])
    borders = torch.zeros(2, 6, 8, dtype=torch.bool)
    borders[0], borders[1, :4, :5] = True, True
    borders[0, 1:-1, 1:-1], borders[1, 1:3, 1:4] = False, False
    assert torch.equal((found[:, :2] != 0).any(dim=1), borders)
    assert not found[:, 2].any(), "the other channels stay"
    torch.testing.assert_close(found[1:, :, :4, :5], added(made, features[1:, :, :4, :5], [(4, 5)]))


def test_the_border_is_closed() -> None:
    made = fusion()
    features = torch.randn(1, 4, 5, 5)
    before = added(made, features, [(5, 5)])
    # group norm looks at the whole border: without it only neighbours know of each other
    made.along[1] = nn.Identity()
    plain = added(made, features, [(5, 5)])
    features[0, :, 1, 0] += 1
    changed = (added(made, features, [(5, 5)]) - plain).abs().sum(dim=1)[0] > 1e-6
    assert changed.nonzero().tolist() == [[0, 0], [1, 0], [2, 0]]
    assert not torch.allclose(before, plain)
    # a turned image is a turned walk
    torch.testing.assert_close(added(made, features.rot90(2, (2, 3)), [(5, 5)]), added(made, features, [(5, 5)]).rot90(2, (2, 3)))


def test_it_begins_without_an_effect_and_learns() -> None:
    torch.manual_seed(0)
    made = EdgeFusion(4, 1)
    features, target = torch.randn(1, 4, 6, 6), torch.zeros(1, 1, 6, 6)
    target[0, 0, 0, 2] = 3.0
    assert not made(features, torch.zeros(1, 1, 6, 6), [(6, 6)]).any()
    optimizer = torch.optim.Adam(made.parameters(), lr=0.05)
    for _ in range(60):
        loss = (made(features, torch.zeros(1, 1, 6, 6), [(6, 6)]) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * target.square().mean()
    assert all(weight.grad is not None and weight.grad.any() for weight in made.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_outputs_keep_their_type(dtype: torch.dtype) -> None:
    made = fusion()
    outputs = torch.zeros(1, 3, 4, 4, dtype=dtype)
    assert made(torch.randn(1, 4, 4, 4), outputs, [(4, 4)]).dtype == dtype
