"""The graph of a network as a file of ``torch.export``."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pet.exporting.runtime import first_line
from pet.exporting.tracing import FreeAxes, quiet, trace
from petlib.errors import CheckpointError, ConfigError

DESCRIPTION = "pet.json"
"""What lies next to the graph in the file: names of inputs and outputs, metadata."""


class ProgramFormat:
    """Writes and loads files of ``torch.export``, which only PyTorch runs."""

    goal = "torch.export"
    engine = "the loaded .pt2 file"

    def require(self) -> None:
        """Do nothing: PyTorch needs no further package."""

    def convert(
        self,
        network: nn.Module,
        examples: Mapping[str, Tensor],
        output_names: Sequence[str],
        free: FreeAxes | None,
        metadata: Mapping[str, str],
    ) -> bytes:
        """Return the file.

        Raises:
            ConfigError: the network cannot be traced.
        """
        program = trace(network, examples, free, goal=self.goal)
        shapes = {
            name: [axes.get(axis, length) for axis, length in enumerate(tensor.shape)]
            for (name, tensor), axes in zip(examples.items(), free or ({},) * len(examples), strict=True)
        }
        description = {"inputs": shapes, "outputs": list(output_names), "metadata": dict(metadata)}
        buffer = io.BytesIO()
        with quiet():
            torch.export.save(program, buffer, extra_files={DESCRIPTION: json.dumps(description)})
        return buffer.getvalue()

    def load(self, path: Path) -> "ProgramModel":
        """Return the file, ready to run."""
        return ProgramModel(path)


class ProgramModel:
    """A ``.pt2`` file of Pet, loaded; :class:`pet.exporting.OnnxModel` for the other format.

    Args:
        path: the file.

    Attributes:
        path: the file, as messages name it.
        module: takes the inputs as tensors, in order.
        inputs: the shape of each input, in order; a name replaces a length that is free.
        outputs: names of the outputs, in order.
        metadata: what the exporter wrote into the file.

    Raises:
        CheckpointError: the file is missing, damaged, or not one of Pet.
    """

    def __init__(self, path: str | Path) -> None:
        if not Path(path).is_file():
            raise CheckpointError(f"{path}: there is no such .pt2 file; export one first, or give the path of another")
        files: dict[str, Any] = {DESCRIPTION: ""}
        try:
            with quiet():
                self.module = torch.export.load(io.BytesIO(Path(path).read_bytes()), extra_files=files).module()
            description = json.loads(files[DESCRIPTION])
        except Exception as error:
            # zip, JSON and torch's own errors share no base class
            raise CheckpointError(f"{path}: not a .pt2 file of Pet: {first_line(error)}; export it again") from error
        self.path = Path(path)
        self.inputs: dict[str, tuple[int | str | None, ...]] = {name: tuple(shape) for name, shape in description["inputs"].items()}
        self.outputs: list[str] = description["outputs"]
        self.metadata: dict[str, str] = description["metadata"]

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs, in order, for one array an input.

        Raises:
            ConfigError: a name or shape is not what the file was exported for.
        """
        if set(arrays) != set(self.inputs):
            raise ConfigError(f"{self.path}: inputs {sorted(arrays)} given, {sorted(self.inputs)} expected")
        try:
            with torch.inference_mode():
                outputs = self.module(*(torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in self.inputs))
        except (AssertionError, RuntimeError, ValueError) as error:
            shapes = {name: array.shape for name, array in arrays.items()}
            raise ConfigError(
                f"{self.path}: it does not take {shapes}, {self.inputs} expected: {first_line(error)}; export with another size"
            ) from error
        tensors: list[Tensor] = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        return [tensor.numpy() for tensor in tensors]
