"""The solver blocks of a config as objects of torch, and the moving averages of networks."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from torch import nn
from torch.optim import Optimizer

from pet.compat.shared.building import check_argument_names
from pet.compat.trainframework.solver.schedules import build_factor
from petlib.arguments import fit_arguments
from petlib.config.nested import Component
from petlib.engine.weight_average import WeightAverage
from petlib.errors import ConfigError
from petlib.solver.factor_schedule import FactorSchedule
from petlib.solver.optimizers import OPTIMIZERS, GradientClipper, make_optimizer

SHARED = ("lr", "weight_decay", "momentum", "nesterov", "betas")
"""Arguments that Pet's own configs have keys for."""


class NetworkSolver(NamedTuple):
    """What changes the weights of one network.

    Attributes:
        optimizer: of its parameters.
        schedule: of the learning rate, stepped once an iteration.
        clipper: limits the gradients; None: they stay.
    """

    optimizer: Optimizer
    schedule: FactorSchedule
    clipper: GradientClipper | None


def build_solvers(networks: Mapping[str, nn.Module], components: Mapping[str, Component], *, max_iter: int) -> dict[str, NetworkSolver]:
    """Return a solver for each network that has a block ``solver.<network>`` in the config, in the order of the networks.

    Args:
        networks: on their device, and sharded where they are to be.
        components: ``solver.<network>.optimizer``, and ``.lr_scheduler`` and ``.clip_gradients`` where they are switched on.
        max_iter: iterations of the training.

    Raises:
        ConfigError: a name or a parameter is unknown, or values contradict each other.
    """
    return {
        name: _build_solver(network, f"solver.{name}", components, max_iter=max_iter)
        for name, network in networks.items()
        if f"solver.{name}.optimizer" in components
    }


def _build_solver(network: nn.Module, prefix: str, components: Mapping[str, Component], *, max_iter: int) -> NetworkSolver:
    optimizer = _build_optimizer(network, components[f"{prefix}.optimizer"])
    factor = build_factor(components.get(f"{prefix}.lr_scheduler"), max_iter=max_iter)
    clip = components.get(f"{prefix}.clip_gradients")
    return NetworkSolver(optimizer, FactorSchedule(optimizer, factor), None if clip is None else _build_clipper(clip))


def _build_optimizer(network: nn.Module, component: Component) -> Optimizer:
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not parameters:
        raise ConfigError(f"{component.place}: the network {type(network).__name__} has no parameters to train")
    check_argument_names(OPTIMIZERS, component, own=["params"])
    arguments = {name: _as_number(value) for name, value in component.arguments.items()}
    fused: Literal["auto", "always", "never"] = "auto"
    if "fused" in arguments:
        fused = "always" if arguments.pop("fused") else "never"
    shared: dict[str, Any] = {name: arguments.pop(name) for name in SHARED if name in arguments}
    try:
        return make_optimizer([{"params": parameters}], name=component.name, settings=shared, arguments=arguments, fused=fused)
    except ConfigError as error:
        raise ConfigError(f"{component.place}: {error.__cause__ or error}") from error


def _as_number(value: Any) -> Any:
    """Return a number where YAML saw text: ``1e-6`` without a point is none to it."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _build_clipper(component: Component) -> GradientClipper:
    """Return the clipper of ``clip_gradients``, whose ``clip_type`` is the name of the component.

    Raises:
        ConfigError: the type or a parameter is unknown, or the limit is not positive.
    """
    if component.name not in ("norm", "value"):
        raise ConfigError(f"{component.place}: clip_type: {component.name!r} given, norm or value expected")
    values = fit_arguments(f"{component.place}:", "clip_gradients", _clipping, component.arguments)
    if values.get("clip_value", 1.0) <= 0:
        raise ConfigError(f"{component.place}: clip_value: {values['clip_value']:g} given, a number greater than 0 expected")
    value, norm_type = _clipping(**values)
    return GradientClipper(method="norm" if component.name == "norm" else "value", value=value, norm_type=norm_type)


def _clipping(clip_value: float = 1.0, norm_type: float = 2.0) -> tuple[float, float]:
    return clip_value, norm_type


def build_average(model: nn.Module, networks: Mapping[str, nn.Module], components: Mapping[str, Component]) -> WeightAverage | None:
    """Return the moving average of the networks that have a block ``solver.<network>.ema``; None: none has.

    Args:
        model: holds the networks.
        networks: by the names of their blocks, on their device.
        components: ``solver.<network>.ema`` where it is switched on.

    Raises:
        ConfigError: an argument is unknown, or a decay is not from 0 to below 1.
    """
    decays = {name: _decay(components[f"solver.{name}.ema"]) for name in networks if f"solver.{name}.ema" in components}
    children = {child: name for name, child in model.named_children()}
    return WeightAverage(model, decay={children[networks[name]]: decay for name, decay in decays.items()}) if decays else None


def _decay(component: Component) -> float:
    values = fit_arguments(f"{component.place}:", "ema", _averaging, component.arguments)
    decay = _averaging(**values)
    if not 0 <= decay < 1:
        raise ConfigError(f"{component.place}.decay_rate: {decay:g} given, a number from 0 to below 1 expected")
    return decay


def _averaging(decay_rate: float = 0.999) -> float:
    return decay_rate
