"""A network of the user as a model of the engine: batches in, losses or predictions out."""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pet.compat.antgo.framework.helper.models.builder import MODELS
from pet.compat.antgo.framework.helper.runner.base_module import BaseModule
from pet.data.targets.names import NO_NAMES, Names
from petlib.checkpoint.rename_rules import check_rules, rename_in_turn
from petlib.checkpoint.weights import Translation, load_weights
from petlib.config.nested import Component
from petlib.errors import ConfigError, name_in_errors
from petlib.suggest import did_you_mean

LOSS = "loss"
"""What is in the name of every loss."""

PREFIX = "network."

logger = logging.getLogger(__name__)


class FieldNetwork(nn.Module):
    """Calls ``forward_train`` and ``forward_test`` of a network with the fields of a batch as named arguments.

    Args:
        network: the user's.

    Attributes:
        network: the same.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return the losses and the metrics of a batch in training, and a list with the predictions of each sample in evaluation.

        Raises:
            ConfigError: the network returns something else.
        """
        fields = {name: value for name, value in batch.items() if name != "meta"}
        if self.training:
            return read_losses(self.network.forward_train(**fields))  # type: ignore[operator]
        return split_predictions(self.network.forward_test(**fields), len(batch["meta"]))  # type: ignore[operator]


ReviseKeys = Sequence[tuple[str, str]]
"""Regular expressions and what replaces them in the names of weights, one after another."""


def build_network(model: Component | None, builder: Callable[[], Any] | None = None) -> FieldNetwork:
    """Return the network of the config's ``model``, or the one that ``builder`` makes in its place.

    Raises:
        ConfigError: there is none, it is not registered, or it does not take its arguments.
    """
    if builder is not None:
        place, name, make = "model_builder", "it", builder
    elif model is not None:
        place, name, make = model.place, model.name, partial(MODELS.build, {"type": model.name, **model.arguments})
    else:
        raise ConfigError("model: missing; a network expected, dict(type='EncoderDecoder', ...)")
    try:
        network = make()
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{place}: {name} gives a {type(network).__name__}, a network expected (BaseModule)")
    if isinstance(network, BaseModule):
        network.init_weights()
    return FieldNetwork(network)


def load_checkpoint(network: FieldNetwork, path: Path, *, revise_keys: ReviseKeys = (), strict: bool = True) -> Names:
    """Load a checkpoint of a training, or a state dict of the network; return the names that the training knew, as far as it says them.

    Args:
        network: takes the weights.
        path: the file.
        revise_keys: changes of the names in the file.
        strict: the file is of exactly this network; False: what fits is taken, the rest is logged.

    Raises:
        CheckpointError: the file is missing or damaged, or belongs to another network.
        ConfigError: ``revise_keys`` are no regular expressions.
    """
    report = load_weights(network, path, prefer_ema=True, key_prefixes=(PREFIX,), translate=revision(revise_keys))
    if strict:
        report.require_complete()
    logger.info("%s", f"weights of {path}" if report.complete else report.summary())
    return report.names or NO_NAMES


def revision(revise_keys: ReviseKeys) -> Translation:
    """Return what changes the names of weights.

    Raises:
        ConfigError: there are no pairs of a regular expression and a text; when it is called, that they take too long.
    """
    with name_in_errors({"load_weights.rename": "revise_keys"}):
        check_rules(revise_keys)

    def revise(state: dict[str, Tensor], _: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with name_in_errors({"load_weights.rename": "revise_keys"}):
            names = rename_in_turn(list(state), revise_keys) if revise_keys else list(state)
        return dict(zip(names, state.values(), strict=True))

    return revise


def check_fields(network: nn.Module, method: str, fields: Sequence[str], *, place: str) -> None:
    """Check that a method of the network takes the fields of the data by their names.

    Raises:
        ConfigError: it lacks the method, or takes other arguments.
    """
    function = getattr(network, method, None)
    if not callable(function):
        raise ConfigError(f"{type(network).__name__} has no {method}({', '.join(fields)}), which this run calls")
    parameters = inspect.signature(function).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    named = [name for name, parameter in parameters.items() if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)]
    lacking = [name for name in named if parameters[name].default is inspect.Parameter.empty and name not in fields]
    unknown = [] if takes_any else [name for name in fields if name not in named]
    if lacking or unknown:
        hint = did_you_mean(lacking[0], fields) if lacking else did_you_mean(unknown[0], named)
        raise ConfigError(
            f"{place}: {', '.join(fields)} given, but {type(network).__name__}.{method} takes {', '.join(named)}: "
            f"{', '.join(lacking or unknown)} {'is not given' if lacking else 'is not taken'}{hint}"
        )


def read_losses(outputs: object) -> dict[str, dict[str, Tensor]]:
    """Return what ``forward_train`` gave as losses, all that have "loss" in their names, and metrics.

    Raises:
        ConfigError: there is no loss, or something is no scalar.
    """
    if not isinstance(outputs, Mapping):
        raise ConfigError(f"forward_train returned {_describe(outputs)}; a dictionary of losses expected, e.g. {{'loss_decode': loss}}")
    losses: dict[str, Tensor] = {}
    metrics: dict[str, Tensor] = {}
    for name, value in outputs.items():
        is_scalar = isinstance(value, int | float) or (isinstance(value, Tensor) and value.dim() == 0)
        if not is_scalar or (LOSS in name and not isinstance(value, Tensor)):
            raise ConfigError(f"forward_train returned {name!r} as {_describe(value)}; a scalar tensor expected: take its mean or sum")
        if LOSS in name:
            losses[name] = value
        else:
            metrics[name] = torch.as_tensor(value, dtype=torch.float32)
    if not losses:
        returned = ", ".join(map(repr, outputs)) or "nothing"
        raise ConfigError(f"forward_train returned {returned}; at least one loss expected, an entry with {LOSS!r} in its name")
    device = next(iter(losses.values())).device
    return {"losses": losses, "metrics": {name: value.to(device) for name, value in metrics.items()}}


def split_predictions(outputs: object, count: int) -> list[dict[str, Any]]:
    """Return the predictions of each of ``count`` samples from what ``forward_test`` gave for all of them.

    Raises:
        ConfigError: it gave no dictionary, or an entry that is no tensor (B, ...) and no list of B items.
    """
    if not isinstance(outputs, Mapping):
        raise ConfigError(f"forward_test returned {_describe(outputs)}; a dictionary expected, e.g. {{'pred_segments': labels}}")
    for name, value in outputs.items():
        has_items = isinstance(value, list | tuple) or (isinstance(value, Tensor) and value.dim() > 0)
        if not has_items or len(value) != count:
            raise ConfigError(
                f"forward_test returned {name!r} as {_describe(value)}; a tensor or a list with {count} items expected, one a sample"
            )
    return [{name: value[place] for name, value in outputs.items()} for place in range(count)]


def _describe(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)}"
    return f"a list of {len(value)}" if isinstance(value, list | tuple) else f"a {type(value).__name__}"
