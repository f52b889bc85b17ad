"""A first call of a network that somebody else wrote, before it is exported."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pet.export.runtime import first_line
from pet.export.verify import flat_outputs
from petlib.errors import ConfigError


def try_inputs(network: nn.Module, examples: Mapping[str, Tensor], *, place: str, advice: str) -> int:
    """Return how many tensors a network gives for examples of its inputs.

    Args:
        network: in evaluation.
        examples: by name, in the order of the arguments of ``forward``.
        place: where the inputs are declared, for messages.
        advice: what to do, for messages.

    Raises:
        ConfigError: it cannot compute with their shapes.
    """
    try:
        with torch.inference_mode():
            return len(flat_outputs(network(*examples.values())))
    except Exception as error:
        # what a network of the user raises for a shape can be anything
        shapes = {name: list(tensor.shape) for name, tensor in examples.items()}
        raise ConfigError(
            f"{place}: the network cannot compute with the inputs {shapes}: {type(error).__name__}: {first_line(error)}; {advice}"
        ) from error
