"""Learning rates against values computed by hand, and against torch where it has the same schedule."""

import math
from typing import Any

import pytest
import torch

from pet.compat.antgo.schedules import POLICIES, rate_factor
from petlib.config.nested import Component
from petlib.errors import ConfigError


def rates(policy: str, *, base_lr: float = 1.0, epochs: int = 4, per_epoch: int = 5, **arguments: Any) -> list[float]:
    rate = Component(policy, arguments, "x.py:3: lr_config")
    factor = rate_factor(rate, base_lr=base_lr, max_epochs=epochs, iterations_per_epoch=per_epoch)
    return [base_lr * factor(iteration) for iteration in range(epochs * per_epoch)]


def half_cosine(share: float) -> float:
    return (1 + math.cos(math.pi * share)) / 2


def test_there_is_a_rate_without_a_policy() -> None:
    assert rate_factor(None, base_lr=0.1, max_epochs=2, iterations_per_epoch=3)(4) == 1.0
    assert rates("Fixed") == [1.0] * 20


def test_policies_count_epochs_unless_they_have_to_count_iterations() -> None:
    assert rates("Exp", gamma=0.5) == [1.0] * 5 + [0.5] * 5 + [0.25] * 5 + [0.125] * 5
    assert rates("Exp", gamma=0.5, by_epoch=False)[:4] == [1.0, 0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"step": 2}, [1.0, 1.0, 0.1, 0.1]),
        ({"step": [1, 3], "gamma": 0.5}, [1.0, 0.5, 0.5, 0.25]),
        ({"step": [1, 3], "gamma": 0.5, "min_lr": 0.4}, [1.0, 0.5, 0.5, 0.4]),
    ],
)
def test_step(arguments: dict[str, Any], expected: list[float]) -> None:
    assert rates("step", **arguments)[::5] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("policy", "arguments", "expected"),
    [
        ("Poly", {"power": 2.0, "min_lr": 0.2}, [1.0, 0.2 + 0.8 * 0.75**2, 0.2 + 0.8 * 0.25, 0.2 + 0.8 * 0.25**2]),
        ("Linear", {"min_lr_ratio": 0.2}, [1.0, 0.8, 0.6, 0.4]),
        ("LinearAnnealing", {"min_lr": 0.0}, [1.0, 0.75, 0.5, 0.25]),
        ("CosineAnnealing", {"min_lr": 0.1}, [1.0, *(0.1 + 0.9 * half_cosine(share) for share in (0.25, 0.5, 0.75))]),
        ("FlatCosine", {"start_percent": 0.5, "min_lr": 0.0}, [1.0, 1.0, 1.0, 0.5]),
        ("CosineRestart", {"periods": [2, 2], "restart_weights": [1.0, 0.5], "min_lr": 0.0}, [1.0, 0.5, 0.5, 0.25]),
        ("CosineRestart", {"periods": [1, 3], "min_lr_ratio": 0.1}, [1.0, 1.0, 0.1 + 0.9 * 0.75, 0.1 + 0.9 * 0.25]),
    ],
)
def test_courses_over_the_epochs(policy: str, arguments: dict[str, Any], expected: list[float]) -> None:
    found = rates(policy, **arguments)
    assert found[::5] == pytest.approx(expected)
    assert found[4::5] == found[::5]


def test_the_end_of_a_course_is_a_rate_and_no_factor() -> None:
    assert rates("Linear", base_lr=0.5, min_lr=0.1)[::5] == pytest.approx([0.5, 0.4, 0.3, 0.2])


def test_cyclic_goes_up_and_down() -> None:
    found = rates("Cyclic", base_lr=0.1, target_ratio=(5.0, 0.5), cyclic_times=2, step_ratio_up=0.4, gamma=0.5, anneal_strategy="linear")
    first = [0.1, 0.2, 0.3, 0.4, 0.5, *(0.5 - 0.45 * share / 6 for share in range(1, 6))]
    top = 0.1 + 0.5 * 0.4
    second = [*(0.1 + (top - 0.1) * share / 4 for share in range(4)), *(top - (top - 0.05) * share / 6 for share in range(6))]
    assert found == pytest.approx(first + second)
    cosine = rates("Cyclic", target_ratio=(5.0, 0.5), step_ratio_up=0.4)
    assert cosine[4] == pytest.approx(5.0 - 4.0 * half_cosine(0.5))


@pytest.mark.parametrize("arguments", [{}, {"three_phase": True}, {"anneal_strategy": "linear", "pct_start": 0.4, "div_factor": 10.0}])
def test_one_cycle_is_that_of_torch(arguments: dict[str, Any]) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    peer = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.6, total_steps=20, cycle_momentum=False, **arguments)
    expected = []
    for _ in range(20):
        expected.append(peer.get_last_lr()[0])
        optimizer.step()
        if len(expected) < 20:
            peer.step()
    assert rates("OneCycle", base_lr=0.3, max_lr=0.6, **arguments) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        ("constant", [0.1] * 4),
        ("linear", [0.1, 0.325, 0.55, 0.775]),
        ("exp", [0.1, 0.1**0.75, 0.1**0.5, 0.1**0.25]),
    ],
)
def test_a_warm_up_is_a_factor_of_the_policy(warmup: str, expected: list[float]) -> None:
    found = rates("Exp", gamma=0.5, by_epoch=False, warmup=warmup, warmup_iters=4)
    assert found[:4] == pytest.approx([value * 0.5**iteration for iteration, value in enumerate(expected)])
    assert found[4] == 0.5**4


def test_a_warm_up_counts_iterations_or_epochs() -> None:
    given = {"policy": "Fixed", "warmup": "linear", "warmup_iters": 2, "warmup_ratio": 0.5}
    assert rates(**given)[:3] == [0.5, 0.75, 1.0]
    assert rates(**given, warmup_by_epoch=True)[:11] == pytest.approx([0.5 + 0.05 * iteration for iteration in range(11)])


def test_a_warm_up_may_be_longer_than_the_training(caplog: pytest.LogCaptureFixture) -> None:
    found = rates("CosineAnnealing", base_lr=0.05, min_lr=1e-5, warmup="linear", warmup_iters=2000)
    assert found[1] == pytest.approx(0.05 * (0.1 + 0.9 / 2000))
    assert "the warm-up of 2000 iterations does not end in this training of 20" in caplog.text


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_takes_every_warm_up(policy: str) -> None:
    needed: dict[str, dict[str, Any]] = {
        "Step": {"step": 1},
        "Exp": {"gamma": 0.9},
        "CosineRestart": {"periods": [4]},
        "OneCycle": {"max_lr": 1.0},
    }
    plain = rates(policy, **needed.get(policy, {}))
    for warmup in ("constant", "linear", "exp"):
        warmed = rates(policy, **needed.get(policy, {}), warmup=warmup, warmup_iters=3)
        assert warmed[0] == pytest.approx(plain[0] * 0.1)
        assert warmed[3:] == plain[3:]


@pytest.mark.parametrize(
    ("policy", "arguments", "message"),
    [
        ("CosineAnealing", {}, "policy: 'CosineAnealing' given, .* did you mean CosineAnnealing"),
        ("Step", {}, "x.py:3: lr_config: policy Step: step missing"),
        ("Step", {"step": [3, 1]}, "lr_config.step: .*ascending"),
        ("Poly", {"powr": 2.0}, "unknown argument 'powr'; did you mean power"),
        ("CosineAnnealing", {"min_lr": 0.1, "min_lr_ratio": 0.1}, "one of them expected"),
        ("CosineRestart", {"periods": [1, 2]}, r"periods: \[1, 2\] are 3 steps, but the training has 4"),
        ("CosineRestart", {"periods": [4], "restart_weights": [1.0, 1.0]}, "one weight a period"),
        ("FlatCosine", {"start_percent": 1.0}, "start_percent: 1.0 given"),
        ("Cyclic", {"by_epoch": True}, "by_epoch: True given, False expected"),
        ("Cyclic", {"cyclic_times": 20}, "at least one of the 20 iterations"),
        ("OneCycle", {"max_lr": 1.0, "total_steps": 3}, "total_steps: 3 given, but the training has 20"),
        ("OneCycle", {"max_lr": 1.0, "anneal_strategy": "poly"}, "anneal_strategy: 'poly' given, cos or linear"),
        ("OneCycle", {"max_lr": 1.0, "pct_start": 0.0}, "leaves a phase without iterations"),
        ("Fixed", {"warmup": "quadratic", "warmup_iters": 3}, "warmup: 'quadratic' given, one of constant, linear, exp"),
        ("Fixed", {"warmup_iters": 3}, "warmup_iters 3 without warmup"),
        ("Fixed", {"warmup": "linear"}, "warmup_iters: 0 given"),
        ("Fixed", {"warmup": "exp", "warmup_iters": 3, "warmup_ratio": 0}, "warmup_ratio: 0 given"),
    ],
)
def test_what_is_wrong_is_reported_with_its_place(policy: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rates(policy, **arguments)


def test_a_policy_needs_a_rate() -> None:
    with pytest.raises(ConfigError, match="optimizer.lr: 0 given"):
        rates("Fixed", base_lr=0.0)
