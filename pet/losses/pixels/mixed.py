"""Weighted sums of losses."""

from collections import Counter
from collections.abc import Sequence

from torch import Tensor, nn

from pet.losses.pixels.base import check_at_least
from pet.losses.segmentation import IGNORE_LABEL
from petlib.errors import ConfigError


class MixedLoss(nn.Module):
    """The sum of several losses of pixels, each times its coefficient.

    It is called like its parts, with logits (B, K, H, W) and labels (B, H, W); see :class:`pet.losses.pixels.base.PixelLoss`.

    Args:
        losses: the parts, at least one.
        coefficients: of each part, at least 0.
        names: of each part in :meth:`terms`; by default the names of their classes. A name that stands there again gets a
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
