"""Losses of the difference of two tensors of one shape."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from petlib.errors import ConfigError, DataError


class DistanceLoss(nn.Module, ABC):
    """Compares two tensors of one shape."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of two tensors of one shape.

        Raises:
            DataError: the shapes differ.
        """
        check_same_shape(type(self).__name__, prediction, target)
        return self.distance(prediction, target)

    @abstractmethod
    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of tensors whose shapes are the same."""


class L1Loss(DistanceLoss):
    """Mean of ``|prediction - target|``."""

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the mean."""
        return functional.l1_loss(prediction, target)


class MSELoss(DistanceLoss):
    """Mean of ``(prediction - target) ** 2``."""

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the mean."""
        return functional.mse_loss(prediction, target)


class SmoothL1Loss(DistanceLoss):
    """Mean of a parabola ``d ** 2 / (2 * beta)`` for differences d below ``beta``, and of ``|d| - beta / 2`` above.

    Args:
        beta: where the parabola ends, above 0.

    Raises:
        ConfigError: it is not.
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self._beta = _above_zero("SmoothL1Loss: beta", beta)

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the mean."""
        return functional.smooth_l1_loss(prediction, target, beta=self._beta)


class CharbonnierLoss(DistanceLoss):
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

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the mean, computed in float32."""
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


K1, K2 = 0.01, 0.03
"""The constants of the paper, as shares of the range of the values."""


class SSIMLoss(nn.Module):
    """One minus the structural similarity of two images, mean of all windows that lie inside, channels and images.

    Source: Wang et al., Image quality assessment: from error visibility to structural similarity, 2004
    (https://doi.org/10.1109/TIP.2003.819861).

    Args:
        window_size: edge of the Gaussian window in pixels, odd.
        sigma: its standard deviation, pixels.
        data_range: greatest minus least value that an image can have, 1 for images from 0 to 1.

    Raises:
        ConfigError: the window is even, or a number is not above 0.
    """

    _window: Tensor

    def __init__(self, window_size: int = 11, sigma: float = 1.5, data_range: float = 1.0) -> None:
        super().__init__()
        if window_size < 1 or window_size % 2 == 0:
            raise ConfigError(f"SSIMLoss: window_size: {window_size} given, an odd number of pixels expected")
        if sigma <= 0.0 or data_range <= 0.0:
            raise ConfigError(f"SSIMLoss: sigma {sigma} and data_range {data_range} given, numbers above 0 expected")
        distances = torch.arange(window_size, dtype=torch.float32) - window_size // 2
        line = torch.exp(-(distances**2) / (2.0 * sigma**2))
        self.register_buffer("_window", line / line.sum(), persistent=False)
        self._constants = (K1 * data_range) ** 2, (K2 * data_range) ** 2

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss, from 0 to 2, computed in float32.

        Args:
            prediction: float (B, C, H, W), not smaller than the window.
            target: of the same shape.

        Raises:
            DataError: the shapes differ, or are no images, or smaller than the window.
        """
        check_same_shape("SSIMLoss", prediction, target)
        edge = len(self._window)
        if prediction.ndim != 4 or min(prediction.shape[2:]) < edge:
            raise DataError(f"SSIMLoss: {tuple(prediction.shape)} given, images (B, C, H, W) of at least {edge} pixels expected")
        with torch.autocast(prediction.device.type, enabled=False):
            return 1.0 - self._similarity(prediction.float().flatten(0, 1)[:, None], target.float().flatten(0, 1)[:, None])

    def _similarity(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean similarity of single channels, (B * C, 1, H, W)."""
        moments = torch.cat([first, second, first * first, second * second, first * second])
        blurred = functional.conv2d(functional.conv2d(moments, self._window.view(1, 1, -1, 1)), self._window.view(1, 1, 1, -1))
        mean1, mean2, square1, square2, product = blurred.chunk(5)
        c1, c2 = self._constants
        variances = square1 - mean1**2 + square2 - mean2**2
        covariance = product - mean1 * mean2
        similarity = (2 * mean1 * mean2 + c1) * (2 * covariance + c2) / ((mean1**2 + mean2**2 + c1) * (variances + c2))
        return similarity.mean()
