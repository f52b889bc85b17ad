"""Siamese networks: what the order of the dates does, and how they learn."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pet.models.change.siamese import encode_pair, fuse
from pet.models.change.siamese_unet import SiameseUnet
from pet.models.segmentation.networks import build_network
from petlib.errors import ConfigError

SMALL = {"encoder": "timm/resnet18", "width": 16, "repeats": 1}


def dates(size: int = 48) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, size, size, generator=generator), torch.randn(2, 3, size, size, generator=generator)


def test_fusions_by_hand() -> None:
    first, second = torch.tensor([[[[1.0]], [[5.0]]]]), torch.tensor([[[[3.0]], [[2.0]]]])
    assert fuse(first, second, "difference").flatten().tolist() == [2.0, 3.0]
    assert fuse(first, second, "concat").flatten().tolist() == [1.0, 5.0, 3.0, 2.0]


def test_both_dates_go_through_the_encoder_as_one_batch() -> None:
    first, second = dates(4)
    seen: list[int] = []

    def encode(images: Tensor) -> list[Tensor]:
        seen.append(len(images))
        return [images, images * 2]

    pairs = encode_pair(encode, first, second)
    assert seen == [4]
    torch.testing.assert_close(pairs[1][0], first * 2)
    torch.testing.assert_close(pairs[1][1], second * 2)


@torch.no_grad()
def test_the_order_of_the_dates_does_not_matter_to_their_difference() -> None:
    torch.manual_seed(0)
    first, second = dates()
    network = build_network("siamese", channels=2, args={**SMALL, "fusion": "difference"}).eval()
    torch.testing.assert_close(network(first, second)[0], network(second, first)[0])
    ordered = build_network("siamese", channels=2, args={**SMALL, "fusion": "concat"}).eval()
    assert not torch.allclose(ordered(first, second)[0], ordered(second, first)[0])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"fusion": "sum"}, r"fusion: 'sum' given, concat or difference expected"),
        ({"neck": "fpn"}, r"neck: 'fpn' given, bifpn expected"),
        ({"encoder_args": {"output_stride": 8}}, r"strides 2, 4, 8, 8, 8, but the pyramid needs 4, 8, 16, ...; leave output_stride out"),
    ],
)
def test_wrong_arguments_are_reported(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network("siamese", channels=1, args={**SMALL, **args})


def test_a_unet_needs_a_width_for_each_stage() -> None:
    with pytest.raises(ConfigError, match=r"widths: \[8, 8\] given, a width for each of the 5 stages"):
        build_network("siamese_resnet18_unet", channels=1, args={"widths": [8, 8]})


def test_the_small_unet_learns_where_a_square_appears() -> None:
    torch.manual_seed(0)
    network = build_network("siamese_resnet18_unet", channels=1, args={"dropout": 0.0}).train()
    assert isinstance(network, SiameseUnet)
    first = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 0.3
    second, labels = first.clone(), torch.zeros(2, 1, 64, 64)
    second[:, :, 16:40, 8:32] += 2.0
    labels[:, :, 16:40, 8:32] = 1.0
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss = functional.binary_cross_entropy_with_logits(network(first, second)[0], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
