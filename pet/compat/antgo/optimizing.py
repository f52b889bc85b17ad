"""Optimizer, schedule and step of a training from ``optimizer``, ``optimizer_config`` and ``lr_config``."""

import torch
from torch import nn
from torch.optim import Optimizer

from pet.compat.antgo.settings import RunSettings
from pet.compat.shared.building import check_argument_names
from petlib import engine
from petlib.arguments import fit_arguments
from petlib.config import CfgNode, ConfigError
from petlib.config.nested import Component
from petlib.solver.build import build_optimizer
from petlib.solver.clipping import GradientClipper
from petlib.solver.optimizers import OPTIMIZERS
from petlib.solver.precision import build_mixed_precision


def build_checked_optimizer(network: nn.Module, cfg: CfgNode, settings: RunSettings) -> Optimizer:
    """Return the optimizer of the config for a network that is on its device.

    Raises:
        ConfigError: there is no such optimizer, or it does not take or refuses an argument.
    """
    optimizer = settings.components["optimizer"]
    try:
        return build_optimizer(network, cfg)
    except ConfigError as error:
        raise ConfigError(f"{optimizer.place}: {error}") from error


def check_optimizer(settings: RunSettings) -> None:
    """Check that there is an optimizer and that it takes the arguments of the config.

    Raises:
        ConfigError: there is none, none of this name, or it has no such argument.
    """
    optimizer = settings.components.get("optimizer")
    if optimizer is None:
        raise ConfigError(f"optimizer: missing in {settings.name}; optimizer = dict(type='SGD', lr=0.01, momentum=0.9) expected")
    check_argument_names(OPTIMIZERS, optimizer, own=["params"])


def build_step(cfg: CfgNode, settings: RunSettings, device: torch.device) -> engine.DefaultStep:
    """Return the iteration, which clips gradients as ``optimizer_config.grad_clip`` says.

    Raises:
        ConfigError: an argument of the clipping is unknown or wrong.
    """
    clipping = settings.components.get("optimizer_config.grad_clip")
    return engine.DefaultStep(
        accumulation=1,
        clipper=None if clipping is None else read_clipper(clipping),
        precision=build_mixed_precision(cfg, device),
        metrics=cfg.TRAIN.METRICS_ON,
        guard=engine.build_step_guard(cfg),
    )


def read_clipper(clipping: Component) -> GradientClipper:
    """Return what limits the gradients as ``torch.nn.utils.clip_grad_norm_`` with the arguments of the config.

    Raises:
        ConfigError: an argument is unknown or wrong.
    """
    try:
        arguments = fit_arguments("grad_clip", clipping.name, clip_grad_norm, clipping.arguments)
    except ConfigError as error:
        raise ConfigError(f"{clipping.place}: {error}") from error
    if arguments["max_norm"] <= 0.0:
        raise ConfigError(f"{clipping.place}: max_norm {arguments['max_norm']:g} given, a number above 0 expected")
    return clip_grad_norm(**arguments)


def clip_grad_norm(max_norm: float, norm_type: float = 2.0) -> GradientClipper:
    """Return the clipper with these arguments of ``clip_grad_norm_``; a norm that is not finite is the affair of the loss's guard."""
    return GradientClipper(method="norm", value=max_norm, norm_type=norm_type)
