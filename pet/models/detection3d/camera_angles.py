"""How a network says in which direction a box looks, relative to the line of sight."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from pet.models.detection3d.camera_geometry import wrapped

BINS = 4
REACH = torch.pi / BINS * 4 / 3
"""Greatest distance of an angle from the middle of a bin that learns it: half a bin and a third of that more, so neighbours overlap."""


class AngleCode(Protocol):
    """A code of angles.

    Attributes:
        channels: numbers of an angle.
    """

    channels: int

    def decode(self, values: Tensor) -> Tensor:
        """Return the angles (...,), radians, of numbers (..., channels)."""
        ...

    def losses(self, values: Tensor, angles: Tensor) -> dict[str, Tensor]:
        """Return losses (N,) of each object, in addition to that of the corners of its box.

        Args:
            values: (N, channels).
            angles: (N,), the true ones.
        """
        ...


class VectorAngle:
    """Sine and cosine (SMOKE, https://arxiv.org/abs/2002.10111, section 3.2); the corners of boxes are what they learn from.

    Args:
        weight: of the error of the two numbers themselves; 0, as published: there is no such loss.
    """

    channels = 2

    def __init__(self, *, weight: float = 0.0) -> None:
        self._weight = weight

    def decode(self, values: Tensor) -> Tensor:
        """Return the angles (...,) of vectors (..., 2) of any length."""
        return torch.atan2(values[..., 0], values[..., 1])

    def losses(self, values: Tensor, angles: Tensor) -> dict[str, Tensor]:
        """Return ``angle`` (N,), where it has a weight: the sum of the absolute errors of sine and cosine."""
        if not self._weight:
            return {}
        wanted = torch.stack([angles.sin(), angles.cos()], dim=-1)
        return {"angle": self._weight * (values.float() - wanted).abs().sum(-1)}


class BinAngle:
    """Whether each of four overlapping parts of the circle has the angle, and sine and cosine of the distance from the middle of each.

    It is the multi-bin loss (https://arxiv.org/abs/1612.00496) with the bins of MonoFlex (https://arxiv.org/abs/2104.02323).
    """

    channels = 4 * BINS

    def decode(self, values: Tensor) -> Tensor:
        """Return the angles (...,) of the most probable bins."""
        logits, vectors = self._split(values)
        best = (logits[..., 1] - logits[..., 0]).argmax(-1, keepdim=True)
        distances = torch.atan2(vectors[..., 0], vectors[..., 1])
        return wrapped((self._middles(values) + distances).gather(-1, best)[..., 0])

    def losses(self, values: Tensor, angles: Tensor) -> dict[str, Tensor]:
        """Return ``angle`` (N,): the mean cross entropy of the bins and the mean error of sine and cosine in those that have the angle."""
        logits, vectors = self._split(values)
        distances = wrapped(angles[:, None] - self._middles(values))
        has_angle = distances.abs() < REACH
        entropies = functional.cross_entropy(logits.reshape(-1, 2), has_angle.flatten().long(), reduction="none").reshape(-1, BINS)
        wanted = torch.stack([distances.sin(), distances.cos()], dim=-1)
        # of vectors of any length: of those of length 1 the opposite direction would be a second minimum
        errors = (vectors - wanted).abs().sum(-1)
        return {"angle": entropies.mean(1) + (errors * has_angle).sum(1) / has_angle.sum(1)}

    def _middles(self, values: Tensor) -> Tensor:
        return torch.arange(BINS, device=values.device) * (2 * torch.pi / BINS)

    def _split(self, values: Tensor) -> tuple[Tensor, Tensor]:
        logits, vectors = torch.split(values.float(), 2 * BINS, dim=-1)
        shape = (*values.shape[:-1], BINS, 2)
        return logits.reshape(shape), vectors.reshape(shape)
