"""Gradient clipping."""

from collections.abc import Iterable
from typing import Literal

from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from petlib.config.typed import PetlibConfig
from petlib.errors import ConfigError


class GradientClipper:
    """Limits gradients in place, after the backward pass and before the optimizer steps.

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
        if self.method == "value":
            clip_grad_value_(parameters, self.value)
            return None
        norm = clip_grad_norm_(parameters, self.value, norm_type=self.norm_type)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm


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
