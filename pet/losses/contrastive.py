"""Losses that compare the samples of a batch with each other. Of several processes all samples count, with exact gradients."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from petlib.distributed.gathering import gather_with_gradient
from petlib.distributed.process_group import rank


def as_single(values: Tensor) -> Tensor:
    """Return floating-point values in float32 where they have less, as mixed precision gives them."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def nt_xent(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Return the loss of SimCLR, a scalar (Chen et al., 2020, https://arxiv.org/abs/2002.05709): of all other views the one of the same
    image is to be the most similar.

    It is the mean over this process's 2 B views; candidates are the 2 B views of every process but the view itself. The mean over the
    processes, which ``DistributedDataParallel`` optimizes, is the loss of the whole batch.

    Args:
        first: projections of one view of B images, float (B, D); they are divided by their lengths here.
        second: those of the other view.
        temperature: divides the cosines.
    """
    own = normalize(as_single(torch.cat([first, second])), dim=1)
    everything = gather_with_gradient(own)
    places = torch.arange(len(own), device=own.device)
    begin = rank() * len(own)
    logits = (own @ everything.t() / temperature).index_put((places, begin + places), own.new_tensor(-torch.inf))
    return cross_entropy(logits, begin + places.roll(len(first)))


def queue_contrast(queries: Tensor, keys: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """Return the InfoNCE loss of MoCo, a scalar (He et al., 2019, https://arxiv.org/abs/1911.05722): the key of the same image is to be
    more similar than those that a queue kept of earlier batches.

    Args:
        queries: float (B, D), normalised here.
        keys: the teacher's, of the other view, (B, D), of unit length; no gradient goes into them.
        queue: earlier keys, (K, D), of unit length.
        temperature: divides the cosines.
    """
    queries, keys = normalize(as_single(queries), dim=1), as_single(keys.detach())
    positive = (queries * keys).sum(dim=1, keepdim=True)
    logits = torch.cat([positive, queries @ as_single(queue).t()], dim=1) / temperature
    return cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.int64))


def batch_contrast(queries: Tensor, keys: Tensor, *, temperature: float) -> Tensor:
    """Return the loss of MoCo v3, a scalar (Chen et al., 2021, https://arxiv.org/abs/2104.02057): InfoNCE against the keys of the whole
    batch, times 2 * temperature.

    Args:
        queries: float (B, D), normalised here.
        keys: the teacher's, of the other view, (B, D), normalised here; no gradient goes into them.
        temperature: divides the cosines.
    """
    queries, own = normalize(as_single(queries), dim=1), normalize(as_single(keys.detach()), dim=1)
    everything = gather_with_gradient(own)
    labels = rank() * len(own) + torch.arange(len(own), device=own.device)
    return 2 * temperature * cross_entropy(queries @ everything.t() / temperature, labels)


def barlow_twins(first: Tensor, second: Tensor, *, off_diagonal: float, scale: float = 1.0) -> Tensor:
    """Return the loss of Barlow Twins, a scalar (Zbontar et al., 2021, https://arxiv.org/abs/2103.03230): over the samples of the whole
    batch each dimension of one view is to correlate with the same one of the other view, and with no other.

    Args:
        first: projections of one view, float (B, D).
        second: those of the other view.
        off_diagonal: weight of the correlations of different dimensions, the paper's lambda, 0.0051.
        scale: factor of the whole loss.
    """
    parts = gather_with_gradient(as_single(torch.cat([first, second], dim=1)))
    first, second = (_standardised(part) for part in parts.chunk(2, dim=1))
    correlation = first.t() @ second / len(first)
    diagonal = correlation.diagonal()
    rest = correlation.square().sum() - diagonal.square().sum()
    return scale * ((diagonal - 1).square().sum() + off_diagonal * rest)


def _standardised(values: Tensor) -> Tensor:
    """Return values (N, D) with a mean of 0 and a variance of 1 in each dimension, as batch norm does it."""
    variance, mean = torch.var_mean(values, dim=0, correction=0)
    return (values - mean) * (variance + 1e-5).rsqrt()
