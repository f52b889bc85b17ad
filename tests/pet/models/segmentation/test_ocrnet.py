"""The regions of object-contextual representations."""

import torch

from pet.models.segmentation.ocrnet import ObjectAttention, gather_regions


def test_regions_are_weighted_means() -> None:
    pixels = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]], [[0.0, 2.0], [4.0, 6.0]]]])
    far = 100.0
    logits = torch.tensor([[[[far, far], [0.0, 0.0]], [[0.0, 0.0], [0.0, far]]]])
    regions = gather_regions(pixels, logits)
    torch.testing.assert_close(regions, torch.tensor([[[[2.0], [7.0]], [[1.0], [6.0]]]]))


def test_one_channel_makes_a_region_of_foreground_and_one_of_background() -> None:
    pixels = torch.tensor([[[[1.0, 3.0, 5.0]]]])
    regions = gather_regions(pixels, torch.tensor([[[[-100.0, 100.0, 0.0]]]]))
    torch.testing.assert_close(regions, torch.tensor([[[[3.0], [1.0]]]]))


@torch.no_grad()
def test_equal_regions_give_every_pixel_the_same_context() -> None:
    torch.manual_seed(0)
    attention = ObjectAttention(width=6, key_width=4).eval()
    region = torch.randn(1, 6, 1, 1).expand(1, 6, 3, 1)
    context = attention(torch.randn(1, 6, 2, 5), region)
    assert context.shape == (1, 6, 2, 5)
    torch.testing.assert_close(context, context[:, :, :1, :1].expand_as(context))
