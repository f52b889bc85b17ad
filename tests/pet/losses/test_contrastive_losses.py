"""Against loops over single samples in float64, written from the papers; several processes against one."""

import math

import numpy as np
import pytest
import torch

from pet.losses.contrastive import barlow_twins, batch_contrast, nt_xent, queue_contrast
from petlib import distributed

BATCH, LENGTH = 8, 6


def views(seed=0, count=BATCH):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, LENGTH, generator=generator) for _ in range(2)]


def cosine(a, b):
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_nt_xent_by_hand():
    first, second = views()
    everything = [*first.double().numpy(), *second.double().numpy()]
    total = 0.0
    for i, anchor in enumerate(everything):
        positive = (i + BATCH) % (2 * BATCH)
        others = {k: math.exp(cosine(anchor, other) / 0.2) for k, other in enumerate(everything) if k != i}
        total -= math.log(others[positive] / sum(others.values()))
    assert float(nt_xent(first, second, temperature=0.2)) == pytest.approx(total / (2 * BATCH), rel=1e-5)


def test_nt_xent_of_known_cases():
    equal = torch.ones(4, 3)
    # every candidate is as similar: one of 2 B - 1
    assert float(nt_xent(equal, equal, temperature=0.5)) == pytest.approx(math.log(7))
    perfect = torch.eye(4)
    assert float(nt_xent(perfect, perfect, temperature=0.01)) == pytest.approx(0.0, abs=1e-6)


def test_contrast_with_a_queue_by_hand():
    queries, keys = views(1)
    keys, queue = (torch.nn.functional.normalize(part, dim=1) for part in (keys, views(2, count=5)[0]))
    total = 0.0
    for query, key in zip(queries.double().numpy(), keys.double().numpy(), strict=True):
        scores = [math.exp(cosine(query, other) / 0.07) for other in (key, *queue.double().numpy())]
        total -= math.log(scores[0] / sum(scores))
    assert float(queue_contrast(queries, keys, queue, temperature=0.07)) == pytest.approx(total / BATCH, rel=1e-5)


def test_contrast_with_the_batch_by_hand():
    queries, keys = views(3)
    total = 0.0
    for i, query in enumerate(queries.double().numpy()):
        scores = [math.exp(cosine(query, key) / 0.2) for key in keys.double().numpy()]
        total -= math.log(scores[i] / sum(scores))
    assert float(batch_contrast(queries, keys, temperature=0.2)) == pytest.approx(2 * 0.2 * total / BATCH, rel=1e-5)


def test_no_gradient_goes_into_keys():
    queries, keys = (view.requires_grad_() for view in views(3))
    (batch_contrast(queries, keys, temperature=0.2) + queue_contrast(queries, keys, torch.eye(LENGTH), temperature=0.2)).backward()
    assert keys.grad is None
    assert queries.grad.abs().max() > 0


def test_barlow_twins_by_hand():
    first, second = (view.double().numpy() for view in views(4))
    expected = 0.0
    for i in range(LENGTH):
        for j in range(LENGTH):
            a, b = first[:, i] - first[:, i].mean(), second[:, j] - second[:, j].mean()
            c = (a * b).mean() / math.sqrt((a.var() + 1e-5) * (b.var() + 1e-5))
            expected += (1 - c) ** 2 if i == j else 0.005 * c**2
    result = barlow_twins(*views(4), off_diagonal=0.005, scale=0.5)
    assert float(result) == pytest.approx(0.5 * expected, rel=1e-5)


def loss_of(name, first, second):
    if name == "nt_xent":
        return nt_xent(first, second, temperature=0.3)
    if name == "batch_contrast":
        return batch_contrast(first, second, temperature=0.3)
    if name == "queue_contrast":
        return queue_contrast(first, torch.nn.functional.normalize(second, dim=1), torch.eye(LENGTH), temperature=0.3)
    return barlow_twins(first, second, off_diagonal=0.1)


def own_share(name):
    """Return the mean loss over the ranks and the gradient of all inputs, as DDP would average it."""
    first, second = (view.requires_grad_() for view in views(5))
    count = BATCH // distributed.world_size()
    own = slice(distributed.rank() * count, (distributed.rank() + 1) * count)
    loss = loss_of(name, first[own], second[own])
    loss.backward()
    gradient = distributed.all_reduce_mean(first.grad)
    return float(distributed.all_reduce_mean(loss.detach())), gradient


@pytest.mark.parametrize("name", ["nt_xent", "batch_contrast", "queue_contrast", "barlow_twins"])
def test_processes_have_loss_and_gradients_of_the_whole_batch(run_ranks, name):
    loss, gradient = own_share(name)
    assert gradient.abs().max() > 1e-4
    for count in (2, 4):
        for other_loss, other in run_ranks(own_share, count, name):
            assert other_loss == pytest.approx(loss, abs=1e-6)
            torch.testing.assert_close(other, gradient, atol=1e-6, rtol=0)
