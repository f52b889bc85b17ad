"""Losses of label images by name."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from pet.losses.pixels.base import check_at_least
from pet.losses.pixels.mixed import MixedLoss
from petlib.arguments import fit_arguments, split_entry
from petlib.config.key import coerce
from petlib.errors import ConfigError
from petlib.registry import Registry

PIXEL_LOSSES = Registry(
    "pixel loss",
    {
        "bce": "pet.losses.pixels.binary:BCELoss",
        "cross_entropy": "pet.losses.pixels.cross_entropy:CrossEntropyLoss",
        "dice": "pet.losses.pixels.overlap:DiceLoss",
        "focal": "pet.losses.pixels.focal:FocalLoss",
        "lovasz_hinge": "pet.losses.pixels.lovasz:LovaszHingeLoss",
        "lovasz_softmax": "pet.losses.pixels.lovasz:LovaszSoftmaxLoss",
        "ohem": "pet.losses.pixels.ohem:OhemCrossEntropyLoss",
        "soft_iou": "pet.losses.pixels.overlap:SoftIoULoss",
    },
)


def build_pixel_loss(entries: Sequence[Any], *, place: str) -> MixedLoss:
    """Return the weighted sum of the losses of a list.

    Args:
        entries: names of :data:`PIXEL_LOSSES`, or mappings ``{"name": "dice", "weight": 2.0, "smooth": 1.0}`` of a name, the
            coefficient in the sum (``weight``, 1 where it is not given) and arguments of the loss.
        place: the key of the config where they stand, for messages: ``"MODEL.LOSSES"``.

    Raises:
        ConfigError: the list is empty, or a name, a weight or an argument is unknown or wrong.
    """
    if not isinstance(entries, list | tuple) or not entries:
        raise ConfigError(f"{place}: {entries!r} given, a list of losses expected, e.g. [cross_entropy, {{name: dice, weight: 0.5}}]")
    names, losses, weights = zip(*(_build(entry, place) for entry in entries), strict=True)
    return MixedLoss(losses, weights, names=names)


def _build(entry: Any, place: str) -> tuple[str, nn.Module, float]:
    name, arguments = split_entry(place, entry, example="{name: dice, weight: 1.0}")
    weight = _weight(f"{place}: loss {name}", arguments.pop("weight", 1.0))
    try:
        loss = PIXEL_LOSSES.get(name)
        return name, loss(**fit_arguments("loss", name, loss, arguments)), weight
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _weight(place: str, value: Any) -> float:
    try:
        return check_at_least(f"{place}: weight", coerce(value, float), 0.0)
    except ValueError:
        raise ConfigError(f"{place}: weight: {value!r} given, a number of at least 0 expected") from None
