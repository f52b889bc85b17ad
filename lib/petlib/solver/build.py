"""The optimizer and the schedule that a config asks for."""

import logging
from collections.abc import Sequence

from torch import nn
from torch.optim import Optimizer

from petlib.config.typed import PetlibConfig
from petlib.errors import ConfigError, name_in_errors
from petlib.solver.factor_schedule import FactorSchedule
from petlib.solver.optimizers import make_optimizer
from petlib.solver.parameter_groups import ParameterRule, group_parameters
from petlib.solver.schedules import Schedule, WarmUp, learning_rate_factor

logger = logging.getLogger(__name__)

RULE_KEYS = {"rules": "SOLVER.OPTIMIZER.RULES", "rules[": "SOLVER.OPTIMIZER.RULES["}
OPTIMIZER_KEYS = {
    **RULE_KEYS,
    "fused:": "SOLVER.OPTIMIZER.FUSED:",
    "arguments.": "SOLVER.OPTIMIZER.ARGS.",
    "settings": "SOLVER.OPTIMIZER",
    "settings.lr": "SOLVER.OPTIMIZER.BASE_LR",
    **{f"settings.{name}": f"SOLVER.OPTIMIZER.{name.upper()}" for name in ("weight_decay", "momentum", "nesterov", "betas", "fused")},
}
"""What arguments of optimizers and parameter groups are called in a config."""


def build_rules(cfg: PetlibConfig) -> list[ParameterRule]:
    """Return the rules of ``SOLVER.OPTIMIZER.RULES``.

    Raises:
        ConfigError: a rule has unknown keys or wrong values.
    """
    rules = cfg.SOLVER.OPTIMIZER.RULES
    return [ParameterRule.parse(rule, f"SOLVER.OPTIMIZER.RULES[{number}]") for number, rule in enumerate(rules)]


def build_optimizer(model: nn.Module, cfg: PetlibConfig, rules: Sequence[ParameterRule] | None = None) -> Optimizer:
    """Return the optimizer of ``SOLVER.OPTIMIZER`` for a model that is on its device.

    Args:
        model: the network without wrappers.
        cfg: the config.
        rules: what holds for some of its parameters; None: ``SOLVER.OPTIMIZER.RULES``.

    Raises:
        ConfigError: a rule or an argument does not fit the model or the optimizer.
    """
    options = cfg.SOLVER.OPTIMIZER
    if len(options.BETAS) != 2:
        raise ConfigError(f"SOLVER.OPTIMIZER.BETAS: {options.BETAS} given, two numbers expected")
    with name_in_errors(OPTIMIZER_KEYS):
        groups = group_parameters(
            model,
            base_lr=options.BASE_LR,
            weight_decay=options.WEIGHT_DECAY,
            weight_decay_norm=options.WEIGHT_DECAY_NORM,
            weight_decay_bias=options.WEIGHT_DECAY_BIAS,
            rules=build_rules(cfg) if rules is None else rules,
            layer_decay=options.LAYER_DECAY,
        )
        settings = {"momentum": options.MOMENTUM, "nesterov": options.NESTEROV, "betas": tuple(options.BETAS)}
        return make_optimizer(groups, name=options.NAME, settings=settings, arguments=options.ARGS, fused=options.FUSED)


def build_scheduler(optimizer: Optimizer, cfg: PetlibConfig, *, max_iter: int, iterations_per_epoch: int) -> FactorSchedule:
    """Return the schedule of ``SOLVER.SCHEDULER``, to be stepped once an iteration, after the optimizer.

    Every parameter group follows the same factor of its own rate, so ``MIN_LR`` holds for a group without ``lr_mult``
    and is scaled with it for the others.

    Args:
        optimizer: its rates are those of the full batch, without warm-up.
        cfg: the config.
        max_iter: iterations of the whole training.
        iterations_per_epoch: to turn epochs into iterations.

    Raises:
        ConfigError: values contradict each other.
    """
    options, base_lr = cfg.SOLVER.SCHEDULER, cfg.SOLVER.OPTIMIZER.BASE_LR
    if base_lr < options.MIN_LR:
        raise ConfigError(f"SOLVER.SCHEDULER.MIN_LR: {options.MIN_LR:g} is greater than SOLVER.OPTIMIZER.BASE_LR, {base_lr:g}")
    schedule = Schedule(
        name=options.NAME,
        milestones=_milestones(cfg, max_iter, iterations_per_epoch) if options.NAME == "step" else (),
        gamma=options.GAMMA,
        power=options.POWER,
        minimum=options.MIN_LR / base_lr if base_lr > 0 else 0.0,
    )
    warm_up = _warm_up(cfg, iterations_per_epoch)
    return FactorSchedule(optimizer, learning_rate_factor(schedule, warm_up, max_iter=max_iter))


def _milestones(cfg: PetlibConfig, max_iter: int, iterations_per_epoch: int) -> list[int]:
    """Return the steps of the step schedule in iterations."""
    options = cfg.SOLVER.SCHEDULER
    by_epochs = options.TOTAL_EPOCHS > 0
    unit, length = ("epochs", options.TOTAL_EPOCHS) if by_epochs else ("iterations", max_iter)
    if sorted(set(options.STEPS)) != list(options.STEPS) or min(options.STEPS, default=1) < 1:
        raise ConfigError(f"SOLVER.SCHEDULER.STEPS: {options.STEPS} given, ascending positive numbers ({unit}) expected")
    late = [step for step in options.STEPS if step >= length]
    if late:
        logger.warning("SOLVER.SCHEDULER.STEPS: %s never reached: the training ends after %d %s", late, length, unit)
    return [step * iterations_per_epoch if by_epochs else step for step in options.STEPS]


def _warm_up(cfg: PetlibConfig, iterations_per_epoch: int) -> WarmUp:
    options = cfg.SOLVER.SCHEDULER
    epochs = options.WARM_UP_EPOCHS
    iterations = options.WARM_UP_ITERS if epochs is None else round(epochs * iterations_per_epoch)
    if options.WARM_UP_METHOD == "exponential" and iterations > 0 and options.WARM_UP_FACTOR == 0:
        raise ConfigError("SOLVER.SCHEDULER.WARM_UP_FACTOR: an exponential warm-up cannot start at 0; give a small positive number")
    return WarmUp(iterations=iterations, factor=options.WARM_UP_FACTOR, method=options.WARM_UP_METHOD)
