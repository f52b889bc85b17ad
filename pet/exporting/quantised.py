"""ONNX files whose layers compute in int8, with ranges of values that were seen on real samples."""

import ast
import logging
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pet.exporting.runtime import export_package, first_line
from petlib.errors import ConfigError
from petlib.files import temporary_path

LAYERS = ("Conv", "Gemm", "MatMul", "ConvTranspose")
"""Operators that compute in int8; boxes, suppression, attention and normalisation stay in float32."""
SCOPES = "pkg.torch.onnx.name_scopes"
"""Where a node says which modules it belongs to, the outermost first, and after them its own name."""

logger = logging.getLogger(__name__)


class _Samples:
    """Gives samples one after another, as onnxruntime's calibration asks for them."""

    def __init__(self, samples: Sequence[Mapping[str, np.ndarray]]) -> None:
        self._samples = iter(samples)

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        return next(self._samples, None)


def quantise(source: Path, target: Path, samples: Sequence[Mapping[str, np.ndarray]], *, float_layers: Sequence[str] = ()) -> list[str]:
    """Write an ONNX file as one in int8, static and with a scale for each channel of the weights (QDQ), and return what stays float32.

    The last layers before the outputs stay in float32: the regression of boxes and the scores of small classes suffer most. So do
    products of two results (attention), which have no weights.

    Args:
        source: the file in float32.
        target: the new one.
        samples: inputs of the file, which the ranges of values are taken from.
        float_layers: regular expressions; layers whose weights have a name that one of them fits stay in float32 too.

    Returns:
        The names of the weights of the layers that stay in float32.

    Raises:
        ConfigError: onnxruntime cannot do it, an expression is wrong, or no layer is left.
    """
    onnx = export_package("onnx")
    model = onnx.load(str(source))
    layers = weighted_layers(model)
    last = last_layers(model)
    kept = {node: weight for node, weight in layers.items() if node in last or _fits(weight, float_layers)}
    if len(kept) == len(layers):
        raise ConfigError("quantise.float_layers: no layer is left to compute in int8; name fewer, or leave out this format")
    logger.info("export: %d of %d layers in int8, calibrated on %d samples", len(layers) - len(kept), len(layers), len(samples))
    with tempfile.TemporaryDirectory() as folder:
        prepared, written = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, prepared)
        _quantise(prepared, written, samples, sorted(set(layers) - set(kept)))
        copy_with_metadata(written, target, {entry.key: entry.value for entry in model.metadata_props})
    return sorted({*kept.values()})


def copy_with_metadata(source: Path, target: Path, metadata: Mapping[str, str]) -> None:
    """Write an ONNX file again, with other metadata."""
    onnx = export_package("onnx")
    model = onnx.load(str(source))
    onnx.helper.set_model_props(model, dict(metadata))
    with temporary_path(target) as temporary:
        onnx.save(model, temporary)


def _quantise(source: Path, target: Path, samples: Sequence[Mapping[str, np.ndarray]], nodes: Sequence[str]) -> None:
    # slow, and only needed here
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    try:
        with _without_hints():
            quantize_static(
                source,
                target,
                _Samples(samples),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_quantize=list(nodes),
                op_types_to_quantize=list(LAYERS),
            )
    except Exception as error:
        # its errors share no base class with a name
        raise ConfigError(f"export_formats.formats: onnxruntime cannot make an int8 file of this network: {first_line(error)}") from error


@contextmanager
def _without_hints() -> Iterator[None]:
    """Keep onnxruntime's hints, which it gives to the root logger, from the log."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def weighted_layers(model: Any) -> dict[str, str]:
    """Return the layers of an ONNX model that multiply by weights: the name of the node -> that of the weights in PyTorch."""
    weights = {entry.name for entry in model.graph.initializer}
    found = [(node, next((name for name in node.input if name in weights), "")) for node in model.graph.node if node.op_type in LAYERS]
    return {node.name: _name_of(node, weight) for node, weight in found if weight}


def _name_of(node: Any, weight: str) -> str:
    """Return the name of weights; those that the exporter transposed have lost theirs, and get that of their module."""
    scopes = next((entry.value for entry in node.metadata_props if entry.key == SCOPES), "[]")
    modules = [scope for scope in ast.literal_eval(scopes)[:-1] if scope]
    return weight if "." in weight or not modules else f"{modules[-1]}.weight"


def last_layers(model: Any) -> set[str]:
    """Return the nodes of the layers whose results reach an output of an ONNX model without another layer.

    The mean of a distribution (a product of weights with a softmax), as D-FINE has it for edges, is no other layer.
    """
    layers, producers = weighted_layers(model), {name: node for node in model.graph.node for name in node.output}
    waiting, seen, last = [output.name for output in model.graph.output], set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        node = producers.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.name in layers:
            last.add(node.name)
        if node.name not in layers or any(name in producers and producers[name].op_type == "Softmax" for name in node.input):
            waiting += node.input
    return last


def _fits(weight: str, expressions: Sequence[str]) -> bool:
    try:
        return any(re.search(expression, weight) for expression in expressions)
    except re.error as error:
        raise ConfigError(f"quantise.float_layers: {list(expressions)} given, regular expressions expected: {error}") from error
