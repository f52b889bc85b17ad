"""Whether an exported file gives what PyTorch gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

Measure = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], float]
"""From the outputs of a file and those of PyTorch to the difference between them."""

DRAWN = 2
"""Random inputs in addition to the example where all shapes are fixed."""

SMALLEST_EDGE = 32


class LoadedModel(Protocol):
    """An exported file, ready to run.

    Attributes:
        path: the file, as messages name it.
        inputs: the shape of each input, in order.
    """

    path: Path
    inputs: dict[str, tuple[int | str | None, ...]]

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs for one array an input."""


@dataclass(frozen=True)
class Checks:
    """What files are compared on.

    Attributes:
        inputs: of each comparison.
        expected: the right outputs for them.
        measure: gives the difference.
    """

    inputs: Sequence[Mapping[str, np.ndarray]]
    expected: Sequence[Sequence[np.ndarray]]
    measure: Measure

    def difference(self, model: "LoadedModel") -> float:
        """Return the greatest difference of a file; NaN where one of them is."""
        pairs = zip(self.inputs, self.expected, strict=True)
        differences = [
            self.measure(model({name: value for name, value in given.items() if name in model.inputs}), right) for given, right in pairs
        ]
        return max(differences, key=_nan_last)


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        largest_difference: see :attr:`pet.exporting.ExportReport.largest_difference`; NaN where only one of the two is a number,
            infinite where shapes differ.
        worst_shape: of the first input that it was found with.
        shapes: of the first inputs that were compared.
        inputs: of the file, see :attr:`pet.exporting.OnnxModel.inputs`.
        checks: for further files.
    """

    largest_difference: float
    worst_shape: tuple[int, ...]
    shapes: list[tuple[int, ...]]
    inputs: dict[str, tuple[int | str | None, ...]]
    checks: Checks


def make_variants(examples: Mapping[str, Tensor], *, dynamic: bool, free_batch: bool = True) -> list[dict[str, Tensor]]:
    """Return inputs to compare with: the example, and random ones in its range of values.

    With ``dynamic`` they have other sizes of the batch (where it is free), and of images (B, C, H, W) odd, smaller and larger heights and
    widths, so that padding to a multiple and resizing to the size of the input show whether they depend on the example.
    """
    generator = torch.Generator().manual_seed(0)
    if not dynamic:
        drawn = [{name: _like(tensor, tuple(tensor.shape), generator) for name, tensor in examples.items()} for _ in range(DRAWN)]
    else:
        changes = [(1, (1.0, 0), (1.0, 0)), (3, (1.0, 37), (1.0, 11)), (2, (0.75, -5), (1.0, 64))]
        batches = [batch if free_batch else 1 for batch, *_ in changes]
        drawn = [
            {name: _like(tensor, _changed(tuple(tensor.shape), batch, *edges), generator) for name, tensor in examples.items()}
            for batch, (_, *edges) in zip(batches, changes, strict=True)
        ]
    return [dict(examples), *drawn]


def compare(network: nn.Module, model: LoadedModel, variants: Sequence[Mapping[str, Tensor]], measure: Measure) -> Comparison:
    """Run a network and its file on the same inputs.

    Args:
        network: on the CPU, in evaluation.
        model: the file.
        variants: inputs in the order of the arguments of ``forward``, under their names in the file.
        measure: gives the difference between their outputs.

    Raises:
        ConfigError: the file does not run for one of the inputs.
    """
    differences, rights = [], []
    for inputs in variants:
        with torch.inference_mode():
            expected = flat_outputs(network(*inputs.values()))
        # what the network does not use is no input of the file
        found = model({name: tensor.numpy() for name, tensor in inputs.items() if name in model.inputs})
        rights.append([tensor.numpy() for tensor in expected])
        differences.append(measure(found, rights[-1]))
    shapes = [tuple(next(iter(inputs.values())).shape) for inputs in variants]
    worst = max(range(len(differences)), key=lambda index: _nan_last(differences[index]))
    checks = Checks([{name: tensor.numpy() for name, tensor in inputs.items()} for inputs in variants], rights, measure)
    return Comparison(differences[worst], shapes[worst], shapes, model.inputs, checks)


def largest_difference(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """Return the largest :func:`relative_difference` of any output; NaN where one of them is."""
    return max((relative_difference(one, other) for one, other in zip(found, expected, strict=True)), key=_nan_last)


def flat_outputs(outputs: Any) -> list[Tensor]:
    """Return the tensors of an output: itself, or those of a list, tuple or dictionary, in order."""
    if isinstance(outputs, Tensor):
        return [outputs]
    values = outputs.values() if isinstance(outputs, Mapping) else outputs
    return [tensor for value in values for tensor in flat_outputs(value)]


def _changed(shape: tuple[int, ...], batch: int, height: tuple[float, int], width: tuple[float, int]) -> tuple[int, ...]:
    if len(shape) != 4:
        return (batch, *shape[1:])
    edges = [
        max(int(length * factor) + more, min(length, SMALLEST_EDGE))
        for length, (factor, more) in zip(shape[2:], (height, width), strict=True)
    ]
    return batch, shape[1], *edges


def _like(example: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return uniformly drawn values between the smallest and the largest one of an example."""
    low, high = float(example.min()), float(example.max())
    drawn = torch.rand(shape, generator=generator) * (high - low) + low
    return (drawn if example.is_floating_point() else drawn.round()).to(example.dtype)


def relative_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of two arrays; where the expected one has values above 1, divided by the largest.

    NaN where only one of the two is a number, infinite where shapes differ.
    """
    if found.shape != expected.shape:
        return float("inf")
    if not found.size:
        return 0.0
    one, other = found.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        difference = float(np.where(same, 0.0, np.abs(one - other)).max())
    return difference / max(float(np.abs(other[np.isfinite(other)]).max(initial=0.0)), 1.0)


def _nan_last(value: float) -> tuple[bool, float]:
    return np.isnan(value), 0.0 if np.isnan(value) else value
