"""Objects with noise as further queries of a training, which have to find back what they were (https://arxiv.org/abs/2203.03605)."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_convert

from pet.losses.set_prediction import Matches, Objects
from petlib.data.reader import DRAW
from petlib.data.seeding import KeyedGenerators, generator_of_global_state


class NoiseRules(NamedTuple):
    """How objects become queries.

    Attributes:
        queries: how many of one image are aimed at, half of them near their object and half further away; 0: none.
        label_ratio: twice the share of labels that are replaced.
        box_scale: how far the edges of near boxes move at most, in halves of the sides; those further away move up to twice as far.
    """

    queries: int
    label_ratio: float
    box_scale: float


class NoisyQueries(NamedTuple):
    """The queries of B images: G groups, each with M places for near objects and M for those further away.

    Attributes:
        labels: int64 (B, D), D = 2 M G; the number of classes where there is no object.
        boxes: logits of centre, width and height, float32 (B, D, 4).
        mask: what is added to the attention of a query (row) to another (column), float32 (D + Q, D + Q): groups do not see each other,
            and the Q other queries see none of them.
        groups: G.
        matches: of the near ones with their objects, of one layer.
    """

    labels: Tensor
    boxes: Tensor
    mask: Tensor
    groups: int
    matches: Matches


def make_noisy_queries(
    objects: Objects, batch: dict[str, Any], *, most: int, num_classes: int, num_queries: int, rules: NoiseRules
) -> NoisyQueries:
    """Return the queries of a batch.

    The noise of an image follows from its place in the training, so that it is the same whichever process computes it and in which part of
    a step; of batches without ``meta`` it follows from the state of numpy's generator.

    Args:
        objects: of the B images, with ``most`` places each.
        batch: with the ``meta`` of its samples.
        most: M, the same in all processes.
        num_classes: number of classes.
        num_queries: Q.
        rules: how much noise.
    """
    device = objects.labels.device
    groups = max(rules.queries // most, 1)
    noise = [torch.from_numpy(one) for one in _draw(batch, objects.counts, (groups, 2, most))]
    drawn = torch.stack(noise).to(device)
    chance, another, shift = drawn[..., 0], drawn[..., 1], drawn[..., 2:]
    present = objects.present[:, None, None].expand(-1, groups, 2, -1)
    labels = objects.labels[:, None, None].expand_as(present)
    replaced = (chance * 0.5 + 0.5) < rules.label_ratio * 0.5
    labels = torch.where(replaced, ((another * 0.5 + 0.5) * num_classes).long().clamp(max=num_classes - 1), labels)
    boxes = objects.boxes[:, None, None].expand(-1, groups, 2, -1, -1)
    further = torch.tensor([0.0, 1.0], device=device)[:, None, None]
    reach = boxes[..., 2:].repeat(1, 1, 1, 1, 2) * 0.5 * rules.box_scale
    corners = box_convert(boxes, "cxcywh", "xyxy") + (shift + further * shift.sign()) * reach
    noisy = box_convert(corners.clamp(0, 1), "xyxy", "cxcywh")
    return NoisyQueries(
        labels=torch.where(present, labels, num_classes).flatten(1),
        boxes=torch.logit(noisy, eps=1e-5).flatten(1, 3),
        mask=_attention(groups, 2 * most, num_queries, device),
        groups=groups,
        matches=_near_matches(objects, groups, most),
    )


def _draw(batch: dict[str, Any], counts: list[int], shape: tuple[int, ...]) -> list[np.ndarray]:
    """Return numbers from -1 to 1 for each image, float32 (*shape, 6)."""
    generators = KeyedGenerators(0, "denoising")
    metas = batch.get("meta") or [{}] * len(counts)
    drawn = []
    for meta in metas:
        generator = generators.at(*meta[DRAW]) if DRAW in meta else generator_of_global_state()
        drawn.append(generator.uniform(-1, 1, (*shape, 6)).astype(np.float32))
    return drawn


def _attention(groups: int, length: int, num_queries: int, device: torch.device) -> Tensor:
    noisy = groups * length
    group = torch.arange(noisy + num_queries, device=device) // length
    group[noisy:] = groups
    hidden = (group[:, None] != group[None]) & (group[None] != groups)
    return torch.zeros(hidden.shape, device=device).masked_fill(hidden, -torch.inf)


def _near_matches(objects: Objects, groups: int, most: int) -> Matches:
    images, places = torch.nonzero(objects.present, as_tuple=True)
    starts = torch.arange(groups, device=images.device) * 2 * most
    queries = (starts + places[:, None]).flatten()
    images, places = images.repeat_interleave(groups), places.repeat_interleave(groups)
    return Matches(torch.zeros_like(queries), images, queries, places)
