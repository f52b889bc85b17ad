"""What networks of the antgo layer are derived from."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from petlib.arguments import fit_arguments
from petlib.checkpoint.weights import load_weights
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

InitConfig = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

logger = logging.getLogger(__name__)


class BaseModule(nn.Module):
    """A network, or a part of one, that says how its weights begin.

    A network has ``forward_train(**fields)``, which returns losses by name, ``forward_test(**fields)``, which returns predictions by
    name, and ``onnx_export(*inputs)``, which returns what an exported file gives.

    Args:
        init_cfg: None: as the layers draw them. ``dict(type="Pretrained", checkpoint=FILE)``: from a file, those that fit.
            ``dict(type="Kaiming", layer="Conv2d")`` and likewise ``Xavier``, ``Normal``, ``TruncNormal``, ``Uniform`` and ``Constant``,
            with the arguments of :data:`INITIALIZERS`: drawn for the layers of these classes. Or a list of such.
    """

    def __init__(self, init_cfg: InitConfig = None) -> None:
        super().__init__()
        self.init_cfg = init_cfg

    def init_weights(self) -> None:
        """Give this module and the parts in it the weights of their ``init_cfg``, the outer ones last; the Trainer calls it.

        Raises:
            ConfigError: an ``init_cfg`` is wrong.
            CheckpointError: a file cannot be read, or nothing in it fits.
        """
        parts = [module for module in self.modules() if isinstance(module, BaseModule) and module.init_cfg]
        for part in reversed(parts):
            entries = [part.init_cfg] if isinstance(part.init_cfg, Mapping) else part.init_cfg or []
            for entry in entries:
                _initialize(part, entry)


def kaiming(layer: nn.Module, *, a: float = 0.0, mode: str = "fan_out", nonlinearity: str = "relu", bias: float = 0.0) -> None:
    """Draw weights as He et al. do (https://arxiv.org/abs/1502.01852)."""
    nn.init.kaiming_normal_(layer.weight, a=a, mode=mode, nonlinearity=nonlinearity)  # type: ignore[arg-type]
    _fill_bias(layer, bias)


def xavier(layer: nn.Module, *, gain: float = 1.0, bias: float = 0.0) -> None:
    """Draw weights as Glorot and Bengio do (https://proceedings.mlr.press/v9/glorot10a.html)."""
    nn.init.xavier_normal_(layer.weight, gain=gain)  # type: ignore[arg-type]
    _fill_bias(layer, bias)


def normal(layer: nn.Module, *, mean: float = 0.0, std: float = 1.0, bias: float = 0.0) -> None:
    """Draw weights from a normal distribution."""
    nn.init.normal_(layer.weight, mean, std)  # type: ignore[arg-type]
    _fill_bias(layer, bias)


def trunc_normal(layer: nn.Module, *, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, bias: float = 0.0) -> None:
    """Draw weights from a normal distribution between ``a`` and ``b``."""
    nn.init.trunc_normal_(layer.weight, mean, std, a, b)  # type: ignore[arg-type]
    _fill_bias(layer, bias)


def uniform(layer: nn.Module, *, a: float = 0.0, b: float = 1.0, bias: float = 0.0) -> None:
    """Draw weights between ``a`` and ``b``."""
    nn.init.uniform_(layer.weight, a, b)  # type: ignore[arg-type]
    _fill_bias(layer, bias)


def constant(layer: nn.Module, *, val: float, bias: float = 0.0) -> None:
    """Set all weights to ``val``."""
    nn.init.constant_(layer.weight, val)  # type: ignore[arg-type]
    _fill_bias(layer, bias)


INITIALIZERS: dict[str, Callable[..., None]] = {
    "Kaiming": kaiming,
    "Xavier": xavier,
    "Normal": normal,
    "TruncNormal": trunc_normal,
    "Uniform": uniform,
    "Constant": constant,
}
"""Name in ``init_cfg`` -> how the weights of one layer are set."""


def _initialize(part: nn.Module, entry: Mapping[str, Any]) -> None:
    arguments = {str(key): value for key, value in entry.items() if key != "type"}
    name, place = entry.get("type"), f"init_cfg of {type(part).__name__}"
    if name == "Pretrained":
        if list(arguments) != ["checkpoint"]:
            raise ConfigError(f"{place}: {dict(entry)} given, dict(type='Pretrained', checkpoint=FILE) expected")
        logger.info("%s", load_weights(part, arguments["checkpoint"]).summary())
        return
    if not isinstance(name, str) or name not in INITIALIZERS:
        known = ["Pretrained", *INITIALIZERS]
        raise ConfigError(f"{place}: type {name!r} given, one of {', '.join(known)} expected{did_you_mean(str(name), known)}")
    layers = arguments.pop("layer", None)
    kinds = [layers] if isinstance(layers, str) else layers or []
    chosen = [module for module in part.modules() if type(module).__name__ in kinds]
    if not chosen:
        raise ConfigError(f"{place}: layer: {layers!r} given, the class of layers in it expected, e.g. 'Conv2d' or ['Conv2d', 'Linear']")
    for layer in chosen:
        INITIALIZERS[name](**fit_arguments(place, name, INITIALIZERS[name], {**arguments, "layer": layer}))


def _fill_bias(layer: nn.Module, value: float) -> None:
    if getattr(layer, "bias", None) is not None:
        nn.init.constant_(layer.bias, value)  # type: ignore[arg-type]
