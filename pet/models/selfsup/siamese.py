"""Two views through one network, without a teacher: SimCLR and Barlow Twins."""

from typing import Any

from torch import Tensor, nn

from pet.losses.contrastive import barlow_twins, nt_xent
from pet.models.selfsup.method import VIEWS, Encoded, PretrainingMethod


class SimCLR(PretrainingMethod):
    """SimCLR (https://arxiv.org/abs/2002.05709): the views of one image are to be more similar than those of two.

    Args:
        backbone, projector: see :class:`PretrainingMethod`.
        temperature: of :func:`pet.losses.contrastive.nt_xent`.
    """

    compares_batch = True

    def __init__(self, *, backbone: nn.Module, projector: nn.Module, temperature: float) -> None:
        super().__init__(backbone=backbone, projector=projector)
        self.temperature = temperature

    def encode(self, batch: dict[str, Any]) -> Encoded:
        """Return the projections of both views."""
        return {name: self.project(batch[name]) for name in VIEWS}

    def compare(self, encoded: Encoded) -> dict[str, dict[str, Tensor]]:
        """Return the loss."""
        return self._outputs(nt_xent(encoded["image"], encoded["image2"], temperature=self.temperature), encoded["image"])


class BarlowTwins(PretrainingMethod):
    """Barlow Twins (https://arxiv.org/abs/2103.03230): no dimension is to say what another one says.

    Args:
        backbone, projector: see :class:`PretrainingMethod`.
        off_diagonal, scale: of :func:`pet.losses.contrastive.barlow_twins`.
    """

    compares_batch = True

    def __init__(self, *, backbone: nn.Module, projector: nn.Module, off_diagonal: float, scale: float) -> None:
        super().__init__(backbone=backbone, projector=projector)
        self.off_diagonal, self.scale = off_diagonal, scale

    def encode(self, batch: dict[str, Any]) -> Encoded:
        """Return the projections of both views."""
        return {name: self.project(batch[name]) for name in VIEWS}

    def compare(self, encoded: Encoded) -> dict[str, dict[str, Tensor]]:
        """Return the loss."""
        loss = barlow_twins(encoded["image"], encoded["image2"], off_diagonal=self.off_diagonal, scale=self.scale)
        return self._outputs(loss, encoded["image"])
