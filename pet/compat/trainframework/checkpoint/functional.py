"""Weights and states of networks, wrapped for several processes or not."""

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from petlib.checkpoint.weights import load_state
from petlib.distributed import unwrap


class HasState(Protocol):
    """A network, an optimizer or a schedule."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state by name."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Take a state."""
        ...


def get_model_state_dict(model: HasState) -> dict[str, Any]:
    """Return the state of a network without the names of what wraps it, or of an optimizer or a schedule."""
    return unwrap(model).state_dict() if isinstance(model, nn.Module) else model.state_dict()


def load_model_state_dict(model: nn.Module, state_dict: Mapping[str, Tensor], log_name: str | None = None) -> None:
    """Take the tensors that fit and log what does not.

    Args:
        model: the network.
        state_dict: tensors by name.
        log_name: of the logger that writes it; None: this module's.

    Raises:
        CheckpointError: nothing fits.
    """
    report = load_state(unwrap(model), state_dict, "load_model_state_dict")
    level = logging.INFO if report.complete else logging.WARNING
    logging.getLogger(log_name or __name__).log(level, "%s", report.summary())


def load_checkpoint_state_dict(model: HasState, state_dict: dict[str, Any]) -> None:
    """Take a state that has to fit exactly."""
    target = unwrap(model) if isinstance(model, nn.Module) else model
    target.load_state_dict(state_dict)
