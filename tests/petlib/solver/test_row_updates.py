"""An optimizer's step for some rows: what it does to these is an ordinary step, and the others stay bit for bit."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from petlib import distributed
from petlib.distributed.row_sharded import local_rows, share_rows
from petlib.solver.row_updates import RowUpdate

ROWS = 6
STEPS = (torch.tensor([0, 3]), torch.tensor([3, 4, 5]), torch.tensor([0, 1]), torch.tensor([3]))


def weight() -> nn.Parameter:
    return nn.Parameter(torch.arange(2.0 * ROWS).reshape(ROWS, 2) / 10)


def step(update: RowUpdate, optimizer: torch.optim.Optimizer, *rows: Tensor) -> None:
    for taken in rows:
        (update.take(taken) ** 3).sum().backward()
    update.begin(optimizer)
    optimizer.step()
    update.end()


def test_the_rows_that_were_taken_learn_and_the_others_stay():
    parameter = weight()
    values, momenta = parameter.detach().numpy().copy(), np.zeros((ROWS, 2), np.float32)
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1)), parameter], lr=0.1, momentum=0.9, weight_decay=0.5)
    update = RowUpdate(parameter)
    for rows in STEPS:
        before = parameter.detach().clone()
        step(update, optimizer, rows)
        taken = rows.numpy()
        momenta[taken] = 0.9 * momenta[taken] + 3 * values[taken] ** 2 + 0.5 * values[taken]
        values[taken] -= 0.1 * momenta[taken]
        np.testing.assert_allclose(parameter.detach().numpy(), values, rtol=1e-5)
        np.testing.assert_allclose(optimizer.state[parameter]["momentum_buffer"].numpy(), momenta, rtol=1e-5)
        others = [row for row in range(ROWS) if row not in rows.tolist()]
        assert torch.equal(parameter[others], before[others])
    assert torch.equal(parameter[2], weight()[2])
    assert parameter.grad is None
    assert optimizer.param_groups[0]["params"][1] is parameter
    assert len(optimizer.state) == 1


@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adafactor", "Adagrad", "Adadelta", "RMSprop", "Rprop"]
)
def test_rows_that_are_always_taken_learn_as_a_parameter_of_their_own(name):
    parameter, alone = weight(), nn.Parameter(weight()[2:5].detach().clone())
    make = getattr(torch.optim, name)
    arguments = {"lr": 0.01, **({"momentum": 0.9} if name in ("SGD", "RMSprop") else {})}
    optimizer, ordinary = make([parameter], **arguments), make([alone], **arguments)
    update = RowUpdate(parameter)
    for _ in range(4):
        step(update, optimizer, torch.tensor([2, 3, 4]))
        alone.grad = 3 * alone.detach() ** 2
        ordinary.step()
    torch.testing.assert_close(parameter[2:5], alone, rtol=1e-6, atol=1e-7)
    assert not torch.equal(parameter[2:5], weight()[2:5])
    assert torch.equal(parameter[[0, 1, 5]], weight()[[0, 1, 5]])


def test_gradients_of_several_passes_add_up():
    several, joined = weight(), weight()
    step(RowUpdate(several), torch.optim.SGD([several], lr=0.1), torch.tensor([1, 4]), torch.tensor([0, 4]))
    joined.grad = 3 * joined.detach() ** 2 * torch.tensor([1.0, 1, 0, 0, 2, 0])[:, None]
    torch.optim.SGD([joined], lr=0.1).step()
    torch.testing.assert_close(several, joined)


def test_without_a_step_nothing_changes():
    parameter = weight()
    optimizer, update = torch.optim.SGD([parameter], lr=0.1, momentum=0.9), RowUpdate(parameter)
    step(update, optimizer, torch.tensor([1]))
    before, momenta = parameter.detach().clone(), optimizer.state[parameter]["momentum_buffer"].clone()
    update.take(torch.tensor([1, 2])).sum().backward()
    update.begin(optimizer)
    update.end()
    assert torch.equal(parameter, before)
    assert torch.equal(optimizer.state[parameter]["momentum_buffer"], momenta)
    update.forget()


def test_gradients_that_no_optimizer_saw_are_reported():
    update = RowUpdate(weight())
    with torch.no_grad():
        update.take(torch.tensor([0]))
    update.take(torch.tensor([1]))
    update.forget()
    update.take(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match=r"gradients of rows were never applied: call begin\(optimizer\)"):
        update.forget()


def train_shared() -> Tensor:
    """Train rows that processes share out: rows 0 and 4 in the first iteration, 4 alone, so that some have none, in the second."""
    share = -(-ROWS // distributed.world_size())
    first = distributed.rank() * share
    parameter = share_rows(weight().detach()[first : first + share].clone(), ROWS)
    optimizer, update = torch.optim.AdamW([parameter], lr=0.1, weight_decay=0.1), RowUpdate(parameter)
    for rows in ([0, 4], [4]):
        own = [row - first for row in rows if first <= row < first + share]
        step(update, optimizer, torch.tensor(own, dtype=torch.int64))
    assert local_rows(optimizer.state[parameter]["exp_avg"]).shape == local_rows(parameter).shape
    return parameter.detach() if distributed.world_size() == 1 else parameter.full_tensor().detach()


def test_processes_that_share_the_rows_do_what_one_does(run_ranks):
    for found in run_ranks(train_shared, 2):
        torch.testing.assert_close(found, train_shared())
