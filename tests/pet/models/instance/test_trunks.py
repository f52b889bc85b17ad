"""The networks of single objects have the parameters of the published ones, and a map of a quarter of the crop."""

import pytest
import torch
from torch import nn

from pet.models.instance.trunks import build_trunk, build_upsampling
from petlib.errors import ConfigError

KEYPOINTS = 17


def build(name: str, args: dict[str, object], method: str = "deconvolution") -> tuple[nn.Module, nn.Module, int]:
    trunk = build_trunk(name, args)
    upsampling, channels = build_upsampling(
        in_channels=trunk.channels[-1],  # type: ignore[union-attr,index]
        stride=trunk.strides[-1],  # type: ignore[union-attr,index]
        method=method,
        channels=256,
    )
    return trunk, upsampling, channels


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # https://github.com/HRNet/deep-high-resolution-net.pytorch and https://github.com/microsoft/human-pose-estimation.pytorch
        ("timm/hrnet_w32", 28_536_113),
        ("timm/hrnet_w48", 63_595_745),
        ("timm/resnet50", 33_999_697),
        ("torchvision/resnet50", 33_999_697),
    ],
)
def test_parameters_are_those_of_the_published_networks(name: str, expected: int) -> None:
    with torch.device("meta"):
        trunk, upsampling, channels = build(name, {})
        parts = nn.ModuleList([trunk, upsampling, nn.Conv2d(channels, KEYPOINTS, 1)])
        assert upsampling(trunk(torch.zeros(2, 3, 256, 192))[-1]).shape == (2, channels, 64, 48)
    assert sum(parameter.numel() for parameter in parts.parameters()) == expected


@pytest.mark.parametrize(("method", "channels"), [("deconvolution", 256), ("bilinear", 384)])
def test_a_transformer_gives_the_map_of_its_patches(method: str, channels: int) -> None:
    with torch.device("meta"):
        trunk, upsampling, found = build("timm/vit_small_patch16_224", {}, method)
        assert trunk(torch.zeros(2, 3, 256, 192))[-1].shape == (2, 384, 16, 12)
        assert upsampling(trunk(torch.zeros(2, 3, 256, 192))[-1]).shape == (2, channels, 64, 48)
    assert found == channels
    assert sum(parameter.numel() for parameter in trunk.parameters()) == 21_665_664


def test_patches_lie_where_they_come_from() -> None:
    trunk = build_trunk("timm/vit_tiny_patch16_224", {"depth": 0}).eval()
    images = torch.zeros(1, 3, 64, 96)
    changed = images.clone()
    changed[:, :, 16:32, 48:64] = 1.0
    difference = (trunk(changed)[-1] - trunk(images)[-1]).abs().sum(dim=1)[0]
    assert difference.nonzero().tolist() == [[1, 3]]


def test_positions_of_square_images_are_resampled_for_crops() -> None:
    trunk = build_trunk("timm/vit_tiny_patch16_224", {"depth": 0}).eval()
    body = trunk.body  # type: ignore[union-attr]
    for parameter in trunk.parameters():
        parameter.data.zero_()
    body.norm = nn.Identity()  # type: ignore[union-attr]
    # a position says how far to the right and down its patch lies, as a share of the image
    places = (torch.arange(14) + 0.5) / 14
    body.pos_embed.data[0, 1:, 0] = places.repeat(14)  # type: ignore[union-attr]
    body.pos_embed.data[0, 1:, 1] = places.repeat_interleave(14)  # type: ignore[union-attr]
    found = trunk(torch.zeros(1, 3, 256, 192))[-1][0].detach()
    # bicubic resampling keeps what is linear, but at the edges
    across, down = (torch.arange(12) + 0.5) / 12, (torch.arange(16) + 0.5) / 16
    assert (found[0] - across)[:, 2:-2].abs().max() < 2e-3
    assert (found[1] - down[:, None])[2:-2].abs().max() < 2e-3


def test_weights_of_timm_fit_key_for_key() -> None:
    import timm

    with torch.device("meta"):
        trunk, network = build_trunk("timm/hrnet_w32", {}), timm.create_model("hrnet_w32")
    given = {name: value.shape for name, value in network.state_dict().items()}
    assert all(given[name] == value.shape for name, value in trunk.state_dict().items())


def test_a_stride_that_no_doubling_brings_to_a_quarter_is_refused() -> None:
    with pytest.raises(ConfigError, match="has a stride of 14, one of 4, 8, 16 or 32 expected"):
        build_upsampling(in_channels=8, stride=14, method="bilinear", channels=8)
