"""Losses of the difference of two tensors of one shape."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from petlib.errors import ConfigError, DataError


class L1Loss(nn.Module):
    """Mean of ``|prediction - target|``."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of two tensors of one shape.

        Raises:
            DataError: the shapes differ.
        """
        check_same_shape("L1Loss", prediction, target)
        return functional.l1_loss(prediction, target)


class MSELoss(nn.Module):
    """Mean of ``(prediction - target) ** 2``."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of two tensors of one shape.

        Raises:
            DataError: the shapes differ.
        """
        check_same_shape("MSELoss", prediction, target)
        return functional.mse_loss(prediction, target)


class SmoothL1Loss(nn.Module):
    """Mean of a parabola ``d ** 2 / (2 * beta)`` for differences d below ``beta``, and of ``|d| - beta / 2`` above.

    Args:
        beta: where the parabola ends, above 0.

    Raises:
        ConfigError: it is not.
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self._beta = _above_zero("SmoothL1Loss: beta", beta)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of two tensors of one shape.

        Raises:
            DataError: the shapes differ.
        """
        check_same_shape("SmoothL1Loss", prediction, target)
        return functional.smooth_l1_loss(prediction, target, beta=self._beta)


class CharbonnierLoss(nn.Module):
    """Mean of ``sqrt((prediction - target) ** 2 + epsilon ** 2)``: the absolute difference, smooth at 0.

    Source: Charbonnier et al., Two deterministic half-quadratic regularization algorithms for computed imaging, 1994; for image to
    image networks Lai et al., 2017 (https://arxiv.org/abs/1704.03915).

    Args:
        epsilon: about where it becomes a parabola, above 0.

    Raises:
        ConfigError: it is not.
    """

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__()
        self._epsilon = _above_zero("CharbonnierLoss: epsilon", epsilon)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of two tensors of one shape; it is computed in float32.

        Raises:
            DataError: the shapes differ.
        """
        check_same_shape("CharbonnierLoss", prediction, target)
        # epsilon squared is too small for half precision
        difference = prediction.float() - target.float()
        return torch.sqrt(difference * difference + self._epsilon**2).mean()


def _above_zero(name: str, value: float) -> float:
    if not value > 0.0:
        raise ConfigError(f"{name}: {value} given, a number above 0 expected")
    return value


def check_same_shape(name: str, prediction: Tensor, target: Tensor) -> None:
    """Refuse inputs that torch would stretch to a common shape, which is never what was meant.

    Raises:
        DataError: the shapes differ.
    """
    if prediction.shape != target.shape:
        raise DataError(f"{name}: a prediction {tuple(prediction.shape)} and a target {tuple(target.shape)} given; one shape expected")
