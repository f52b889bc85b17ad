"""Losses of several heads are weighed by numbers that are learned."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class UncertaintyWeighting(nn.Module):
    """Weighs the losses of each head by how uncertain it is (https://arxiv.org/abs/1705.07115), as FairMOT does.

    A head with the losses L has the learned number s, the logarithm of a variance, and counts as (exp(-s) L + s) / 2: a head that
    cannot do better counts less.

    Args:
        start: of each head its s at the beginning.
    """

    def __init__(self, start: Mapping[str, float]) -> None:
        super().__init__()
        self.log_variances = nn.ParameterDict({name: nn.Parameter(torch.tensor(float(value))) for name, value in start.items()})

    def forward(self, losses: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Return the weighed losses by name, and with them ``loss_uncertainty``, half the sum of all s.

        Args:
            losses: of each head scalars by name.
        """
        weighed = {
            name: 0.5 * torch.exp(-self.log_variances[head]) * value for head, parts in losses.items() for name, value in parts.items()
        }
        return {**weighed, "loss_uncertainty": 0.5 * torch.stack(list(self.log_variances.values())).sum()}
