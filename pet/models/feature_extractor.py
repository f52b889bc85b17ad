"""Backbones that give feature maps of several strides: timm's feature extractors and torchvision's ResNets."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from pet.models.classifiers import construct, find_classifier, synchronise_batch_norm
from pet.typed import VisionConfig
from petlib.config import keys_in_errors
from petlib.errors import ConfigError
from petlib.registry import Registry

BACKBONES = Registry("backbone")
"""Name in ``MODEL.BACKBONE`` -> builder of a :class:`FeatureExtractor`, which a user's module adds; it takes its arguments by keyword."""

RESNET_FAMILIES = ("resnet", "resnext", "wide_resnet")


class FeatureExtractor(Protocol):
    """What turns images, float (B, 3, H, W), into a list of feature maps, from fine to coarse.

    Attributes:
        channels: of each map.
        strides: pixels of the image for one of each map, e.g. 2, 4, 8, 16, 32.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Return the maps."""


class ResNetFeatures(nn.Module):
    """The five parts of a torchvision ResNet: the stem before its pooling, and the outputs of its four stages.

    The parts keep their names, so that weights of the classifier and, below ``backbone.body.``, of torchvision's detectors fit.

    Args:
        network: a ``torchvision.models.ResNet``; its classifier is left out.
        dilated: for each of the last three stages, whether it has dilation instead of a stride of 2.
    """

    def __init__(self, network: nn.Module, *, dilated: Sequence[bool]) -> None:
        super().__init__()
        parts = dict(network.named_children())
        width = cast("nn.Linear", parts["fc"]).in_features
        self.conv1 = cast("nn.Conv2d", parts["conv1"])
        self.bn1, self.relu, self.maxpool = parts["bn1"], parts["relu"], parts["maxpool"]
        self.layer1, self.layer2, self.layer3, self.layer4 = (parts[f"layer{stage}"] for stage in range(1, 5))
        self.channels = (self.conv1.out_channels, width // 8, width // 4, width // 2, width)
        strides = [2, 4]
        for is_dilated in dilated:
            strides.append(strides[-1] * (1 if is_dilated else 2))
        self.strides = tuple(strides)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return five maps."""
        maps = [self.relu(self.bn1(self.conv1(images)))]
        features = self.maxpool(maps[0])
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = stage(features)
            maps.append(features)
        return maps


class TimmFeatures(nn.Module):
    """A feature extractor of timm.

    Attributes:
        body: timm's module; :func:`timm_key` maps the names of timm's classifiers to the names below it.

    Args:
        network: what ``timm.create_model(..., features_only=True)`` returns.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.body = network
        info = cast("Any", network).feature_info
        self.channels: tuple[int, ...] = tuple(info.channels())
        self.strides: tuple[int, ...] = tuple(info.reduction())
        # timm's own enumeration, whose members are strings
        self._channels_last = getattr(network, "output_fmt", None) == "NHWC"

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps with the channels in front."""
        maps: list[Tensor] = self.body(images)
        return [one.permute(0, 3, 1, 2) for one in maps] if self._channels_last else list(maps)


def build_feature_extractor(cfg: VisionConfig, args: Mapping[str, Any] | None = None) -> nn.Module:
    """Return ``MODEL.BACKBONE`` as a :class:`FeatureExtractor` with random weights, partly frozen as ``MODEL`` says.

    Args:
        cfg: the config.
        args: arguments of the network that a task derives from keys of its own; ``MODEL.BACKBONE_ARGS`` goes before them.

    Raises:
        ConfigError: there is no such network, it has no maps of several strides, or it does not take its arguments.
    """
    args = {**(args or {}), **cfg.MODEL.BACKBONE_ARGS}
    with keys_in_errors(cfg):
        extractor = create_feature_extractor(cfg.MODEL.BACKBONE, args)
        if cfg.MODEL.FREEZE_AT:
            _freeze_parts(extractor, cfg.MODEL.FREEZE_AT, cfg.MODEL.BACKBONE, image_size=_image_size(extractor, args))
    if cfg.MODEL.FROZEN_BN:
        freeze_batch_norm(extractor)
        _set_epsilon(extractor, cfg.MODEL.FROZEN_BN_EPS)
    return synchronise_batch_norm(extractor, cfg) if cfg.MODEL.SYNC_BN else extractor


def create_feature_extractor(name: str, args: Mapping[str, Any]) -> nn.Module:
    """Return a network as a :class:`FeatureExtractor` with random weights.

    Args:
        name: what ``MODEL.BACKBONE`` may hold.
        args: further arguments of the network by its own names.

    Raises:
        ConfigError: there is no such network, it has no maps of several strides, or it does not take its arguments.
    """
    if name in BACKBONES:
        return construct(name, BACKBONES.get(name), {}, args)
    library, own_name = find_classifier(name)
    if library == "timm":
        return _build_timm(name, own_name, args)
    if library == "torchvision" and own_name.startswith(RESNET_FAMILIES):
        return _build_resnet(name, own_name, args)
    raise ConfigError(
        f"create_feature_extractor.name: {name} gives no feature maps; expected timm/NAME or torchvision/NAME with a ResNet "
        "(resnet, resnext, wide_resnet), e.g. torchvision/resnet50"
    )


def freeze_batch_norm(module: nn.Module, *, only_frozen: bool = False) -> None:
    """Replace the batch norms below ``module`` by ones whose statistics, scales and offsets stay as they are.

    Args:
        module: changed in place; the names of its weights stay, apart from the counts of batches.
        only_frozen: only those whose scale and offset do not learn.
    """
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d):
            if not only_frozen or not any(parameter.requires_grad for parameter in child.parameters()):
                setattr(module, name, _frozen(child))
        else:
            freeze_batch_norm(child, only_frozen=only_frozen)


def timm_key(name: str, own: Container[str]) -> str:
    """Return the name, among those of a :class:`TimmFeatures`, of a weight of timm's classifier; ``name`` itself where there is none.

    timm joins the first two parts of some names (``stages.0.blocks`` becomes ``stages_0.blocks``).

    Args:
        name: in the state dict of the classifier, e.g. ``stages.0.blocks.0.norm.weight``.
        own: the names of the extractor, e.g. its state dict.
    """
    candidates = (f"body.{name}", f"body.{name.replace('.', '_', 1)}", f"body.model.{name}")
    return next((candidate for candidate in candidates if candidate in own), name)


def _build_resnet(name: str, own_name: str, args: Mapping[str, Any]) -> ResNetFeatures:
    from torchvision import models  # slow to import, and timm's networks do without

    network = construct(name, models.get_model_builder(own_name), {"weights": None}, args)
    return ResNetFeatures(network, dilated=args.get("replace_stride_with_dilation") or (False, False, False))


def _build_timm(name: str, own_name: str, args: Mapping[str, Any]) -> TimmFeatures:
    import timm  # slow to import, and torchvision's networks do without

    fixed = {"model_name": own_name, "pretrained": False, "features_only": True}
    try:
        extractor = TimmFeatures(construct(name, timm.create_model, fixed, args))
    except (RuntimeError, AttributeError) as error:
        raise ConfigError(f"create_feature_extractor.name: timm gives no feature maps of {name}: {error}; take another network") from error
    if len(extractor.strides) > 1 and len(set(extractor.strides)) == 1:
        raise ConfigError(
            f"create_feature_extractor.name: all feature maps of {name} have a stride of {extractor.strides[0]}; maps from fine to coarse "
            "are needed: take a network with stages, e.g. timm/resnet50, timm/convnext_tiny or timm/swin_tiny_patch4_window7_224"
        )
    return extractor


def _image_size(extractor: nn.Module, args: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return (channels, height, width) of images that the network takes, small ones where it can."""
    body = extractor.body if isinstance(extractor, TimmFeatures) else None
    fixed = getattr(body, "pretrained_cfg", {})
    _, height, width = fixed.get("input_size", (3, 64, 64))
    size = args.get("img_size", (height, width))
    height, width = (size, size) if isinstance(size, int) else size
    return args.get("in_chans", 3), height, width


def _freeze_parts(extractor: nn.Module, count: int, name: str, *, image_size: tuple[int, int, int]) -> None:
    """Stop the learning of all parameters that the map of level ``count`` (of stride 2: 1) comes from, and of their batch norms."""
    network = cast("FeatureExtractor", extractor)
    first = network.strides[0].bit_length() - 1
    place = count - first
    if not 0 <= place < len(network.strides):
        last = first + len(network.strides) - 1
        raise ConfigError(f"freeze_parts.count: {count} given; for {name} 0 or from {max(first, 1)} (its first map) to {last} expected")
    was_training = extractor.training
    extractor.eval()
    parameters = list(extractor.parameters())
    used = torch.autograd.grad(network(torch.zeros(1, *image_size))[place].sum(), parameters, allow_unused=True)
    extractor.train(was_training)
    for parameter, gradient in zip(parameters, used, strict=True):
        parameter.requires_grad_(gradient is None)
    freeze_batch_norm(extractor, only_frozen=True)


def _set_epsilon(extractor: nn.Module, epsilon: float) -> None:
    from torchvision.ops import FrozenBatchNorm2d  # slow to import, and classifiers do without

    for module in extractor.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = epsilon


def _frozen(norm: nn.BatchNorm2d) -> nn.Module:
    if type(norm) is not nn.BatchNorm2d:
        from timm import layers  # it made this subclass, which contains an activation too

        return cast("nn.Module", cast("Any", layers).freeze_batch_norm_2d(norm))
    from torchvision.ops import FrozenBatchNorm2d  # slow to import, and most trainings do without

    frozen: nn.Module = FrozenBatchNorm2d(norm.num_features, eps=norm.eps)
    frozen.load_state_dict(norm.state_dict())
    return frozen
