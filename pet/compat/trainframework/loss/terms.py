"""One loss of a group, as the config has it."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pet.compat.shared.building import find
from pet.compat.trainframework.building import make
from pet.compat.trainframework.loss.build import BUILD_LOSS_REGISTRY
from petlib.config.nested import Component
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

KEYS = ("name", "param", "input_name")
WEIGHT = "lambda_weight"
EXAMPLE = "dict(name='L1Loss', param=dict(lambda_weight=1.0), input_name=['fake', 'target'])"


@dataclass(frozen=True)
class Term:
    """One loss.

    Attributes:
        kind: the name that it is registered under.
        call: the loss.
        signature: of its inputs.
        weight: what it is multiplied by; 1 for a loss that takes ``lambda_weight`` itself.
        input_name: names of its inputs, empty where they go by their position.
        place: where the config has it, for messages.
    """

    kind: str
    call: Callable[..., Any]
    signature: inspect.Signature
    weight: float
    input_name: tuple[str, ...]
    place: str

    def __call__(self, inputs: Mapping[str, Any] | tuple[Any, ...]) -> Tensor:
        """Return the weighted loss of named or positional inputs.

        Raises:
            ConfigError: an input is missing, there are too many or too few, or what comes out is no scalar.
        """
        values = self._values(inputs)
        try:
            # the loss itself may raise a TypeError, which is no question of its inputs' number
            self.signature.bind(*values)
        except TypeError as error:
            raise ConfigError(
                f"{self.place}: {self.kind} was given {len(values)} inputs: {error}; its inputs are chosen by input_name=[...]"
            ) from error
        value = self.call(*values)
        if not isinstance(value, Tensor) or value.ndim:
            given = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise ConfigError(f"{self.place}: {self.kind} gave {given}; a scalar tensor expected, e.g. its mean()")
        return value * self.weight

    def _values(self, inputs: Mapping[str, Any] | tuple[Any, ...]) -> tuple[Any, ...]:
        if not isinstance(inputs, Mapping):
            if self.input_name and len(self.input_name) != len(inputs):
                raise ConfigError(
                    f"{self.place}: input_name has {len(self.input_name)} names, and the loss was called with {len(inputs)} inputs"
                )
            return inputs
        if not self.input_name:
            return tuple(inputs.values())
        for name in self.input_name:
            if name not in inputs:
                given = [str(key) for key in inputs]
                raise ConfigError(
                    f"{self.place}: input_name has {name!r}, which the loss was not called with{did_you_mean(name, given)} "
                    f"(it was given {', '.join(given) or 'nothing'})"
                )
        return tuple(inputs[name] for name in self.input_name)


def build_term(entry: Any, place: str) -> Term:
    """Return the loss of an entry of a group.

    Args:
        entry: ``dict(name=..., param=dict(lambda_weight=..., ...), input_name=[...])``; ``param`` are the arguments of the loss.
        place: where the config has it, for messages: ``"loss.loss1[0]"``.

    Raises:
        ConfigError: a name or an argument is unknown, missing or wrong.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise ConfigError(f"{place}: {entry!r} given, an entry like {EXAMPLE} expected")
    for key in entry:
        if key not in KEYS:
            raise ConfigError(
                f"{place}: unknown key {key!r}{did_you_mean(str(key), KEYS)} (there are {', '.join(KEYS)}; arguments go into param)"
            )
    component = Component(entry["name"], _mapping(entry.get("param"), f"{place}: param"), place)
    # a loss of the user that takes the weight multiplies by it
    weighs_itself = WEIGHT in inspect.signature(find(BUILD_LOSS_REGISTRY, component)).parameters
    weight = 1.0 if weighs_itself else _weight(component.arguments.pop(WEIGHT, 1.0), f"{place}: param: {WEIGHT}")
    call = make(BUILD_LOSS_REGISTRY, component)
    if not callable(call):
        raise ConfigError(
            f"{place}: {component.name} is a {type(call).__name__} that cannot be called; give its class a forward or __call__"
        )
    signature = inspect.signature(call.forward if isinstance(call, nn.Module) else call)
    return Term(component.name, call, signature, weight, _names(entry.get("input_name"), f"{place}: input_name"), place)


def _mapping(given: Any, place: str) -> dict[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"{place}: {given!r} given, dict(lambda_weight=1.0, ...) expected")
    return {str(key): value for key, value in (given or {}).items()}


def _names(given: Any, place: str) -> tuple[str, ...]:
    names = [] if given is None else given
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{place}: {given!r} given, a list of names expected")
    return tuple(names)


def _weight(given: Any, place: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ConfigError(f"{place}: {given!r} given, a number expected")
    return float(given)
