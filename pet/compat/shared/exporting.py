"""A network of a user becomes a file, by the one flow of :mod:`pet.exporting`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pet.exporting.export import ExportReport
from pet.exporting.network import ExportSettings, TaskNetwork, export_network
from pet.exporting.runtime import first_line
from pet.exporting.verify import flat_outputs
from petlib.errors import ConfigError


def export_user_network(
    network: nn.Module,
    examples: Mapping[str, Tensor],
    path: Path,
    *,
    output_names: Sequence[str],
    settings: ExportSettings,
    half: Sequence[str] = (),
    samples: Sequence[Mapping[str, Tensor]] = (),
    place: str,
    advice: str,
) -> ExportReport:
    """Write what a network computes, after a first call of it that reports a mistake in the layer's words.

    Args:
        network: in evaluation, with its trained weights; it is not Pet's own.
        examples: an example of each input under its name in the file.
        path: the file, ``.onnx`` or ``.pt2``.
        output_names: of the tensors that it gives; empty: ``output``, or ``output0`` and so on.
        settings: how the file is made.
        half: names of the modules below it that compute in float16 where the settings ask for that.
        samples: further inputs to compare with.
        place: where the config declares inputs and outputs, for messages.
        advice: what to do about inputs that the network cannot compute with.

    Raises:
        ConfigError: names, inputs and network do not go together, it cannot be exported, or the file does not give what PyTorch gives;
            no file is left.
        OutputError: the file cannot be written.
    """
    count = _try_inputs(network, examples, place=place, advice=advice)
    names = list(output_names) or (["output"] if count == 1 else [f"output{number}" for number in range(count)])
    if len(names) != count or len(set(names)) != count:
        raise ConfigError(f"{place}: the names {names} given to the outputs, but the network gives {count} tensors, each with its own name")
    task = TaskNetwork(network=network, output_names=names, half=half)
    return export_network(task, examples, path, settings=settings, samples=samples)


def _try_inputs(network: nn.Module, examples: Mapping[str, Tensor], *, place: str, advice: str) -> int:
    """Return how many tensors a network gives for examples of its inputs."""
    try:
        with torch.inference_mode():
            return len(flat_outputs(network(*examples.values())))
    except Exception as error:
        # what a network of the user raises for a shape can be anything
        shapes = {name: list(tensor.shape) for name, tensor in examples.items()}
        raise ConfigError(
            f"{place}: the network cannot compute with the inputs {shapes}: {type(error).__name__}: {first_line(error)}; {advice}"
        ) from error
