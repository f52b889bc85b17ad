import math
import warnings

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, MultiStepLR, PolynomialLR

from petlib.config import PETLIB_SCHEMA, CfgNode
from petlib.errors import ConfigError
from petlib.solver import build_scheduler
from petlib.solver.schedules import Schedule, WarmUp, learning_rate_factor, number_schedule


def make_cfg(**scheduler):
    cfg = CfgNode(PETLIB_SCHEMA)
    cfg.set("SOLVER.OPTIMIZER.BASE_LR", 0.4)
    for name, value in scheduler.items():
        cfg.set(f"SOLVER.SCHEDULER.{name}", value)
    return cfg


def make_optimizer(rates=(0.4,)):
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": rate} for rate in rates], lr=0.1, momentum=0.9)


def run(scheduler, optimizer, count, group=0):
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[group]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def rates_of(cfg, count, *, max_iter=None, iterations_per_epoch=10, rates=(0.4,), group=0):
    optimizer = make_optimizer(rates)
    scheduler = build_scheduler(optimizer, cfg, max_iter=max_iter or count, iterations_per_epoch=iterations_per_epoch)
    assert isinstance(scheduler, LambdaLR)
    return run(scheduler, optimizer, count, group)


def torch_rates(make, count):
    optimizer = make_optimizer()
    return run(make(optimizer), optimizer, count)


def test_step_matches_multi_step_lr_and_the_numbers_by_hand():
    ours = rates_of(make_cfg(NAME="step", TOTAL_ITERS=10, STEPS=[4, 8], GAMMA=0.1), 10)
    assert ours == pytest.approx([0.4] * 4 + [0.04] * 4 + [0.004] * 2)
    assert ours == pytest.approx(torch_rates(lambda optimizer: MultiStepLR(optimizer, [4, 8], 0.1), 10))


def test_cosine_matches_torch_down_to_min_lr():
    ours = rates_of(make_cfg(NAME="cosine", TOTAL_ITERS=20, MIN_LR=0.04), 21, max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch_rates(lambda optimizer: CosineAnnealingLR(optimizer, 20, eta_min=0.04), 21)
    assert ours == pytest.approx(theirs)
    assert (ours[0], ours[10], ours[20]) == pytest.approx((0.4, 0.22, 0.04))


def test_poly_matches_torch():
    ours = rates_of(make_cfg(NAME="poly", TOTAL_ITERS=15, POWER=0.9), 15)
    assert ours == pytest.approx(torch_rates(lambda optimizer: PolynomialLR(optimizer, 15, 0.9), 15))
    assert ours[5] == pytest.approx(0.4 * (10 / 15) ** 0.9)


def test_linear_exponential_and_constant_by_hand():
    assert rates_of(make_cfg(NAME="linear", TOTAL_ITERS=4, MIN_LR=0.2), 4) == pytest.approx([0.4, 0.35, 0.3, 0.25])
    assert rates_of(make_cfg(NAME="exponential", TOTAL_ITERS=4, GAMMA=0.0625), 4) == pytest.approx([0.4, 0.2, 0.1, 0.05])
    assert rates_of(make_cfg(NAME="constant", TOTAL_ITERS=3), 3) == [0.4] * 3


@pytest.mark.parametrize("name", ["step", "cosine", "poly", "linear", "exponential", "constant"])
def test_schedule_begins_at_one_and_stays_where_it_ends(name):
    factor = learning_rate_factor(Schedule(name=name, milestones=(6,), minimum=0.25), WarmUp(), max_iter=10)
    assert factor(0) == 1.0
    assert factor(10) == factor(11) == factor(1000)
    assert all(factor(i + 1) <= factor(i) for i in range(12))


def test_warm_up_shapes_by_hand():
    def first(method):
        return rates_of(make_cfg(NAME="constant", TOTAL_ITERS=8, WARM_UP_ITERS=4, WARM_UP_FACTOR=0.0625, WARM_UP_METHOD=method), 6)

    assert first("linear") == pytest.approx([0.4 * share for share in (0.0625, 0.296875, 0.53125, 0.765625, 1, 1)])
    assert first("exponential") == pytest.approx([0.4 * share for share in (0.0625, 0.125, 0.25, 0.5, 1, 1)])
    assert first("constant") == pytest.approx([0.4 * share for share in (0.0625, 0.0625, 0.0625, 0.0625, 1, 1)])


def test_warm_up_may_start_at_zero():
    rates = rates_of(make_cfg(NAME="constant", TOTAL_ITERS=4, WARM_UP_ITERS=2, WARM_UP_FACTOR=0), 3)
    assert rates == pytest.approx([0, 0.2, 0.4])


def test_decay_takes_the_iterations_behind_the_warm_up():
    rates = rates_of(make_cfg(NAME="cosine", TOTAL_ITERS=12, WARM_UP_ITERS=4, WARM_UP_FACTOR=0.5), 13, max_iter=12)
    assert rates[:5] == pytest.approx([0.2, 0.25, 0.3, 0.35, 0.4])
    assert rates[4:] == pytest.approx([0.4 * (1 + math.cos(math.pi * done / 8)) / 2 for done in range(9)])


def test_steps_inside_the_warm_up_count_from_the_start():
    rates = rates_of(make_cfg(NAME="step", TOTAL_ITERS=6, STEPS=[2], GAMMA=0.5, WARM_UP_ITERS=4, WARM_UP_FACTOR=0.5), 6)
    assert rates == pytest.approx([0.2, 0.25, 0.15, 0.175, 0.2, 0.2])


def test_steps_and_warm_up_in_epochs():
    cfg = make_cfg(NAME="step", TOTAL_EPOCHS=3, STEPS=[1, 2], WARM_UP_EPOCHS=0.5, WARM_UP_ITERS=1000, WARM_UP_FACTOR=0.5)
    rates = rates_of(cfg, 30, iterations_per_epoch=10)
    assert rates[0] == pytest.approx(0.2)
    assert rates[4:6] == pytest.approx([0.36, 0.4])
    assert rates[9:11] == pytest.approx([0.4, 0.04])
    assert rates[19:21] == pytest.approx([0.04, 0.004])


def test_warm_up_iters_stay_iterations_in_an_epoch_run():
    rates = rates_of(
        make_cfg(NAME="constant", TOTAL_EPOCHS=2, WARM_UP_ITERS=2, WARM_UP_FACTOR=0.5), 4, max_iter=20, iterations_per_epoch=10
    )
    assert rates == pytest.approx([0.2, 0.3, 0.4, 0.4])


def test_min_lr_scales_with_the_rate_of_a_group():
    cfg = make_cfg(NAME="cosine", TOTAL_ITERS=10, MIN_LR=0.04)
    slow = rates_of(cfg, 11, max_iter=10, rates=(0.4, 0.04), group=1)
    assert (slow[0], slow[10]) == pytest.approx((0.04, 0.004))


def test_resume_gives_bit_for_bit_the_same_rates():
    cfg = make_cfg(NAME="cosine", TOTAL_ITERS=50, WARM_UP_ITERS=7)
    whole = rates_of(cfg, 50, rates=(0.4, 0.123), group=1)
    optimizer = make_optimizer((0.4, 0.123))
    scheduler = build_scheduler(optimizer, cfg, max_iter=50, iterations_per_epoch=10)
    run(scheduler, optimizer, 23)
    states = optimizer.state_dict(), scheduler.state_dict()

    resumed_optimizer = make_optimizer((0.4, 0.123))
    resumed = build_scheduler(resumed_optimizer, cfg, max_iter=50, iterations_per_epoch=10)
    resumed_optimizer.load_state_dict(states[0])
    resumed.load_state_dict(states[1])
    assert run(resumed, resumed_optimizer, 27, 1) == whole[23:]


def test_state_is_readable_with_weights_only(tmp_path):
    optimizer = make_optimizer()
    scheduler = build_scheduler(optimizer, make_cfg(NAME="cosine", TOTAL_ITERS=50), max_iter=50, iterations_per_epoch=10)
    run(scheduler, optimizer, 3)
    torch.save(scheduler.state_dict(), tmp_path / "state.pth")
    assert torch.load(tmp_path / "state.pth", weights_only=True)["last_epoch"] == 3


@pytest.mark.parametrize(("unit", "length"), [("epochs", 3), ("iterations", 30)])
def test_steps_beyond_the_end_are_warned_about(caplog, unit, length):
    key = "TOTAL_EPOCHS" if unit == "epochs" else "TOTAL_ITERS"
    cfg = make_cfg(NAME="step", STEPS=[2, length, length + 5], **{key: length})
    build_scheduler(make_optimizer(), cfg, max_iter=30, iterations_per_epoch=10)
    assert f"STEPS: [{length}, {length + 5}] never reached: the training ends after {length} {unit}" in caplog.text


@pytest.mark.parametrize("warm_up", [{"WARM_UP_ITERS": 40}, {"WARM_UP_EPOCHS": 4.0}])
def test_a_warm_up_that_does_not_end_rises_and_is_a_warning(caplog, warm_up):
    cfg = make_cfg(NAME="cosine", TOTAL_ITERS=30, WARM_UP_FACTOR=0.5, **warm_up)
    rates = rates_of(cfg, 31, max_iter=30, iterations_per_epoch=10)
    assert rates[0] == pytest.approx(0.2)
    assert rates[20] == pytest.approx(0.3)
    assert "the warm-up of 40 iterations does not end in this training of 30; the full rate is never reached" in caplog.text


@pytest.mark.parametrize("scheduler", [{"NAME": "cosine", "STEPS": [100]}, {"NAME": "step", "STEPS": [9]}])
def test_no_warning_where_nothing_is_wrong(caplog, scheduler):
    build_scheduler(make_optimizer(), make_cfg(TOTAL_ITERS=10, **scheduler), max_iter=10, iterations_per_epoch=10)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (
            {"WARM_UP_ITERS": 3, "WARM_UP_FACTOR": 0.0, "WARM_UP_METHOD": "exponential"},
            "WARM_UP_FACTOR: an exponential warm-up cannot start at 0",
        ),
        ({"MIN_LR": 0.5, "NAME": "cosine"}, r"MIN_LR: 0.5 is greater than SOLVER.OPTIMIZER.BASE_LR, 0.4"),
        ({"STEPS": [8, 4]}, r"STEPS: \[8, 4\] given, ascending positive numbers \(iterations\) expected"),
        ({"STEPS": [0, 4]}, r"STEPS: \[0, 4\] given"),
    ],
)
def test_contradictions_are_config_errors(scheduler, message):
    with pytest.raises(ConfigError, match=message):
        build_scheduler(make_optimizer(), make_cfg(TOTAL_ITERS=30, **scheduler), max_iter=30, iterations_per_epoch=10)


def test_numbers_go_from_start_to_end_and_stay_there():
    momentum = number_schedule(0.996, 1.0, iterations=100)
    assert [momentum(iteration) for iteration in (0, 50, 100, 130)] == pytest.approx([0.996, 0.998, 1.0, 1.0])
    assert momentum(25) == pytest.approx(1.0 - 0.004 * (math.cos(math.pi * 25 / 100) + 1) / 2)
    temperature = number_schedule(0.04, 0.07, iterations=30, shape="linear")
    assert [temperature(iteration) for iteration in (0, 15, 30, 99)] == pytest.approx([0.04, 0.055, 0.07, 0.07])
    assert number_schedule(0.04, 0.07, iterations=0, shape="linear")(0) == 0.07
    assert number_schedule(0.2, 0.2, iterations=0)(5) == 0.2
    assert number_schedule(0.3, 0.5, iterations=10, shape="constant")(10) == 0.3
