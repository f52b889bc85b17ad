"""Batch norm by groups of a batch, and keys whose groups are others than those of their queries (MoCo).

A batch norm lets the samples of a batch see each other. Where a query and its key are in groups of the same samples, a network can find the
key by the statistics of its group, and learns little else. MoCo (https://arxiv.org/abs/1911.05722, section 3.3) therefore normalises on
each of 8 GPUs by itself, and shuffles the keys over all of them; in groups of a device's batch fewer devices do the same.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from petlib.distributed.collectives import broadcast_tensors
from petlib.distributed.gathering import gather_with_gradient
from petlib.distributed.process_group import rank, world_size


def encode_in_groups(encode: Callable[[Tensor], Tensor], images: Tensor, groups: int) -> Tensor:
    """Return ``encode`` of each group of images, joined: batch norms take the statistics of a group.

    Args:
        encode: images (N, 3, H, W) to vectors (N, D).
        images: (B, 3, H, W).
        groups: into how many equal parts they are divided, in order; B is a multiple.
    """
    return encode(images) if groups == 1 else torch.cat([encode(part) for part in images.chunk(groups)])


@torch.no_grad()
def encode_shuffled(encode: Callable[[Tensor], Tensor], images: Tensor, groups: int) -> Tensor:
    """Return what :func:`encode_in_groups` does, of groups that are drawn from the images of all processes; without gradients.

    The order is drawn by the first process. Every process calls it with as many images.

    Returns:
        The vectors of this process's own images, in their order.
    """
    count, own = len(images), slice(rank() * len(images), (rank() + 1) * len(images))
    order = torch.randperm(world_size() * count, device=images.device)
    broadcast_tensors([order])
    shuffled = gather_with_gradient(images)[order[own]]
    vectors = gather_with_gradient(encode_in_groups(encode, shuffled, groups))
    return vectors[torch.argsort(order)[own]]
