"""Losses of surfaces at points, against hand calculations."""

import torch
from torch.nn import functional

from pet.losses.surface import crop_masks, points_in_regions, read_maps, surface_mask_loss, surface_part_loss, surface_uv_loss

BOXES = torch.tensor([[10.0, 20.0, 30.0, 60.0]])


def points(*rows: list[float]) -> torch.Tensor:
    return torch.tensor([[[*row, 0.0, 0.0, 0.0] for row in rows]])


def test_points_outside_of_their_region_and_absent_ones_are_dropped() -> None:
    found = points_in_regions(BOXES, points([20, 40, 2, 0.5, 0.25], [5, 40, 1, 0, 0], [0, 0, 0, 0, 0], [30, 60, 1, 1, 1]))
    assert found.region.tolist() == [0, 0]
    assert found.place.tolist() == [[0.5, 0.5], [1.0, 1.0]]
    assert found.part.tolist() == [2, 1]
    assert found.uv.tolist() == [[0.5, 0.25], [1.0, 1.0]]


def test_maps_are_read_as_grid_sample_does() -> None:
    torch.manual_seed(0)
    maps, places = torch.randn(1, 3, 6, 6), torch.rand(9, 2)
    rows = torch.cat([BOXES[0, :2] + places * torch.tensor([20.0, 40.0]), torch.ones(9, 6)], dim=1)[None]
    found = points_in_regions(BOXES, rows)
    expected = functional.grid_sample(maps, found.place[None, None] * 2 - 1, padding_mode="border", align_corners=False)[0, :, 0].T
    torch.testing.assert_close(read_maps(maps, found), expected, atol=1e-5, rtol=1e-5)


def test_losses_take_the_channel_of_the_true_part() -> None:
    found = points_in_regions(BOXES, points([20, 40, 2, 0.75, 0.5]))
    uv = torch.zeros(1, 2, 3, 4, 4)
    uv[0, 0, 2], uv[0, 1, 2], uv[0, :, 1] = 0.25, 0.5, 9.0
    torch.testing.assert_close(surface_uv_loss(uv, found, images=2), torch.tensor(0.5**2 / 2 / 2))
    logits = torch.zeros(1, 3, 4, 4)
    torch.testing.assert_close(surface_part_loss(logits, found), torch.tensor(3.0).log())


def test_without_points_losses_are_0_and_have_gradients() -> None:
    for regions in (0, 1):
        found = points_in_regions(BOXES[:regions], points([0, 0, 0, 0, 0])[:regions])
        logits, uv = torch.randn(regions, 3, 4, 4, requires_grad=True), torch.randn(regions, 2, 3, 4, 4, requires_grad=True)
        objects = torch.randn(regions, 2, 4, 4, requires_grad=True)
        mask = surface_mask_loss(objects, torch.zeros(regions, 4, 4), torch.zeros(regions, dtype=torch.bool))
        loss = surface_part_loss(logits, found) + surface_uv_loss(uv, found, images=1) + mask
        loss.backward()
        assert loss.item() == 0
        assert all(tensor.grad is not None and not tensor.grad.any() for tensor in (logits, uv, objects))


def test_masks_are_cropped_to_their_region_and_unknown_ones_are_named() -> None:
    masks = torch.zeros(2, 8, 8, dtype=torch.uint8)
    masks[0, :, 4:], masks[1] = 1, 255
    crops, known = crop_masks(masks, torch.tensor([[2.0, 0, 6, 8], [0, 0, 8, 8]]), torch.tensor([0, 1]), size=4)
    assert crops[0].tolist() == [[0, 0, 1, 1]] * 4
    assert known.tolist() == [True, False]
    logits = torch.zeros(2, 2, 4, 4)
    logits[1] = 100 * torch.randn(2, 4, 4)
    torch.testing.assert_close(surface_mask_loss(logits, crops, known), torch.tensor(2.0).log())
