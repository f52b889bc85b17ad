"""Rows of several ranks: loss and gradients of the whole batch are those of one process."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize
from torch.nn.parallel import DistributedDataParallel

from petlib import distributed
from petlib.distributed import broadcast_rows, gather_rows, gather_with_gradient

BATCH, LENGTH = 8, 5


def inputs():
    return torch.randn(BATCH, LENGTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def network():
    torch.manual_seed(2)
    return nn.Linear(LENGTH, 3).double()


def own_rows(rows):
    count = BATCH // distributed.world_size()
    return rows[distributed.rank() * count : (distributed.rank() + 1) * count]


def mean_of_own_rows(model):
    """Each row is to be nearer to itself than to all rows of the batch: a loss over all pairs."""
    own = normalize(model(own_rows(inputs())), dim=1)
    labels = distributed.rank() * len(own) + torch.arange(len(own))
    return cross_entropy(own @ gather_with_gradient(own).t() / 0.3, labels)


def whole_loss_everywhere(model):
    everything = normalize(gather_with_gradient(model(own_rows(inputs()))), dim=1)
    return cross_entropy(everything @ everything.t() / 0.3, torch.arange(BATCH))


def part_of_the_loss(model):
    """Each rank has its own columns of one product, as with class centres that are sharded; the gradient is scaled."""
    everything = gather_with_gradient(model(own_rows(inputs())), scale=float(distributed.world_size()))
    columns = torch.arange(everything.shape[1]) % distributed.world_size() == distributed.rank()
    return everything[:, columns].square().sum() / BATCH


def train_once(loss_of):
    model = network()
    wrapped = DistributedDataParallel(model) if distributed.world_size() > 1 else model
    loss = loss_of(wrapped)
    loss.backward()
    return float(distributed.all_reduce_mean(loss.detach())), [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize(("loss_of", "count"), [(mean_of_own_rows, 2), (whole_loss_everywhere, 4)])
def test_ranks_have_loss_and_gradients_of_one_process(run_ranks, loss_of, count):
    loss, gradients = train_once(loss_of)
    assert all(gradient.abs().max() > 1e-3 for gradient in gradients)
    for other_loss, others in run_ranks(train_once, count, loss_of):
        assert other_loss == pytest.approx(loss, abs=1e-12)
        for gradient, other in zip(gradients, others, strict=True):
            torch.testing.assert_close(other, gradient, atol=1e-12, rtol=0)


def test_parts_of_one_loss_are_scaled(run_ranks):
    loss, gradients = train_once(part_of_the_loss)
    for other_loss, others in run_ranks(train_once, 2, part_of_the_loss):
        # the mean over the ranks of the parts is a half of their sum
        assert 2 * other_loss == pytest.approx(loss, abs=1e-12)
        for gradient, other in zip(gradients, others, strict=True):
            torch.testing.assert_close(other, gradient, atol=1e-12, rtol=0)


def join_uneven():
    rank = distributed.rank()
    rows = torch.arange(rank * 2, dtype=torch.float32).view(rank, 2) + 10 * rank
    return gather_rows(rows).tolist(), broadcast_rows(rows, 2).tolist(), gather_rows(rows[:0]).shape


def test_uneven_rows_come_in_the_order_of_the_ranks(run_ranks):
    second = [[20.0, 21.0], [22.0, 23.0]]
    assert run_ranks(join_uneven, 3) == [([[10.0, 11.0], *second], second, torch.Size([0, 2]))] * 3


def test_without_a_group_the_rows_are_their_own():
    rows = torch.ones(2, 3)
    assert gather_rows(rows) is rows
    assert broadcast_rows(rows, 0) is rows
    assert gather_with_gradient(rows) is rows
