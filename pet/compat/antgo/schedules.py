"""The learning rate of ``lr_config``: a policy over the whole training, times a warm-up.

Unlike in Pet's own schedules the policy does not wait for the end of the warm-up. ``by_epoch`` (True for all but Cyclic and OneCycle)
lets the policy count epochs, so that its rate stays during an epoch; the warm-up changes the rate in every iteration all the same.
"""

from collections.abc import Mapping
from typing import Any

from pet.compat.antgo import policies
from petlib.arguments import fit_arguments
from petlib.config.nested import Component
from petlib.errors import ConfigError
from petlib.solver.schedules import Factor, Schedule, WarmUp, learning_rate_factor
from petlib.suggest import did_you_mean

POLICIES: dict[str, type[policies.Policy]] = {
    "Fixed": policies.Fixed,
    "Step": policies.Step,
    "Exp": policies.Exp,
    "Poly": policies.Poly,
    "CosineAnnealing": policies.CosineAnnealing,
    "CosineRestart": policies.CosineRestart,
    "FlatCosine": policies.FlatCosine,
    "Cyclic": policies.Cyclic,
    "OneCycle": policies.OneCycle,
    "Linear": policies.Linear,
}
FURTHER_NAMES = {"FlatCosineAnnealing": "FlatCosine", "LinearAnnealing": "Linear"}
ONLY_BY_ITERATION = ("Cyclic", "OneCycle")
WARM_UPS: Mapping[str, Any] = {"constant": "constant", "linear": "linear", "exp": "exponential"}
WARM_UP_RATIO = 0.1


def rate_factor(rate: Component | None, *, base_lr: float, max_epochs: int, iterations_per_epoch: int) -> Factor:
    """Return the function from an iteration, counted from 0, to the factor of the base learning rate.

    Args:
        rate: ``lr_config``: the policy and its arguments, with ``by_epoch`` and the ``warmup`` keys; None: the rate stays.
        base_lr: the optimizer's.
        max_epochs: length of the training.
        iterations_per_epoch: of the training data.

    Raises:
        ConfigError: the policy is unknown, or an argument is unknown, missing or wrong.
    """
    if rate is None:
        return lambda _: 1.0
    if base_lr <= 0.0:
        raise ConfigError(f"optimizer.lr: {base_lr:g} given; lr_config changes it by factors, so a number above 0 is expected")
    given = dict(rate.arguments)
    warm_up = _read_warm_up(rate.place, given, iterations_per_epoch)
    try:
        policy, by_epoch = _read_policy(rate.name, given)
        course = policy.factor(max_epochs if by_epoch else max_epochs * iterations_per_epoch, base_lr)
    except ConfigError as error:
        raise ConfigError(f"{rate.place}: {error}") from error
    max_iter = max_epochs * iterations_per_epoch
    stride = iterations_per_epoch if by_epoch else 1
    if warm_up.iterations == 0:
        return lambda iteration: course(iteration // stride)
    rise = learning_rate_factor(Schedule(name="constant"), warm_up, max_iter=max_iter)
    return lambda iteration: course(iteration // stride) * rise(iteration)


def policy_name(name: str) -> str:
    """Return a policy's name as :data:`POLICIES` has it, however it is written: ``step``, ``LinearAnnealing``.

    Raises:
        ConfigError: there is no such policy.
    """
    names = {known.lower(): known for known in POLICIES} | {other.lower(): known for other, known in FURTHER_NAMES.items()}
    if name.lower() not in names:
        raise ConfigError(f"policy: {name!r} given, one of {', '.join(POLICIES)} expected{did_you_mean(name, POLICIES)}")
    return names[name.lower()]


def _read_policy(given_name: str, given: dict[str, Any]) -> tuple[policies.Policy, bool]:
    name = policy_name(given_name)
    by_epoch = given.pop("by_epoch", POLICIES[name].by_epoch)
    if not isinstance(by_epoch, bool) or (by_epoch and name in ONLY_BY_ITERATION):
        raise ConfigError(f"by_epoch: {by_epoch!r} given, {'False' if name in ONLY_BY_ITERATION else 'True or False'} expected")
    return POLICIES[name](**fit_arguments("policy", name, POLICIES[name], given)), by_epoch


def _read_warm_up(place: str, given: dict[str, Any], iterations_per_epoch: int) -> WarmUp:
    """Take the keys of the warm-up out of ``given``."""
    method = given.pop("warmup", None)
    length, ratio = given.pop("warmup_iters", 0), given.pop("warmup_ratio", WARM_UP_RATIO)
    by_epoch = given.pop("warmup_by_epoch", False)
    if method is None:
        if length:
            raise ConfigError(f"{place}: warmup_iters {length} without warmup; add warmup='linear', or one of {', '.join(WARM_UPS)}")
        return WarmUp()
    if method not in WARM_UPS:
        raise ConfigError(f"{place}: warmup: {method!r} given, one of {', '.join(WARM_UPS)} expected")
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise ConfigError(f"{place}: warmup_iters: {length!r} given, a whole number from 1 on expected")
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio <= 1:
        raise ConfigError(f"{place}: warmup_ratio: {ratio!r} given, a number above 0 and up to 1 expected")
    return WarmUp(iterations=length * iterations_per_epoch if by_epoch else length, factor=float(ratio), method=WARM_UPS[method])
