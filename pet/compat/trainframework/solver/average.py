"""Which networks of a model have a moving average of their weights, and with which decay."""

from collections.abc import Mapping

from torch import nn

from petlib.arguments import fit_arguments
from petlib.config.nested import Component
from petlib.engine.weight_average import WeightAverage
from petlib.errors import ConfigError


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
