"""The two losses of D-FINE (https://arxiv.org/abs/2410.13842) of edges that are distributions over distances: of the right distance, and of
what the last layer says.

An edge has N + 1 logits for N + 1 distances from that of the first box of its query, in shares of the width or height of that box. The
distances are dense near 0 and go to ``2 * up * scale`` on both sides.
"""

from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_convert

from pet.losses.set_prediction import Matches, Objects

TEMPERATURE = 5.0


class EdgeScale(NamedTuple):
    """The distances of the logits: greatest distance ``2 * up * scale``, and by ``scale`` the more of them near 0."""

    up: Tensor
    scale: Tensor


class EdgeShare(NamedTuple):
    """How many edges, of all processes and parts on average, belong to a matched query, and how many do not."""

    matched: float
    others: float


def edge_distances(scale: EdgeScale, count: int) -> Tensor:
    """Return the distance of each of ``count + 1`` logits, float (count + 1,), rising."""
    bound = (scale.up.abs() * scale.scale.abs()).reshape(())
    step = (bound + 1) ** (2 / (count - 2))
    rising = step ** torch.arange(1, count // 2, device=bound.device) - 1
    ends, middle = 2 * bound[None], bound.new_zeros(1)
    return torch.cat([-ends, -rising.flip(0), middle, rising, ends])


def fine_grained_loss(
    edges: Tensor, starts: Tensor, overlaps: Tensor, objects: Objects, matches: Matches, *, scale: EdgeScale, count: float
) -> Tensor:
    """Return the cross entropy of the two distances next to the right one, each by how near it is, weighed by overlap.

    Args:
        edges: logits, float32 (S, B, Q, 4, N + 1).
        starts: the first box of each query, float32 (S, B, Q, 4), centre, width and height.
        overlaps: of each pair, (P,).
        objects: what there is.
        matches: the pairs.
        scale: the distances of the logits.
        count: by which the sum is divided.
    """
    found = matches.of_queries(edges).flatten(0, 1)
    distances = edge_distances(scale, edges.shape[-1] - 1)
    wanted = _wanted_distances(matches.of_queries(starts), matches.of_objects(objects.boxes), scale.scale.abs())
    wanted = wanted.flatten().clamp(distances[0], distances[-1])
    left = (torch.searchsorted(distances, wanted, right=True) - 1).clamp(0, len(distances) - 2)
    share = (wanted - distances[left]) / (distances[left + 1] - distances[left])
    logs = functional.log_softmax(found, dim=1)
    near = (1 - share) * logs.gather(1, left[:, None])[:, 0] + share * logs.gather(1, left[:, None] + 1)[:, 0]
    return -(near * overlaps.repeat_interleave(4)).sum() / count


def distillation_loss(edges: Tensor, logits: Tensor, overlaps: Tensor, matches: Matches, *, share: EdgeShare) -> Tensor:
    """Return how much the edges of all layers but the last differ from those of the last.

    Queries count by the score of the last layer, matched ones by their overlap; both kinds count as the roots of their numbers.

    Args:
        edges: logits, float32 (S, B, Q, 4, N + 1); no gradient flows to the last layer.
        logits: of the last layer, float32 (B, Q, K).
        overlaps: of each pair, (P,).
        matches: the pairs, of all layers.
        share: how many edges there are.
    """
    if len(edges) < 2:
        return edges.sum() * 0
    early = matches.layers < len(edges) - 1
    place = (matches.layers[early], matches.images[early], matches.queries[early])
    weights = logits.detach().sigmoid().amax(dim=-1).expand(len(edges) - 1, -1, -1).clone()
    is_matched = torch.zeros_like(weights, dtype=torch.bool)
    is_matched[place] = True
    weights[place] = overlaps[early]
    teacher = functional.log_softmax(edges[-1:].detach() / TEMPERATURE, dim=-1).expand_as(edges[:-1])
    student = functional.log_softmax(edges[:-1] / TEMPERATURE, dim=-1)
    divergence = functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=(3, 4))
    divergence = TEMPERATURE**2 * weights * divergence
    roots = sqrt(max(share.matched, 1.0)), sqrt(max(share.others, 1.0))
    return (divergence[is_matched].sum() / roots[0] + divergence[~is_matched].sum() / roots[1]) / sum(roots)


def _wanted_distances(starts: Tensor, boxes: Tensor, scale: Tensor) -> Tensor:
    """Return how far the edges of ``boxes`` (P, 4) are from those of ``starts``: left, top, right, bottom, float (P, 4)."""
    corners: Tensor = box_convert(boxes, "cxcywh", "xyxy")
    sides = starts[:, 2:] / scale + 1e-16
    before, behind = (starts[:, :2] - corners[:, :2]) / sides, (corners[:, 2:] - starts[:, :2]) / sides
    distances: Tensor = torch.cat([before, behind], dim=1) - scale / 2
    return distances
