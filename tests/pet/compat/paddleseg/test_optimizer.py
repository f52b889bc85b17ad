"""Schedules and the optimizer under Paddle's names."""

import pytest
import torch
from torch import nn

from pet.compat.paddleseg import paddle
from pet.compat.paddleseg.core.settings import choose_schedule
from petlib.errors import ConfigError


def rates_of(optimizer: torch.optim.Optimizer, model: nn.Module, count: int, lr_scheduler=None) -> list[float]:
    """Return the rates that a training uses in its iterations."""
    _, schedule = choose_schedule(model, optimizer, lr_scheduler)
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def test_polynomial_decay_ends_at_its_end() -> None:
    model = nn.Linear(2, 2)
    schedule = paddle.optimizer.lr.PolynomialDecay(0.1, decay_steps=4, end_lr=0.02, power=2.0)
    optimizer = paddle.optimizer.AdamW(schedule, parameters=model.parameters())
    expected = [0.08 * share**2 + 0.02 for share in (1.0, 0.75, 0.5, 0.25, 0.0, 0.0)]
    assert rates_of(optimizer, model, 6) == pytest.approx(expected)


def test_linear_warmup_leads_to_a_rate_or_a_schedule() -> None:
    model = nn.Linear(2, 2)
    warm_up = paddle.optimizer.lr.LinearWarmup(0.4, warmup_steps=2, start_lr=0.0, end_lr=0.4)
    assert rates_of(paddle.optimizer.AdamW(warm_up, parameters=model.parameters()), model, 4) == pytest.approx([0.0, 0.2, 0.4, 0.4])
    decay = paddle.optimizer.lr.PolynomialDecay(0.4, decay_steps=2, end_lr=0.0)
    both = paddle.optimizer.lr.LinearWarmup(decay, warmup_steps=1, start_lr=0.1, end_lr=0.4)
    assert rates_of(paddle.optimizer.AdamW(both, parameters=model.parameters()), model, 4) == pytest.approx([0.1, 0.4, 0.2, 0.0])


def test_the_arguments_are_those_of_torch() -> None:
    model = nn.Linear(2, 2)
    optimizer = paddle.optimizer.AdamW(0.01, beta1=0.8, beta2=0.9, epsilon=1e-6, weight_decay=0.3, parameters=model.parameters())
    assert isinstance(optimizer, torch.optim.AdamW)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (0.01, (0.8, 0.9), 1e-6, 0.3)
    assert rates_of(optimizer, model, 3) == [0.01] * 3
    assert paddle.optimizer.AdamW(parameters=model.parameters()).param_groups[0]["weight_decay"] == 0.01
    assert paddle.optimizer.Adam(parameters=model.parameters()).param_groups[0]["weight_decay"] == 0.0


def test_cosine_annealing_goes_down_along_half_a_cosine_and_back() -> None:
    model = nn.Linear(2, 2)
    schedule = paddle.optimizer.lr.CosineAnnealingDecay(0.4, T_max=2, eta_min=0.2)
    optimizer = paddle.optimizer.Momentum(schedule, momentum=0.8, parameters=model.parameters(), use_nesterov=True, weight_decay=0.1)
    assert rates_of(optimizer, model, 5) == pytest.approx([0.4, 0.3, 0.2, 0.3, 0.4])
    group = optimizer.param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.8, True, 0.1)


def test_sgd_and_adam_are_those_of_torch() -> None:
    model = nn.Linear(2, 2)
    sgd = paddle.optimizer.SGD(0.5, parameters=model.parameters())
    assert (sgd.param_groups[0]["lr"], sgd.param_groups[0]["momentum"]) == (0.5, 0.0)
    adam = paddle.optimizer.Adam(0.1, beta1=0.8, parameters=model.parameters(), weight_decay=0.2)
    assert isinstance(adam, torch.optim.Adam)
    assert (adam.param_groups[0]["betas"], adam.param_groups[0]["weight_decay"]) == ((0.8, 0.999), 0.2)


def test_a_schedule_of_torch_is_stepped() -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    assert rates_of(optimizer, model, 3, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)) == [1.0, 0.5, 0.25]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: paddle.optimizer.lr.PolynomialDecay(0.1, decay_steps=0), "decay_steps: 0 given.*lower batch_size"),
        (lambda: paddle.optimizer.lr.PolynomialDecay(0.0, decay_steps=5), "learning_rate: 0.0 given, a number above 0"),
        (lambda: paddle.optimizer.lr.LinearWarmup(0.1, warmup_steps=-1, start_lr=0, end_lr=0.1), "at least 0 iterations"),
        (lambda: paddle.optimizer.lr.CosineAnnealingDecay(0.1, T_max=0), "T_max: 0 given, at least 1 iteration expected"),
        (lambda: paddle.optimizer.AdamW(0.1), "parameters: nothing given"),
        (lambda: paddle.optimizer.Momentum(0.1), "Momentum: parameters: nothing given"),
    ],
)
def test_wrong_arguments_are_reported(make, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_an_optimizer_of_another_network_is_reported() -> None:
    with pytest.raises(ConfigError, match="parameters that are not the model's"):
        choose_schedule(nn.Linear(2, 2), torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1), None)


def test_a_schedule_of_another_optimizer_is_reported() -> None:
    model = nn.Linear(2, 2)
    first, second = (torch.optim.SGD(model.parameters(), lr=0.1) for _ in range(2))
    with pytest.raises(ConfigError, match="a schedule of torch for this optimizer"):
        choose_schedule(model, first, torch.optim.lr_scheduler.ExponentialLR(second, 0.5))


def test_rates_of_pieces_and_steps_are_those_of_torch() -> None:
    lr = paddle.optimizer.lr
    assert [lr.PiecewiseDecay([2, 4], [0.5, 0.1, 0.0]).rate(i) for i in range(6)] == [0.5, 0.5, 0.1, 0.1, 0.0, 0.0]
    model = nn.Linear(2, 2)
    ours = rates_of(paddle.optimizer.SGD(lr.StepDecay(0.4, step_size=2, gamma=0.5), parameters=model.parameters()), model, 6)
    theirs = torch.optim.SGD(model.parameters(), lr=0.4)
    assert ours == pytest.approx(rates_of(theirs, model, 6, torch.optim.lr_scheduler.StepLR(theirs, 2, 0.5)))
    with pytest.raises(ConfigError, match="PiecewiseDecay: 2 values and the boundaries"):
        lr.PiecewiseDecay([2, 4], [0.5, 0.1])
