"""The bidirectional feature pyramid: weights of the fusion, shapes, and which way values go."""

import pytest
import torch

from pet.models.change.bifpn import EPSILON, BiFpn, BiFpnLayer, FastFusion


@torch.no_grad()
def test_fusion_is_a_weighted_mean_without_negative_weights() -> None:
    fusion = FastFusion(3)
    fusion.weights.copy_(torch.tensor([1.0, 3.0, -5.0]))
    maps = [torch.full((1, 2, 1, 1), value) for value in (8.0, 4.0, 100.0)]
    expected = (1.0 * 8.0 + 3.0 * 4.0) / (4.0 + EPSILON)
    torch.testing.assert_close(fusion(maps), torch.full((1, 2, 1, 1), expected))


def test_maps_keep_their_sizes_and_have_one_width() -> None:
    stages = [torch.randn(2, channels, 32 // 2**level, 48 // 2**level) for level, channels in enumerate((5, 6, 7, 8))]
    maps = BiFpn([5, 6, 7, 8], width=12, repeats=2)(stages)
    assert [tuple(one.shape) for one in maps] == [(2, 12, 32, 48), (2, 12, 16, 24), (2, 12, 8, 12), (2, 12, 4, 6)]


@pytest.mark.parametrize("source", [0, 2])
def test_every_level_reaches_every_other_in_one_layer(source: int) -> None:
    torch.manual_seed(0)
    layer = BiFpnLayer(3, 4).eval()
    maps = [torch.randn(1, 4, 16 // 2**level, 16 // 2**level).requires_grad_() for level in range(3)]
    for fused in layer(maps):
        (gradient,) = torch.autograd.grad(fused.sum(), maps[source], retain_graph=True)
        assert gradient.abs().sum() > 0


def test_sizes_that_do_not_halve_are_refused() -> None:
    with pytest.raises(AssertionError, match="half the size"):
        BiFpnLayer(2, 4)([torch.randn(1, 4, 16, 16), torch.randn(1, 4, 4, 4)])
