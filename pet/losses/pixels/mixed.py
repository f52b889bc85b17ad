"""Weighted sums of losses, from a list of names."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from pet.losses.pixels.base import IGNORE_LABEL, PixelLoss, check_at_least
from petlib.arguments import fit_arguments, split_entry
from petlib.config.key import coerce
from petlib.errors import ConfigError
from petlib.registry import Registry

PIXEL_LOSSES = Registry(
    "pixel loss",
    {
        "bce": "pet.losses.pixels.cross_entropies:BCELoss",
        "cross_entropy": "pet.losses.pixels.cross_entropies:CrossEntropyLoss",
        "dice": "pet.losses.pixels.overlap:DiceLoss",
        "focal": "pet.losses.pixels.cross_entropies:FocalLoss",
        "lovasz_hinge": "pet.losses.pixels.overlap:LovaszHingeLoss",
        "lovasz_softmax": "pet.losses.pixels.overlap:LovaszSoftmaxLoss",
        "ohem": "pet.losses.pixels.cross_entropies:OhemCrossEntropyLoss",
        "soft_iou": "pet.losses.pixels.overlap:SoftIoULoss",
    },
)
"""Name in ``MODEL.LOSSES`` -> loss; a loss of a user is a :class:`~pet.losses.pixels.base.PixelLoss` with arguments by keyword."""


class MixedLoss(nn.Module):
    """The sum of several losses of pixels, each times its coefficient.

    It is called like its parts, with logits (B, K, H, W) and labels (B, H, W); see :class:`pet.losses.pixels.base.PixelLoss`.

    Args:
        losses: the parts, at least one.
        coefficients: of each part, at least 0.
        names: of each part in :meth:`terms`; by default the names of their classes. A name that is given again gets a
            number: ``DiceLoss``, ``DiceLoss_2``.

    Raises:
        ConfigError: there is no loss, the numbers differ, a coefficient is below 0, or the parts ignore different labels.
    """

    def __init__(self, losses: Sequence[nn.Module], coefficients: Sequence[float], *, names: Sequence[str] | None = None) -> None:
        super().__init__()
        if not losses or len(losses) != len(coefficients):
            raise ConfigError(
                f"MixedLoss: {len(losses)} losses and {len(coefficients)} coefficients given, one coefficient for each loss expected"
            )
        labels = {int(getattr(loss, "ignore_label", IGNORE_LABEL)) for loss in losses}
        if len(labels) > 1:
            raise ConfigError(f"MixedLoss: its losses ignore different labels, {', '.join(map(str, sorted(labels)))}; one for all expected")
        names = [type(loss).__name__ for loss in losses] if names is None else names
        assert len(names) == len(losses), f"{len(names)} names for {len(losses)} losses"
        self.losses = nn.ModuleList(losses)
        self.coefficients = [check_at_least("MixedLoss: coefficient", float(coefficient), 0.0) for coefficient in coefficients]
        self.names = _numbered(names)
        self.ignore_label = labels.pop()

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the sum of :meth:`terms`, a scalar."""
        values = list(self.terms(logits, labels).values())
        return sum(values[1:], start=values[0])

    def terms(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return each part's loss times its coefficient, scalars by name, in the order of the parts; they add up to the loss."""
        parts = zip(self.names, self.losses, self.coefficients, strict=True)
        return {name: coefficient * loss(logits, labels) for name, loss, coefficient in parts}


def _numbered(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return result


def build_pixel_loss(entries: Sequence[Any], *, place: str, channels: int) -> MixedLoss:
    """Return the weighted sum of the losses of a list.

    Args:
        entries: names of :data:`PIXEL_LOSSES`, or mappings ``{"name": "dice", "weight": 2.0, "smooth": 1.0}`` of a name, the
            coefficient in the sum (``weight``, 1 where it is not given) and arguments of the loss.
        place: the key of the config that holds them, for messages: ``"MODEL.LOSSES"``.
        channels: maps of logits of the network.

    Raises:
        ConfigError: the list is empty, a name, a weight or an argument is unknown or wrong, or a loss cannot be used with so many channels.
    """
    if not isinstance(entries, list | tuple) or not entries:
        raise ConfigError(f"{place}: {entries!r} given, a list of losses expected, e.g. [cross_entropy, {{name: dice, weight: 0.5}}]")
    names, losses, weights = zip(*(_build(entry, place, channels) for entry in entries), strict=True)
    return MixedLoss(losses, weights, names=names)


def _build(entry: Any, place: str, channels: int) -> tuple[str, nn.Module, float]:
    name, arguments = split_entry(place, entry, example="{name: dice, weight: 1.0}")
    weight = _weight(f"{place}: loss {name}", arguments.pop("weight", 1.0))
    try:
        component = PIXEL_LOSSES.get(name)
        loss = component(**fit_arguments("loss", name, component, arguments))
        if isinstance(loss, PixelLoss):
            loss.check_channels(channels)
        return name, loss, weight
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _weight(place: str, value: Any) -> float:
    try:
        return check_at_least(f"{place}: weight", coerce(value, float), 0.0)
    except ValueError:
        raise ConfigError(f"{place}: weight: {value!r} given, a number of at least 0 expected") from None
