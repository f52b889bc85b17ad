"""Decoders by name: segmentation-models-pytorch's, and Pet's own FCN."""

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.models.features import FeatureInfo
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

IMAGE_CHANNELS = 3
LIBRARY = "segmentation_models_pytorch"
FINEST = 4


class FCNDecoder(nn.Module):
    """All stages of stride 4 or more, brought to the size of the finest and joined by a 1x1 convolution with batch norm and ReLU.

    Source: the head of HRNetV2, https://arxiv.org/abs/1904.04514, figure 4 (b).

    Args:
        encoder_channels: channels of the images and of each stage.
        encoder_strides: strides of the same, 1 for the images; some are at least 4.
        channels: channels of the result; 0: as many as the stages have together, as HRNetV2 does.
    """

    def __init__(self, *, encoder_channels: Sequence[int], encoder_strides: Sequence[int], channels: int = 0) -> None:
        super().__init__()
        self.places = [place for place, stride in enumerate(encoder_strides) if stride >= FINEST]
        joined = sum(encoder_channels[place] for place in self.places)
        self.out_channels = channels or joined
        self.conv = nn.Conv2d(joined, self.out_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(self.out_channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return (B, out_channels, h, w) of the size of the finest stage; ``features`` are the images and all stages."""
        finest, *others = [features[place] for place in self.places]
        grown = [functional.interpolate(stage, size=finest.shape[-2:], mode="bilinear", align_corners=False) for stage in others]
        return functional.relu(self.norm(self.conv(torch.cat([finest, *grown], dim=1))))


class DecoderEntry(NamedTuple):
    """A line of the table.

    Attributes:
        component: module and class, imported when it is asked for: the library takes a second.
        width: channels of the result, from the arguments.
        doubling: the stages have to be of strides 2, 4, 8, ..., the first of which may be missing.
        stages: least number of stages of stride 4 or more.
        kernel: width of the convolution that makes logits of the result, as the library's whole models have it.
        initialised: whether the library draws the first weights in its own way.
        defaults: arguments that the library's whole models have a value for, but not the decoder.
    """

    component: str
    width: Callable[[Mapping[str, Any]], int]
    doubling: bool = True
    stages: int = 2
    kernel: int = 1
    initialised: bool = True
    defaults: Mapping[str, Any] = {}


def _fpn_width(arguments: Mapping[str, Any]) -> int:
    return int(arguments["segmentation_channels"]) * (4 if arguments["merge_policy"] == "cat" else 1)


DECODERS = {
    "fcn": DecoderEntry(
        "pet.models.segmentation.decoders:FCNDecoder",
        lambda arguments: arguments["channels"] or sum(_coarse_channels(arguments)),
        doubling=False,
        stages=1,
        initialised=False,
    ),
    "fpn": DecoderEntry(f"{LIBRARY}.decoders.fpn.decoder:FPNDecoder", _fpn_width, stages=4),
    "unet": DecoderEntry(
        f"{LIBRARY}.decoders.unet.decoder:UnetDecoder",
        lambda arguments: arguments["decoder_channels"][-1],
        kernel=3,
        defaults={"decoder_channels": (256, 128, 64, 32, 16)},
    ),
    "upernet": DecoderEntry(f"{LIBRARY}.decoders.upernet.decoder:UPerNetDecoder", lambda arguments: arguments["decoder_channels"]),
    "deeplabv3plus": DecoderEntry(
        f"{LIBRARY}.decoders.deeplabv3.decoder:DeepLabV3PlusDecoder",
        lambda arguments: arguments["out_channels"],
        doubling=False,
        initialised=False,
        defaults={"out_channels": 256, "atrous_rates": (12, 24, 36), "aspp_separable": True, "aspp_dropout": 0.5},
    ),
    "pspnet": DecoderEntry(
        f"{LIBRARY}.decoders.pspnet.decoder:PSPDecoder", lambda arguments: arguments["out_channels"], doubling=False, stages=1, kernel=3
    ),
    "segformer": DecoderEntry(
        f"{LIBRARY}.decoders.segformer.decoder:SegformerDecoder", lambda arguments: arguments["segmentation_channels"]
    ),
}
"""``MODEL.SEMSEG.DECODER`` -> decoder. Deeplab and PSP look best at a backbone of ``output_stride`` 8 or 16, as published."""


class _Stages(NamedTuple):
    places: list[int | None]
    channels: list[int]
    strides: list[int]


class Decoder(nn.Module):
    """A decoder with the choice of the stages that it takes.

    Args:
        decoder: takes the images and stages as a list and returns one map.
        places: the stages that it takes, by their place in the backbone's; None: a map of stride 2 without channels, which
            replaces the one that a backbone with a first stride of 4 lacks.
        out_channels: channels of the map.
        kernel: width of the convolution that follows.
    """

    def __init__(self, *, decoder: nn.Module, places: Sequence[int | None], out_channels: int, kernel: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.places = tuple(places)
        self.out_channels = out_channels
        self.kernel = kernel

    def forward(self, images: Tensor, stages: Sequence[Tensor]) -> Tensor:
        """Return a map (B, out_channels, h, w) over the area of the images.

        Args:
            images: (B, 3, H, W), H and W multiples of all strides.
            stages: all maps of the backbone, of exactly H / stride and W / stride pixels.
        """
        height, width = images.shape[-2:]
        empty = stages[0].new_empty((images.shape[0], 0, height // 2, width // 2))
        decoded: Tensor = self.decoder([images, *(empty if place is None else stages[place] for place in self.places)])
        return decoded


def build_decoder(name: str, info: FeatureInfo, args: Mapping[str, Any] | None = None) -> Decoder:
    """Return the decoder ``name`` for the stages of a backbone.

    Args:
        name: a key of :data:`DECODERS`.
        info: the stages.
        args: further arguments of the decoder by its own names.

    Raises:
        ConfigError: the stages do not suit the decoder, or it does not take the arguments.
    """
    entry = DECODERS[name]
    stages = _choose_stages(name, entry, info)
    module, _, attribute = entry.component.partition(":")
    component = getattr(importlib.import_module(module), attribute)
    arguments = _choose_arguments(name, component, args or {}, stages)
    try:
        decoder = component(**arguments)
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError) as error:
        raise ConfigError(f"build_decoder.args: {name} cannot be built with {dict(args or {})}: {error}") from error
    if entry.initialised:
        # slow to import, but loaded by now: the decoder comes from there
        from segmentation_models_pytorch.base.initialization import initialize_decoder

        initialize_decoder(decoder)
    return Decoder(decoder=decoder, places=stages.places, out_channels=entry.width(arguments), kernel=entry.kernel)


def _choose_arguments(name: str, component: Callable[..., nn.Module], args: Mapping[str, Any], stages: _Stages) -> dict[str, Any]:
    """Return all arguments of a decoder: its defaults, ``args``, and what the stages say."""
    parameters = inspect.signature(component).parameters
    depth = len(stages.strides)
    fixed: dict[str, Any] = {
        "encoder_channels": [IMAGE_CHANNELS, *stages.channels],
        "encoder_strides": [1, *stages.strides],
        "encoder_depth": depth,
        "n_blocks": depth,
        "output_stride": stages.strides[-1],
    }
    fixed = {key: value for key, value in fixed.items() if key in parameters}
    known = [key for key in parameters if key not in fixed]
    for argument in args:
        if argument not in known:
            raise ConfigError(
                f"build_decoder.args: {name} has no argument {argument!r}{did_you_mean(argument, known)} (it takes {', '.join(known)})"
            )
    own = {key: parameter.default for key, parameter in parameters.items() if parameter.default is not parameter.empty}
    # the library's U-Net has a width for each of five blocks
    defaults = {key: value[:depth] if key == "decoder_channels" else value for key, value in DECODERS[name].defaults.items()}
    return {**own, **defaults, **args, **fixed}


def _choose_stages(name: str, entry: DecoderEntry, info: FeatureInfo) -> _Stages:
    """Return the stages as the library's encoders give them: from stride 2 on."""
    places: list[int | None] = [place for place, stride in enumerate(info.stage_strides) if stride > 1]
    strides = [stride for stride in info.stage_strides if stride > 1]
    channels = [count for count, stride in zip(info.stage_channels, info.stage_strides, strict=True) if stride > 1]
    if sum(stride >= 4 for stride in strides) < entry.stages:
        raise _unfit(name, info, f"{entry.stages} or more stages of strides from 4 on")
    if strides[0] == 4:
        places, channels, strides = [None, *places], [0, *channels], [2, *strides]
    if entry.doubling and strides != [2 << place for place in range(len(strides))]:
        raise _unfit(name, info, "stages whose strides double, 2, 4, 8, ... or 4, 8, ...; leave output_stride out of construct.args")
    if name == "deeplabv3plus" and (strides[:2] != [2, 4] or strides[-1] not in (8, 16)):
        raise _unfit(
            name,
            info,
            "stages from a stride of 4 at most to one of 8 or 16; set construct.args: {output_stride: 16} where the network takes it",
        )
    return _Stages(places, channels, strides)


def _unfit(name: str, info: FeatureInfo, expected: str) -> ConfigError:
    return ConfigError(
        f"build_decoder.name: {name}: the stages of build_decoder.info have strides {', '.join(map(str, info.stage_strides))}, "
        f"but it needs {expected}"
    )


def _coarse_channels(arguments: Mapping[str, Any]) -> list[int]:
    pairs = zip(arguments["encoder_channels"], arguments["encoder_strides"], strict=True)
    return [channels for channels, stride in pairs if stride >= 4]
