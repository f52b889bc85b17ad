"""Predictions of boxes in their image."""

import torch
from torchvision.models.detection.roi_heads import paste_masks_in_image

from pet.structures.paste import paste_masks, paste_parts


def test_full_masks_cover_the_pixels_whose_centres_lie_in_the_box() -> None:
    boxes = torch.tensor([[2.0, 3.0, 10.0, 8.0], [-5.0, -5.0, 4.4, 4.6], [18.0, 0.0, 40.0, 30.0], [30.0, 30.0, 40.0, 40.0]])
    found = paste_masks(torch.ones(4, 7, 7), boxes, (20, 25))
    expected = torch.zeros(4, 20, 25, dtype=torch.bool)
    expected[0, 3:8, 2:10] = True
    expected[1, :5, :4] = True
    expected[2, :, 18:] = True
    assert torch.equal(found, expected)
    assert not paste_masks(torch.zeros(4, 7, 7), boxes, (20, 25)).any()
    assert paste_masks(torch.ones(0, 7, 7), torch.zeros(0, 4), (20, 25)).shape == (0, 20, 25)


def test_a_mask_lies_where_its_box_says() -> None:
    mask = torch.zeros(1, 4, 4)
    mask[0, :, 2:] = 1
    found = paste_masks(mask, torch.tensor([[10.0, 4.0, 18.0, 8.0]]), (12, 24))[0]
    expected = torch.zeros(12, 24, dtype=torch.bool)
    expected[4:8, 14:18] = True
    assert torch.equal(found, expected)


def test_large_boxes_are_pasted_as_by_torchvision() -> None:
    torch.manual_seed(0)
    masks = torch.nn.functional.interpolate(torch.rand(3, 1, 5, 5), (28, 28), mode="bicubic")[:, 0].clamp(0, 1)
    boxes = torch.tensor([[10.0, 20.0, 110.0, 90.0], [0.0, 0.0, 150.0, 120.0], [60.0, 30.0, 190.0, 110.0]])
    found = paste_masks(masks, boxes, (120, 160))
    reference = paste_masks_in_image(masks[:, None], boxes, (120, 160), padding=1)[:, 0] >= 0.5
    overlap = (found & reference).sum(dim=(1, 2)) / (found | reference).sum(dim=(1, 2))
    # it lets masks fade out towards the edges of the box
    assert overlap.min() > 0.93


def test_parts_are_the_greatest_ones_and_background_lies_outside() -> None:
    parsing = torch.zeros(1, 3, 4, 4)
    parsing[0, 1, :2] = 5.0
    parsing[0, 2, 2:] = 5.0
    found = paste_parts(parsing, torch.tensor([[4.0, 2.0, 12.0, 10.0]]), (16, 20))
    assert found.dtype == torch.uint8
    assert found.shape == (1, 16, 20)
    assert (found[0, 2:6, 4:12] == 1).all()
    assert (found[0, 6:10, 4:12] == 2).all()
    assert int((found > 0).sum()) == 64
