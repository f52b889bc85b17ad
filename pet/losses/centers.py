"""Losses of networks that find objects as points: of the heatmap of centres, and of what is read at them.

Both are sums divided by a number that is given, because it has to be the same in all processes: the mean of their numbers of
objects, :func:`mean_count`. Without an object all losses are finite, and those at centres are 0.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pet.structures.centers import Centers, values_at
from petlib.distributed.collectives import all_reduce_mean

START = 0.1
"""Probability of a centre that a heatmap begins with: its bias is log(START / (1 - START)), -2.19."""


def mean_count(centers: Centers) -> Tensor:
    """Return how many objects a process has on average, at least 1, float32, the same in all processes."""
    return all_reduce_mean(torch.tensor(float(len(centers.images)), device=centers.images.device)).clamp(min=1)


def center_focal_loss(logits: Tensor, target: Tensor, *, count: Tensor, alpha: float = 2.0, beta: float = 4.0) -> Tensor:
    """Return the focal loss of a heatmap, in which cells near a centre count less (https://arxiv.org/abs/1808.01244, equation 1).

    Args:
        logits: float (B, C, h, w); computed with in float32.
        target: float32 (B, C, h, w) from 0 to 1, as :func:`pet.structures.centers.draw_centers` gives it: 1 at centres alone.
        count: by which the sum is divided, see :func:`mean_count`.
        alpha: the more, the less what is known already counts.
        beta: the more, the less cells near a centre count.
    """
    logits = logits.float()
    scores = logits.sigmoid()
    is_center = target == 1
    of_centers = functional.logsigmoid(logits) * (1 - scores) ** alpha
    of_others = functional.logsigmoid(-logits) * scores**alpha * (1 - target) ** beta
    return -torch.where(is_center, of_centers, of_others).sum() / count


def center_l1_loss(maps: Tensor, centers: Centers, target: Tensor, *, count: Tensor) -> Tensor:
    """Return the mean absolute error of what maps say at centres.

    Args:
        maps: float (B, K, h, w); compared in float32.
        centers: N objects.
        target: float (N, K).
        count: by which the sum over objects is divided, see :func:`mean_count`; over the K values it is a mean.
    """
    found = values_at(maps, centers.images, centers.cells).float()
    return (found - target.float()).abs().mean(dim=1).sum() / count
