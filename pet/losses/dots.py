"""What a network that proposes dots learns from: each true dot is matched with one proposal (https://arxiv.org/abs/2107.12746)."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional


def match_proposals(places: Tensor, scores: Tensor, dots: Tensor, *, distance_weight: float) -> tuple[Tensor, Tensor]:
    """Return the proposals and the dots of pairs, int64 (P,) each, of which the whole costs the least.

    A pair costs ``distance_weight`` times its distance in pixels, minus the score of the proposal. There are as many pairs as dots, or
    as proposals where these are fewer.

    Args:
        places: of the proposals, (M, 2), x, y, pixels.
        scores: their probabilities (M,).
        dots: true ones (N, 2).
        distance_weight: of the distance against the score.
    """
    with torch.no_grad():
        costs = distance_weight * torch.cdist(places.float(), dots.float()) - scores[:, None]
    proposals, chosen = linear_sum_assignment(costs.cpu().numpy())
    return torch.from_numpy(proposals).to(places.device), torch.from_numpy(chosen).to(places.device)


def dot_losses(places: Tensor, logits: Tensor, dots: Tensor, *, distance_weight: float, background_weight: float) -> tuple[Tensor, Tensor]:
    """Return the losses of the scores and of the places of an image's proposals.

    Args:
        places: (M, 2), x, y, pixels.
        logits: (M, 2), of background and object.
        dots: true ones (N, 2); without any all proposals are background.
        distance_weight: see :func:`match_proposals`.
        background_weight: of a proposal without a dot in the loss of the scores.

    Returns:
        The cross entropy of all proposals, divided by their number, and the mean squared distance of the pairs, square pixels.
    """
    proposals, chosen = match_proposals(places, logits.softmax(dim=1)[:, 1], dots, distance_weight=distance_weight)
    labels = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
    labels[proposals] = 1
    weights = torch.where(labels == 1, 1.0, background_weight)
    scores = (functional.cross_entropy(logits, labels, reduction="none") * weights).mean()
    offsets = (places[proposals] - dots[chosen]).square().sum(dim=1)
    return scores, offsets.mean() if len(offsets) else places.sum() * 0.0
