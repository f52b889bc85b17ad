"""Decoders against the whole models of segmentation-models-pytorch, and stages that do not suit them."""

from typing import Any

import pytest
import segmentation_models_pytorch as library
import torch
from torch.nn import functional

from pet.models.features import FeatureInfo
from pet.models.segmentation.decoders import build_decoder
from petlib.errors import ConfigError

CHANNELS = (8, 16, 24, 32, 40)
STRIDES = (2, 4, 8, 16, 32)
MODELS = {
    "fpn": library.FPN,
    "unet": library.Unet,
    "upernet": library.UPerNet,
    "deeplabv3plus": library.DeepLabV3Plus,
    "pspnet": library.PSPNet,
    "segformer": library.Segformer,
}


def info(strides: tuple[int, ...] = STRIDES) -> FeatureInfo:
    return FeatureInfo(CHANNELS[-len(strides) :], strides, 0, ())


def maps(strides: tuple[int, ...], height: int = 64, width: int = 96) -> tuple[torch.Tensor, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    channels = CHANNELS[-len(strides) :]
    stages = [
        torch.randn(2, count, height // stride, width // stride, generator=generator)
        for count, stride in zip(channels, strides, strict=True)
    ]
    return torch.randn(2, 3, height, width, generator=generator), stages


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_decoders_are_those_of_the_librarys_models(name: str) -> None:
    depth = {"encoder_depth": 5} if name == "pspnet" else {}
    model = MODELS[name]("resnet18", encoder_weights=None, classes=7, **depth).eval()
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    features = model.encoder(images)
    strides = tuple(64 // feature.shape[2] for feature in features[1:])
    channels = tuple(feature.shape[1] for feature in features[1:])
    decoder = build_decoder(name, FeatureInfo(channels, strides, 0, ())).eval()
    decoder.decoder.load_state_dict(model.decoder.state_dict())
    result = decoder(images, features[1:])
    torch.testing.assert_close(result, model.decoder(features))
    last = model.segmentation_head[0]
    assert (decoder.out_channels, decoder.kernel) == (last.in_channels, last.kernel_size[0])
    assert result.shape[1] == decoder.out_channels


@pytest.mark.parametrize("name", ["fcn", *MODELS])
@torch.no_grad()
def test_a_backbone_whose_first_stride_is_4_will_do(name: str) -> None:
    strides = (4, 8, 16, 16) if name == "deeplabv3plus" else (4, 8, 16, 32)
    decoder = build_decoder(name, info(strides)).eval()
    result = decoder(*maps(strides))
    factor = {"unet": 1, "pspnet": 32}.get(name, 4)
    assert result.shape == (2, decoder.out_channels, 64 // factor, 96 // factor)


@torch.no_grad()
def test_fcn_joins_all_stages_from_stride_4_on() -> None:
    decoder = build_decoder("fcn", info()).eval()
    images, stages = maps(STRIDES)
    joined = [functional.interpolate(stage, size=(16, 24), mode="bilinear", align_corners=False) for stage in stages[1:]]
    own = decoder.decoder
    expected = functional.relu(own.norm(own.conv(torch.cat(joined, dim=1))))
    torch.testing.assert_close(decoder(images, stages), expected)
    assert decoder.out_channels == sum(CHANNELS[1:])
    assert build_decoder("fcn", info(), {"channels": 12})(images, stages).shape == (2, 12, 16, 24)


@pytest.mark.parametrize(
    ("name", "args", "width"),
    [
        ("fpn", {"segmentation_channels": 32, "pyramid_channels": 16}, 32),
        ("fpn", {"segmentation_channels": 32, "merge_policy": "cat"}, 128),
        ("unet", {"decoder_channels": [32, 24, 16, 8, 4]}, 4),
        ("upernet", {"decoder_channels": 32}, 32),
        ("segformer", {"segmentation_channels": 48}, 48),
    ],
)
@torch.no_grad()
def test_arguments_go_to_the_decoder(name: str, args: dict[str, Any], width: int) -> None:
    decoder = build_decoder(name, info(), args).eval()
    assert decoder.out_channels == width
    assert decoder(*maps(STRIDES)).shape[1] == width


def test_an_unknown_argument_is_reported_with_those_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"build_decoder.args: fpn has no argument 'dropot'.*did you mean.*dropout.*\(it takes pyramid_channels, "
    ):
        build_decoder("fpn", info(), {"dropot": 0.1})
    with pytest.raises(ConfigError, match=r"fpn has no argument 'encoder_depth'"):
        build_decoder("fpn", info(), {"encoder_depth": 4})


def test_a_wrong_argument_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"build_decoder.args: fpn cannot be built with {'segmentation_channels': 100}: .*divisible"):
        build_decoder("fpn", info(), {"segmentation_channels": 100})


@pytest.mark.parametrize(
    ("name", "strides", "message"),
    [
        ("fpn", (2, 4, 8, 16), "have strides 2, 4, 8, 16, but it needs 4 or more stages of strides from 4 on"),
        ("fpn", (2, 4, 8, 16, 16), "it needs stages whose strides double"),
        ("unet", (8, 16, 32), "it needs stages whose strides double"),
        ("deeplabv3plus", STRIDES, r"to one of 8 or 16; set construct.args: {output_stride: 16}"),
        ("fcn", (2,), "it needs 1 or more stages of strides from 4 on"),
    ],
)
def test_stages_that_do_not_suit_a_decoder_are_reported(name: str, strides: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_decoder(name, info(strides))
