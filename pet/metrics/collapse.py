"""Whether embeddings still differ: what shows early that learning without labels has collapsed."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


@torch.no_grad()
def spread(embeddings: Tensor) -> Tensor:
    """Return how far embeddings (N, D) of unit length lie apart, a scalar: 1 where they point everywhere, 0 where all are the same.

    It is the standard deviation of each dimension, times the root of D, as a mean over the dimensions (Chen and He, 2020,
    https://arxiv.org/abs/2011.10566). The vectors are divided by their lengths here.
    """
    units = normalize(embeddings.float(), dim=1)
    found: Tensor = (units - units.mean(dim=0)).square().mean(dim=0).sqrt().mean() * units.shape[1] ** 0.5
    return found


@torch.no_grad()
def effective_rank(embeddings: Tensor) -> Tensor:
    """Return how many dimensions embeddings (N, D) fill, a scalar from 1 to min(N, D): the exponential of the entropy of their singular
    values (Roy and Vetterli, 2007; as a measure of learning without labels: RankMe, https://arxiv.org/abs/2210.02885).

    It grows with N; compare figures of one N. Costs an eigenvalue decomposition of min(N, D) rows.
    """
    values = normalize(embeddings.double(), dim=1)
    gram = values.t() @ values if values.shape[0] > values.shape[1] else values @ values.t()
    singular = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    shares = singular / singular.sum()
    entropy: Tensor = -(shares * shares.clamp_min(1e-12).log()).sum()
    return entropy.exp().float()
