"""The two sides of a GAN: what the discriminator learns from real and made images, and what the generator learns from it.

``vanilla`` is Goodfellow et al., 2014 (https://arxiv.org/abs/1406.2661), with the generator's loss that does not saturate,
``least_squares`` Mao et al., 2016 (https://arxiv.org/abs/1611.04076), with the labels 0 and 1, ``hinge`` Lim and Ye, 2017
(https://arxiv.org/abs/1705.02894). Scores are what the discriminator gives, any shape, without a sigmoid.
"""

from torch import Tensor, nn
from torch.nn import functional

from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

MODES = ("vanilla", "least_squares", "hinge")


class GANDiscriminatorLoss(nn.Module):
    """Mean over real scores, which should be high, plus mean over those of made images, which should be low.

    Args:
        mode: ``vanilla``, ``least_squares`` or ``hinge``.

    Raises:
        ConfigError: it is another one.
    """

    def __init__(self, mode: str = "vanilla") -> None:
        super().__init__()
        self._mode = _check_mode("GANDiscriminatorLoss", mode)

    def forward(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        """Return the loss; detach the made images from the generator before the discriminator looks at them."""
        real, fake = real_scores.float(), fake_scores.float()
        if self._mode == "vanilla":
            return functional.softplus(-real).mean() + functional.softplus(fake).mean()
        if self._mode == "least_squares":
            return ((real - 1.0) ** 2).mean() + (fake**2).mean()
        return functional.relu(1.0 - real).mean() + functional.relu(1.0 + fake).mean()


class GANGeneratorLoss(nn.Module):
    """Mean over the scores of made images, which the generator wants to be high.

    Args:
        mode: ``vanilla``, ``least_squares`` or ``hinge``.

    Raises:
        ConfigError: it is another one.
    """

    def __init__(self, mode: str = "vanilla") -> None:
        super().__init__()
        self._mode = _check_mode("GANGeneratorLoss", mode)

    def forward(self, fake_scores: Tensor) -> Tensor:
        """Return the loss."""
        fake = fake_scores.float()
        if self._mode == "vanilla":
            return functional.softplus(-fake).mean()
        if self._mode == "least_squares":
            return ((fake - 1.0) ** 2).mean()
        return -fake.mean()


def _check_mode(name: str, mode: str) -> str:
    if mode not in MODES:
        raise ConfigError(f"{name}: mode: {mode!r} given, one of {', '.join(MODES)} expected{did_you_mean(mode, MODES)}")
    return mode
