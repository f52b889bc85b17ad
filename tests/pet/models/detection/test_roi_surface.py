"""The head of surfaces: its size, its losses and what it gives."""

import pytest
import torch
from torch import nn

from pet.models.detection.roi_surface import SurfaceDecoder, SurfaceHead, SurfaceWeights
from pet.models.features import Features, Regions


def build(
    *, channels: list[int], num_parts: int = 4, pool: int = 4, width: int = 8, context: bool = False, decoder: bool = False
) -> SurfaceHead:
    torch.manual_seed(0)
    return SurfaceHead(
        strides=(4, 8),
        in_channels=width,
        channels=channels,
        num_parts=num_parts,
        pool=pool,
        context=context,
        decoder=decoder,
        positive_iou=0.7,
        weights=SurfaceWeights(1.0, 5.0, 0.02),
    )


def features() -> Features:
    torch.manual_seed(1)
    maps = {"0": torch.randn(1, 8, 16, 16), "1": torch.randn(1, 8, 8, 8)}
    return Features(torch.zeros(1, 3, 64, 64), [(64, 64)], [], maps)


def test_the_published_head_has_its_parameters() -> None:
    with torch.device("meta"):
        head = build(channels=[512] * 8, num_parts=25, pool=28, width=256)
    assert sum(weight.numel() for weight in head.parameters()) == 18_329_677


@pytest.mark.parametrize(("context", "decoder"), [(False, False), (True, False), (False, True)])
def test_it_learns_from_points_and_masks_and_gives_bytes(context: bool, decoder: bool) -> None:
    head = build(channels=[8, 8], context=context, decoder=decoder).train()
    boxes = torch.tensor([[8.0, 8.0, 40.0, 56.0]])
    masks = torch.zeros(1, 64, 64, dtype=torch.uint8)
    masks[0, 10:50, 10:38] = 1
    batch = {
        "boxes": [boxes],
        "surface": [torch.tensor([[[20.0, 20, 2, 0.2, 0.8, 3, 0.8, 0.8], [30, 40, 1, 0.5, 0.5, 1, 0.5, 0.5]]])],
        "surface_masks": [masks],
    }
    # the second region lies too far away from its object
    regions = Regions([torch.cat([boxes, boxes + 16])], [torch.tensor([0, 0])], [torch.tensor([0, 0])], [])
    optimizer = torch.optim.Adam(head.parameters(), 0.01)
    first = last = 0.0
    for _ in range(60):
        losses = head(features(), batch, regions).losses
        loss = sum(losses.values(), torch.zeros(()))
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        last = loss.item()
    assert last < 0.3 * first
    head.eval()
    found = Regions([boxes], [torch.tensor([0])], [], [torch.ones(1)])
    surface = head(features(), {}, found).predictions[0]["surface"]
    assert surface.dtype == torch.uint8 and surface.shape == (1, 3, 16, 16)
    assert set(surface[0, 0].unique().tolist()) <= {0, 1, 2, 3}
    assert not surface[0, 1:, surface[0, 0] == 0].any()


def test_without_annotated_regions_all_parameters_have_gradients_of_0() -> None:
    head = build(channels=[8]).train()
    batch = {"boxes": [torch.zeros(0, 4)], "surface": [torch.zeros(0, 0, 8)], "surface_masks": [torch.zeros(0, 64, 64, dtype=torch.uint8)]}
    regions = Regions([torch.tensor([[8.0, 8.0, 40.0, 56.0]])], [torch.tensor([-1])], [torch.tensor([0])], [])
    losses = head(features(), batch, regions).losses
    sum(losses.values(), torch.zeros(())).backward()
    assert all(value.item() == 0 for value in losses.values())
    assert all(weight.grad is not None and not weight.grad.any() for weight in head.parameters())


def test_the_decoder_joins_maps_of_odd_sizes() -> None:
    decoder = SurfaceDecoder(strides=(4, 8, 16), channels=4)
    maps = {"0": torch.randn(1, 4, 9, 13), "1": torch.randn(1, 4, 5, 7), "2": torch.randn(1, 4, 3, 4)}
    assert decoder(maps).shape == (1, 4, 9, 13)
    assert sum(isinstance(layer, nn.Conv2d) for layer in decoder.modules()) == 1 + 1 + 2 + 1
