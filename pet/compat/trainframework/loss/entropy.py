"""Cross entropies."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pet.compat.trainframework.loss.distance import check_same_shape
from petlib.errors import ConfigError, DataError


class CrossEntropyLoss(nn.Module):
    """Cross entropy of the softmax over the second dimension.

    Args:
        weight: weight of each of the C classes; None: all count the same.
        ignore_index: label that does not count.
        label_smoothing: share from 0 to 1 of the target that all classes get.

    Raises:
        ConfigError: the share lies outside.
    """

    _weight: Tensor | None

    def __init__(self, weight: Sequence[float] | None = None, ignore_index: int = -100, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0.0 <= label_smoothing <= 1.0:
            raise ConfigError(f"CrossEntropyLoss: label_smoothing: {label_smoothing} given, a share from 0 to 1 expected")
        self.register_buffer("_weight", None if weight is None else torch.tensor(weight), persistent=False)
        self._ignore_index = ignore_index
        self._smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the samples, or pixels, that count.

        Args:
            logits: float (N, C) or (N, C, H, W).
            target: labels of any integer type, (N,) or (N, H, W); or the shares of the classes, float of the shape of ``logits``.

        Raises:
            DataError: shapes do not fit.
        """
        expected = logits.shape if target.is_floating_point() else (*logits.shape[:1], *logits.shape[2:])
        if target.shape != expected or logits.ndim < 2:
            kind = "shares" if target.is_floating_point() else "labels"
            raise DataError(
                f"CrossEntropyLoss: logits {tuple(logits.shape)} and {kind} {tuple(target.shape)} given; labels are whole numbers "
                f"{tuple(expected)}, without a dimension for classes (F.to_tensor gives them one: target[:, 0])"
            )
        wanted = target if target.is_floating_point() else target.long()
        return functional.cross_entropy(
            logits, wanted, weight=self._weight, ignore_index=self._ignore_index, label_smoothing=self._smoothing
        )


class BCEWithLogitsLoss(nn.Module):
    """Binary cross entropy of the sigmoid, mean of all elements.

    Args:
        pos_weight: weight of true elements, where false ones have 1; one number, or one for each class, which are the second dimension.
    """

    _pos_weight: Tensor | None

    def __init__(self, pos_weight: float | Sequence[float] | None = None) -> None:
        super().__init__()
        weights = [pos_weight] if isinstance(pos_weight, int | float) else pos_weight
        self.register_buffer("_pos_weight", None if weights is None else torch.tensor(weights, dtype=torch.float32), persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss.

        Args:
            logits: float (N, ...).
            target: truth from 0 to 1 of any type, of the same shape.

        Raises:
            DataError: the shapes differ.
        """
        check_same_shape("BCEWithLogitsLoss", logits, target)
        weight = self._pos_weight
        if weight is not None and len(weight) > 1:
            if logits.ndim < 2 or logits.shape[1] != len(weight):
                raise DataError(f"BCEWithLogitsLoss: pos_weight has {len(weight)} numbers and the logits are {tuple(logits.shape)}")
            weight = weight.view(-1, *[1] * (logits.ndim - 2))
        return functional.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), pos_weight=weight)
