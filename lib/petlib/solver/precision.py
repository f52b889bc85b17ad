"""Automatic mixed precision."""

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from petlib.config.typed import PetlibConfig
from petlib.distributed.process_group import is_main_process
from petlib.errors import ConfigError, name_in_errors
from petlib.solver.grad_scaler import WholeAndSharedGradScaler

logger = logging.getLogger(__name__)

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class MixedPrecision:
    """Which operations run in low precision, and the gradient scaler that 16-bit floats need.

    bf16 has the range of float32 and needs no scaler; it works on the CPU and on GPUs from the Ampere generation on.
    fp16 works on CUDA only.

    Args:
        enabled: whether low precision is used at all.
        dtype: ``"bf16"`` or ``"fp16"``.
        device: where the model computes.

    Raises:
        ConfigError: the device cannot train in this type.
    """

    def __init__(self, *, enabled: bool, dtype: Literal["bf16", "fp16"], device: torch.device) -> None:
        assert dtype in DTYPES, f"unknown precision {dtype!r}"
        if enabled:
            _check_device(dtype, device)
        self.enabled = enabled
        self.dtype = DTYPES[dtype]
        self.device_type = device.type
        self.scaler = WholeAndSharedGradScaler(device.type) if enabled and dtype == "fp16" else None

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context for a forward pass; it changes nothing where low precision is off."""
        return torch.autocast(self.device_type, dtype=self.dtype) if self.enabled else nullcontext()


def build_mixed_precision(cfg: PetlibConfig, device: torch.device) -> MixedPrecision:
    """Return what ``SOLVER.AMP`` asks for on ``device``.

    Raises:
        ConfigError: the device cannot train in this type.
    """
    dtype = choose_precision(cfg, device)
    if cfg.SOLVER.AMP.ENABLED == "auto" and is_main_process():
        place = torch.cuda.get_device_name(device) if device.type == "cuda" else f"the {device.type.upper()}"
        logger.info("SOLVER.AMP.ENABLED: auto is %s on %s", dtype or "off", place)
    with name_in_errors({"dtype": "SOLVER.AMP.DTYPE", "enabled": "SOLVER.AMP.ENABLED"}):
        return MixedPrecision(enabled=dtype is not None, dtype=dtype or "bf16", device=device)


def choose_precision(cfg: PetlibConfig, device: torch.device) -> Literal["bf16", "fp16"] | None:
    """Return the type that ``SOLVER.AMP`` asks for on ``device``, as it is or, with ``auto``, as the device can; None: full precision."""
    settings = cfg.SOLVER.AMP
    if settings.ENABLED != "auto":
        return settings.DTYPE if settings.ENABLED else None
    if device.type != "cuda":
        return None
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def _check_device(dtype: str, device: torch.device) -> None:
    if dtype == "fp16" and device.type != "cuda":
        raise ConfigError(
            f"dtype: fp16 cannot be trained on {device.type}; set it to bf16, which works on the CPU too, or enabled to False"
        )
    if dtype == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ConfigError(f"dtype: {torch.cuda.get_device_name(device)} has no bf16; set it to fp16, or enabled to False")
