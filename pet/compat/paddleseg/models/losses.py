"""Losses with PaddleSeg's arguments; they are Pet's, of :mod:`pet.losses.pixels`.

Pixels with the label 255 do not count. ``Dataset(ignore_index=...)`` turns another number into it.
"""

from collections.abc import Sequence

from torch import nn

from pet.compat.shared.absent import refuse_absent
from pet.losses import pixels
from pet.losses.pixels.base import IGNORE_LABEL
from petlib.errors import ConfigError

ABSENT = dict.fromkeys(
    (
        *("SemanticConnectivityLoss", "EdgeAttentionLoss", "SemanticEncodeCrossEntropyLoss", "DetailAggregateLoss", "RelaxBoundaryLoss"),
        *("DualTaskLoss", "GSCNNDualTaskLoss", "PixelContrastCrossEntropyLoss", "KLLoss", "MSELoss", "L1Loss", "PointCrossEntropyLoss"),
        *("RMIloss", "DecoupledsegnetRelaxBoundaryLoss", "BootstrappedCrossEntropyLoss", "MultiClassFocalLoss"),
    ),
    "there is none of it here; a loss of your own is a torch.nn.Module with forward(logits, labels)",
)
__getattr__ = refuse_absent(__name__, ABSENT)


class BCELoss(pixels.BCELoss):
    """Binary cross entropy of every class against all others.

    Args:
        pos_weight: how much the term of a true class counts compared with that of a false one.
        ignore_index: 255.
    """

    def __init__(self, pos_weight: float = 1.0, ignore_index: int = IGNORE_LABEL) -> None:
        check_ignore_index("BCELoss", ignore_index)
        super().__init__(positive_weight=pos_weight)


class CrossEntropyLoss(pixels.CrossEntropyLoss):
    """Cross entropy of the softmax.

    Args:
        weight: weight of each class; None: all count the same.
        ignore_index: 255.
    """

    def __init__(self, weight: Sequence[float] | None = None, ignore_index: int = IGNORE_LABEL) -> None:
        check_ignore_index("CrossEntropyLoss", ignore_index)
        super().__init__(class_weights=weight)


class DiceLoss(pixels.DiceLoss):
    """One minus the soft Dice coefficient, mean of the classes.

    Args:
        ignore_index: 255.
        smooth: what is added above and below; it keeps classes of few pixels calm.
    """

    def __init__(self, ignore_index: int = IGNORE_LABEL, smooth: float = 1.0) -> None:
        check_ignore_index("DiceLoss", ignore_index)
        super().__init__(smooth=smooth)


class FocalLoss(pixels.FocalLoss):
    """Cross entropy in which pixels that are right already count little (https://arxiv.org/abs/1708.02002).

    Args:
        alpha: weight of the foreground compared with that of the background, which is ``1 - alpha``; a weight for each class; or None.
        gamma: how fast pixels that are right lose weight.
        ignore_index: 255.
    """

    def __init__(self, alpha: float | Sequence[float] | None = 0.25, gamma: float = 2.0, ignore_index: int = IGNORE_LABEL) -> None:
        check_ignore_index("FocalLoss", ignore_index)
        super().__init__(alpha=alpha, gamma=gamma)


class LovaszHingeLoss(pixels.LovaszHingeLoss):
    """The foreground's intersection over union, made convex, over hinge errors (https://arxiv.org/abs/1705.08790).

    Args:
        ignore_index: 255.
    """

    def __init__(self, ignore_index: int = IGNORE_LABEL) -> None:
        check_ignore_index("LovaszHingeLoss", ignore_index)
        super().__init__()


class LovaszSoftmaxLoss(pixels.LovaszSoftmaxLoss):
    """The intersection over union of all classes, made convex, over the errors of the softmax.

    Args:
        ignore_index: 255.
        classes: ``present``: the mean goes over the classes that occur in the labels; ``all``: over all.
    """

    def __init__(self, ignore_index: int = IGNORE_LABEL, classes: str = "present") -> None:
        check_ignore_index("LovaszSoftmaxLoss", ignore_index)
        super().__init__(classes=classes)


class OhemCrossEntropyLoss(pixels.OhemCrossEntropyLoss):
    """Cross entropy of the hardest pixels.

    Args:
        thresh: pixels count whose label has a probability below it.
        min_kept: pixels of a batch that count at least.
        ignore_index: 255.
    """

    def __init__(self, thresh: float = 0.7, min_kept: int = 10_000, ignore_index: int = IGNORE_LABEL) -> None:
        check_ignore_index("OhemCrossEntropyLoss", ignore_index)
        super().__init__(threshold=thresh, min_kept=min_kept)


class MixedLoss(pixels.MixedLoss):
    """The sum of several losses, each times its coefficient.

    Args:
        losses: at least one.
        coef: the coefficient of each.
    """

    def __init__(self, losses: Sequence[nn.Module], coef: Sequence[float]) -> None:
        super().__init__(losses, coef)


def check_ignore_index(name: str, ignore_index: int) -> None:
    """Check that a loss ignores the label that batches have for pixels that do not count.

    Raises:
        ConfigError: it is another one.
    """
    if ignore_index != IGNORE_LABEL:
        raise ConfigError(
            f"{name}: ignore_index: {ignore_index} given, {IGNORE_LABEL} expected; give yours to Dataset(ignore_index={ignore_index}), "
            f"which turns it into {IGNORE_LABEL}"
        )
