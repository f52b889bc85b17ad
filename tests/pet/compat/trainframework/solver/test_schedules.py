from typing import Any

import pytest

from pet.compat.trainframework.solver.schedules import build_factor
from petlib.config.nested import Component
from petlib.errors import ConfigError


def course(name: str, **arguments: Any) -> Component:
    return Component(name, arguments, "x.py:3: lr_scheduler_param")


def test_steps_after_a_linear_warm_up() -> None:
    factor = build_factor(
        course("WarmupMultiStepLR", gamma=0.5, steps=[4, 6], warmup_factor=0.2, warmup_iter=2, warmup_method="linear"), max_iter=8
    )
    assert [factor(iteration) for iteration in range(8)] == pytest.approx([0.2, 0.6, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25])


@pytest.mark.parametrize(
    ("component", "middle", "end"),
    [
        (course("WarmupCosineLR"), 0.5, 0.0),
        (course("WarmupCosineLR", end_factor=0.2), 0.6, 0.2),
        (course("WarmupPolyLR", power=2), 0.25, 0.0),
        (course("WarmupLinearLR"), 0.5, 0.0),
        (course("WarmupExponentialLR", gamma=0.25), 0.5, 0.25),
        (course("WarmupConstantLR"), 1.0, 1.0),
        (None, 1.0, 1.0),
    ],
)
def test_other_courses(component: Component | None, middle: float, end: float) -> None:
    factor = build_factor(component, max_iter=10)
    assert [factor(0), factor(5), factor(10)] == pytest.approx([1.0, middle, end])


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (course("WarmupCosinLR"), "unknown course 'WarmupCosinLR'; did you mean WarmupCosineLR"),
        (course("WarmupCosineLR", gama=1), "WarmupCosineLR has no parameter 'gama'; it has end_factor, warmup_factor"),
        (course("WarmupMultiStepLR", steps=[3, 2]), r"steps: \[3, 2\] given, ascending positive iterations expected"),
        (course("WarmupMultiStepLR", gamma="big"), "gamma: 'big' given, float expected"),
        (course("WarmupConstantLR", warmup_iter=-1), "warmup_iter: -1 given, a number of iterations from 0 on expected"),
        (course("WarmupConstantLR", warmup_method="log"), "warmup_method: 'log' given, one of linear, exponential, constant expected"),
        (course("WarmupConstantLR", warmup_method="exponential", warmup_iter=1, warmup_factor=0), "cannot start at 0"),
        (course("WarmupCosineLR", end_factor=2), "end_factor must be from 0 to 1"),
    ],
)
def test_a_wrong_course_is_reported_with_its_place(component: Component, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"x\.py:3: lr_scheduler_param.*{message}"):
        build_factor(component, max_iter=10)
