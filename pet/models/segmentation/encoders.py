"""Encoders and decoders of networks of segmentation, with messages in the words of those networks' arguments."""

from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from pet.models.classifiers import find_classifier
from pet.models.feature_extractor import FeatureExtractor, ResNetFeatures, create_feature_extractor
from pet.models.features import FeatureInfo
from pet.models.segmentation.decoders import Decoder, build_decoder
from petlib.errors import name_in_errors

RGB = 3
OWN_WORDS = {
    "build_decoder.args": "decoder_args",
    "build_decoder.name": "decoder",
    "build_decoder.info": "encoder",
    "construct.args": "encoder_args",
    "find_classifier.name": "encoder",
    "create_feature_extractor.name": "encoder",
}
"""What the shared builders name in their messages -> arguments of a network."""


def build_encoder(name: str, *, in_channels: int, args: Mapping[str, Any] | None = None) -> nn.Module:
    """Return a :class:`~pet.models.feature_extractor.FeatureExtractor` with random weights.

    Args:
        name: a network of timm, or a ResNet of torchvision: ``timm/NAME``, ``torchvision/NAME`` or a bare name, which is looked up in
            timm first. HRNets give the maps of their four branches and not those of their classifier.
        in_channels: channels of the images.
        args: further arguments of the network by its own names.

    Raises:
        ConfigError: there is no such network, it has no maps of several strides, or it does not take its arguments.
    """
    with name_in_errors(OWN_WORDS):
        library, own_name = find_classifier(name)
        branches = {"feature_location": ""} if own_name.startswith("hrnet") else {}
        if library == "timm":
            return create_feature_extractor(name, {"in_chans": in_channels, **branches, **(args or {})})
        extractor = create_feature_extractor(name, args or {})
    return _take_channels(cast("ResNetFeatures", extractor), in_channels)


def full_name(name: str) -> str:
    """Return the name of a library's network with the library in front, e.g. ``timm/resnet18`` for ``resnet18``."""
    with name_in_errors(OWN_WORDS):
        library, own_name = find_classifier(name)
    return f"{library}/{own_name}"


def feature_info(encoder: nn.Module) -> FeatureInfo:
    """Return channels and strides of the maps of an encoder."""
    extractor = cast("FeatureExtractor", encoder)
    return FeatureInfo(extractor.channels, extractor.strides, 0, ())


def build_own_decoder(name: str, encoder: nn.Module, args: Mapping[str, Any] | None = None) -> Decoder:
    """Return the decoder ``name`` of :data:`~pet.models.segmentation.decoders.DECODERS` for the maps of an encoder.

    Raises:
        ConfigError: the maps do not suit the decoder, or it does not take the arguments.
    """
    with name_in_errors(OWN_WORDS):
        return build_decoder(name, feature_info(encoder), args)


def _take_channels(extractor: ResNetFeatures, in_channels: int) -> ResNetFeatures:
    """Return a ResNet of torchvision whose first convolution looks at ``in_channels``; torchvision has no argument for it."""
    if in_channels != RGB:
        first = nn.Conv2d(in_channels, extractor.conv1.out_channels, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
        extractor.conv1 = first
    return extractor
