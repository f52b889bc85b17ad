"""What ``run_step`` returns, as named losses and figures."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from petlib.errors import ConfigError

SEPARATOR = "/"
"""Between the network and the name of a loss, where a model has several optimizers: ``generator/adversarial``."""


class NamedValues(NamedTuple):
    """What a batch gave, by name.

    Attributes:
        losses: scalars that weights learn from.
        figures: scalars without a gradient, which are logged.
    """

    losses: dict[str, Tensor]
    figures: dict[str, Tensor]


def name_losses(returned: Any, *, model: str, networks: Sequence[str]) -> NamedValues:
    """Return the losses and the figures of one batch.

    Args:
        returned: a scalar tensor, or names and scalars, tensors and for figures also numbers; with several networks a mapping from
            networks to such, and figures.
        model: the name of the model, for messages.
        networks: those that have an optimizer.

    Raises:
        ConfigError: there is no loss, one is no scalar tensor or depends on no weight, or there is one of an unknown network.
    """
    place = f"{model}.run_step"
    if len(networks) < 2:
        return _sorted(_flat(returned, "", place), place)
    example = ", ".join(f"{name!r}: ..." for name in networks)
    values = dict(returned) if isinstance(returned, Mapping) else {}
    figures = {str(name): torch.as_tensor(values.pop(name)) for name in list(values) if name not in networks and _is_figure(values[name])}
    if not values or not set(values) <= set(networks):
        given = f"the names {', '.join(map(str, returned))}" if isinstance(returned, Mapping) and returned else _describe(returned)
        raise ConfigError(
            f"{place} returned {given}; with the optimizers of {' and '.join(networks)} the losses of each network are expected: "
            f"{{{example}}}, each a scalar tensor or a mapping of such; a network that is left out rests in this iteration"
        )
    found = NamedValues({}, figures)
    for network, own in values.items():
        of_network = _sorted(_flat(own, network, place), f"{place}: {network}")
        found.losses.update(of_network.losses)
        found.figures.update(of_network.figures)
    return found


def _is_figure(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number or (isinstance(value, Tensor) and value.dim() == 0 and not value.requires_grad)


def _sorted(values: Mapping[str, Tensor], place: str) -> NamedValues:
    losses = {name: value for name, value in values.items() if value.requires_grad}
    if not losses:
        raise ConfigError(
            f"{place}: no weight can learn from {', '.join(values)}: computed without the network, under no_grad, or detached"
        )
    device = next(iter(losses.values())).device
    return NamedValues(losses, {name: value.to(device) for name, value in values.items() if name not in losses})


def _flat(returned: Any, prefix: str, place: str) -> dict[str, Tensor]:
    """Return scalars with their names joined, ``"loss"`` for one without a name."""
    if prefix and _is_figure(returned):
        return {prefix: torch.as_tensor(returned)}
    if isinstance(returned, Tensor):
        name = prefix or "loss"
        if returned.dim() != 0:
            raise ConfigError(f"{place}: {name} is {_describe(returned)}, a scalar expected: take its mean or sum")
        return {name: returned}
    if isinstance(returned, Mapping) and returned:
        losses: dict[str, Tensor] = {}
        for name, value in returned.items():
            losses |= _flat(value, f"{prefix}{SEPARATOR}{name}" if prefix else str(name), place)
        return losses
    where = f"{place}: {prefix} is" if prefix else f"{place} returned"
    raise ConfigError(f"{where} {_describe(returned)}; a loss expected: a scalar tensor, or a dictionary of names and scalar tensors")


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return "an empty dictionary"
    return "None" if value is None else f"a {type(value).__name__}"
