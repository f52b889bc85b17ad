"""Margins on the angle between an embedding and the centre of its class: ArcFace, CosFace and both together."""

import math

import torch
from torch import Tensor

NEAREST = 1e-6
"""Cosines are kept so far from 1 and -1, where the slope of the angle is infinite."""


class AngularMargin:
    """Logits of a softmax whose own class has to be nearer than the others by a margin.

    Of the own class, at the angle t: ``scale * (cos(factor * t + angle) - cosine)``, of all others ``scale * cos(t)``.
    ArcFace (https://arxiv.org/abs/1801.07698) is an ``angle`` of 0.5, CosFace (https://arxiv.org/abs/1801.09414) a ``cosine`` of 0.4.
    The gradient is that of the formula, with two changes where the formula is no use: cosines are kept ``NEAREST`` away from 1 and -1,
    and where ``factor * t + angle`` exceeds 180 degrees, from where the logit would rise again, it goes on falling.

    Args:
        scale: s, greater than 0.
        factor: m1, usually 1.
        angle: m2, radians.
        cosine: m3.
        straight_through: compute as InsightFace does: the gradient passes as if the logit of the own class were ``scale * cos(t)``, and
            nothing is done beyond 180 degrees. For the reproduction of its figures.

    Attributes:
        strength: share of the margin that counts now, from 0 to 1, for a margin that grows during a training.
    """

    def __init__(
        self, *, scale: float = 64.0, factor: float = 1.0, angle: float = 0.5, cosine: float = 0.0, straight_through: bool = False
    ) -> None:
        assert scale > 0, f"scale is {scale}, a number greater than 0 expected"
        assert factor > 0, f"factor is {factor}, a number greater than 0 expected"
        assert angle >= 0, f"angle is {angle}, a number that is not negative expected"
        assert cosine >= 0, f"cosine is {cosine}, a number that is not negative expected"
        self.scale = scale
        self.factor = factor
        self.angle = angle
        self.cosine = cosine
        self.straight_through = straight_through
        self.strength = 1.0

    def __call__(self, cosines: Tensor, places: Tensor) -> Tensor:
        """Return the logits.

        Args:
            cosines: float (B, C), between embeddings and centres of classes; computed with in float32.
            places: int64 (B,), the own class of each embedding; -1: it is not among these.

        Returns:
            float32 (B, C).
        """
        cosines = cosines.float()
        rows = (places >= 0).nonzero()[:, 0]
        if not len(rows):
            return self.scale * cosines
        own = (rows, places[rows])
        return self.scale * cosines.index_put(own, self.shift(cosines[own]))

    def shift(self, cosines: Tensor) -> Tensor:
        """Return what takes the place of the cosine of the own class, float32 of the same shape."""
        if self.straight_through:
            return cosines + (self._exact(cosines.detach()) - cosines.detach())
        return self._exact(cosines)

    def _exact(self, cosines: Tensor) -> Tensor:
        factor = 1 + self.strength * (self.factor - 1)
        angle, cosine = self.strength * self.angle, self.strength * self.cosine
        if angle == 0 and factor == 1:
            return cosines - cosine
        angles = factor * cosines.clamp(NEAREST - 1, 1 - NEAREST).arccos() + angle
        shifted = angles.cos()
        if not self.straight_through:
            last = math.cos((math.pi - angle) / factor)
            # as ArcFace's authors have it; with another factor the least that falls everywhere
            below = angle * math.sin(angle) if factor == 1 else 1 + last
            shifted = torch.where(angles <= math.pi, shifted, cosines - below)
        return shifted - cosine
