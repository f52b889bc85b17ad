"""A linear classifier on fixed embeddings."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

ITERATIONS = 100


def fit_linear(
    embeddings: Tensor, labels: Tensor, *, num_classes: int, weight_decay: float = 1e-4, iterations: int = ITERATIONS
) -> nn.Linear:
    """Return the linear classifier of embeddings with the least cross entropy plus weight decay, found by L-BFGS; nothing is random.

    The embeddings are standardised inside; the layer that is returned takes them as they are.

    Args:
        embeddings: float (N, D).
        labels: int64 (N,), from 0 to num_classes - 1.
        num_classes: number of classes.
        weight_decay: factor of half the squared weights.
        iterations: at most so many.
    """
    mean, std = embeddings.mean(dim=0), embeddings.std(dim=0, correction=0).clamp_min(1e-6)
    values = (embeddings - mean) / std
    layer = nn.Linear(embeddings.shape[1], num_classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=iterations, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = cross_entropy(layer(values), labels) + weight_decay / 2 * layer.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    # an evaluation around this switches gradients off
    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.div_(std)
        layer.bias.sub_(layer.weight @ mean)
    return layer.requires_grad_(False)
