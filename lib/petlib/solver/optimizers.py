"""Optimizers by name, in their fused form where torch has one, and what limits their gradients."""

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from petlib.config import solver_defaults
from petlib.config.typed import PetlibConfig
from petlib.distributed.row_sharded import is_sharded
from petlib.errors import ConfigError
from petlib.registry import Registry
from petlib.suggest import did_you_mean

OPTIMIZERS = Registry("optimizer", {**{name: f"torch.optim:{name}" for name in solver_defaults.OPTIMIZERS}, "Lars": "timm.optim.lars:Lars"})

logger = logging.getLogger(__name__)


def make_optimizer(
    groups: Sequence[Mapping[str, Any]],
    *,
    name: str,
    settings: Mapping[str, Any],
    arguments: Mapping[str, Any],
    fused: Literal["auto", "always", "never"] = "auto",
) -> Optimizer:
    """Return the optimizer ``name`` of :data:`OPTIMIZERS`.

    Args:
        groups: parameter groups with ``params``, ``lr`` and ``weight_decay``; what the optimizer does not take is dropped.
        name: e.g. ``"AdamW"``.
        settings: values for arguments that many optimizers share, e.g. ``momentum``; passed where it takes them.
        arguments: values for further arguments by the optimizer's own names; each has to exist.
        fused: the implementation that updates all parameters in one kernel: where torch has one for these parameters
            (``"auto"``), always or never. On the CPU it takes about half of the time or less, with the same results up to rounding.

    Raises:
        ConfigError: the optimizer is unknown, does not take one of ``arguments``, refuses a value, or has no fused form
            although it must be used.
    """
    factory = OPTIMIZERS.get(name)
    taken, takes_any = _arguments(factory)
    _check_arguments(name, arguments, settings, taken, takes_any)
    keywords = {key: value for key, value in settings.items() if key in taken} | dict(arguments)
    kept = [{key: value for key, value in group.items() if key == "params" or key in taken or takes_any} for group in groups]
    if fused == "always" or (fused == "auto" and "fused" in taken):
        reason = _why_not_fused(factory, kept, keywords) if "fused" in taken else "it has no such form"
        if reason and fused == "always":
            raise ConfigError(f"fused: {name} cannot be fused here: {reason}; set it to auto or never")
        if not reason:
            keywords["fused"] = True
    return _construct(factory, name, kept, keywords)


def _arguments(factory: Callable[..., Any]) -> tuple[list[str], bool]:
    """Return the names of the arguments behind the parameters, and whether any further name is taken."""
    parameters = list(inspect.signature(factory).parameters.values())[1:]
    named = [item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
    return named, any(item.kind is item.VAR_KEYWORD for item in parameters)


def _check_arguments(name: str, arguments: Mapping[str, Any], settings: Mapping[str, Any], taken: Sequence[str], takes_any: bool) -> None:
    keys = {"lr", "weight_decay", "fused", *settings}
    for key in arguments:
        place = f"arguments.{key}"
        if key in keys:
            raise ConfigError(f"{place}: this argument has a place of its own; set settings.{key} instead")
        if key not in taken and not takes_any:
            free = [argument for argument in taken if argument not in keys]
            raise ConfigError(f"{place}: {name} has no such argument{did_you_mean(key, free)}; there are {', '.join(free)}")


def _why_not_fused(factory: Callable[..., Any], groups: Sequence[Mapping[str, Any]], keywords: Mapping[str, Any]) -> str:
    """Return an empty string if the fused form takes a step on placeholders of the parameters, else what torch says.

    Tried, and not looked up: which devices, types and arguments torch supports differs between its versions.
    """
    smallest: dict[tuple[type, torch.device, torch.dtype], Tensor] = {}
    for parameter in sorted((parameter for group in groups for parameter in group["params"]), key=torch.numel):
        smallest.setdefault((type(parameter), parameter.device, parameter.dtype), parameter)
    placeholders = [torch.nn.Parameter(torch.zeros_like(parameter)) for parameter in smallest.values()]
    for placeholder in placeholders:
        placeholder.grad = torch.zeros_like(placeholder)
    try:
        factory(placeholders, **keywords, fused=True).step()
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        return str(error).strip().split("\n", maxsplit=1)[0]
    return ""


def _construct(factory: Callable[..., Any], name: str, groups: Sequence[Mapping[str, Any]], keywords: Mapping[str, Any]) -> Optimizer:
    try:
        optimizer: Optimizer = factory(list(groups), **keywords)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"settings: {name} refuses its arguments: {error}") from error
    return optimizer


def gradients_of(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return the gradients that are there."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def begin_momenta(optimizer: Optimizer) -> None:
    """Give the parameters of SGD that had no gradient so far a momentum of zero, before they learn next to others that have one.

    Their first step is the same with it; the fused form of SGD cannot step some parameters with a momentum and some without.
    """
    if not isinstance(optimizer, torch.optim.SGD):
        return
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] and not group["dampening"] else ():
            if optimizer.state[parameter].get("momentum_buffer") is None:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


class GradientClipper:
    """Limits gradients in place, after the backward pass and before the optimizer steps; some or all may be sharded over the processes.

    Args:
        method: ``"norm"`` scales all gradients by one factor so that their joint norm does not exceed ``value``;
            ``"value"`` cuts every element to ``[-value, value]``.
        value: the limit, greater than 0.
        norm_type: order of the norm; infinity is the greatest absolute element.
    """

    def __init__(self, *, method: Literal["norm", "value"], value: float, norm_type: float = 2.0) -> None:
        assert method in ("norm", "value"), f"unknown clipping method {method!r}"
        assert value > 0, f"gradients cannot be clipped to {value}"
        self.method = method
        self.value = value
        self.norm_type = norm_type

    def __call__(self, parameters: Iterable[Tensor]) -> Tensor | None:
        """Clip the gradients of ``parameters``.

        Returns:
            The norm before clipping, a scalar tensor that stays on its device; None for the method ``"value"``.
        """
        # torch takes no list of both
        sharded: list[Tensor] = []
        whole: list[Tensor] = []
        for parameter in parameters:
            (sharded if is_sharded(parameter) else whole).append(parameter)
        kinds = [kind for kind in (whole, sharded) if kind]
        if self.method == "value":
            for kind in kinds:
                clip_grad_value_(kind, self.value)
            return None
        norms = [get_total_norm(gradients_of(kind), self.norm_type) for kind in kinds]
        norms = [norm.full_tensor() if is_sharded(norm) else norm for norm in norms]
        norm = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms), self.norm_type)
        for kind in kinds:
            clip_grads_with_norm_(kind, self.value, norm)
        return norm


def build_gradient_clipper(cfg: PetlibConfig) -> GradientClipper | None:
    """Return what ``SOLVER.CLIP_GRADIENTS`` asks for; None where gradients are not clipped.

    Raises:
        ConfigError: the limit is 0.
    """
    options = cfg.SOLVER.CLIP_GRADIENTS
    if options.METHOD == "none":
        return None
    if options.VALUE <= 0:
        raise ConfigError(f"SOLVER.CLIP_GRADIENTS.VALUE: {options.VALUE:g} would erase all gradients; a number greater than 0 expected")
    return GradientClipper(method=options.METHOD, value=options.VALUE)
