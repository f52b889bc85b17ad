"""What ``run_step`` returns, as named losses."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from petlib.errors import ConfigError

SEPARATOR = "/"
"""Between the network and the name of a loss, where a model has several optimizers: ``generator/adversarial``."""


def name_losses(returned: Any, *, model: str, networks: Sequence[str]) -> dict[str, Tensor]:
    """Return the losses of one batch by name.

    Args:
        returned: a scalar tensor, or names and scalar tensors; with several networks a mapping from networks to such.
        model: the name of the model, for messages.
        networks: those that have an optimizer.

    Raises:
        ConfigError: there is no loss, one is no scalar tensor or depends on no weight, or there is one of an unknown network.
    """
    place = f"{model}.run_step"
    if len(networks) < 2:
        losses = _flat(returned, "", place)
        _check_graph(losses, place)
        return losses
    example = ", ".join(f"{name!r}: ..." for name in networks)
    if not isinstance(returned, Mapping) or not returned or not set(returned) <= set(networks):
        given = f"the names {', '.join(map(str, returned))}" if isinstance(returned, Mapping) and returned else _describe(returned)
        raise ConfigError(
            f"{place} returned {given}; with the optimizers of {' and '.join(networks)} the losses of each network are expected: "
            f"{{{example}}}, each a scalar tensor or a mapping of such; a network that is left out rests in this iteration"
        )
    grouped: dict[str, Tensor] = {}
    for network, values in returned.items():
        losses = _flat(values, network, place)
        _check_graph(losses, f"{place}: {network}")
        grouped |= losses
    return grouped


def _flat(returned: Any, prefix: str, place: str) -> dict[str, Tensor]:
    """Return losses with their names joined, ``"loss"`` for one without a name."""
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


def _check_graph(losses: Mapping[str, Tensor], place: str) -> None:
    if not any(value.requires_grad for value in losses.values()):
        raise ConfigError(
            f"{place}: no weight can learn from {', '.join(losses)}: computed without the network, under no_grad, or detached"
        )


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return "an empty dictionary"
    return "None" if value is None else f"a {type(value).__name__}"
