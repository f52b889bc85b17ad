"""From a network to an ONNX file that is known to give the same results."""

import copy
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from pet.export.packages import export_package
from pet.export.pooling import with_matrix_pooling
from pet.export.runtime import first_line
from pet.export.verify import Comparison, compare, flat_outputs, make_variants
from petlib.errors import ConfigError, OutputError

OPSET = 18
NO_METADATA: Mapping[str, str] = MappingProxyType({})
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
NOISY_LOGGERS = ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir")
IMAGE_DIMENSIONS = {0: "batch", 2: "height", 3: "width"}
BATCH_DIMENSION = {0: "batch"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes:
        path: the file.
        size: of the file, bytes.
        inputs: the shape of each input in order; a name stands for a length that is free.
        outputs: names of the outputs in order.
        opset: version of ONNX's operators.
        largest_difference: between an output of PyTorch and one of onnxruntime; where it has values above 1, divided by the largest.
        checked: shapes of the first input that were compared.
    """

    path: Path
    size: int
    inputs: dict[str, tuple[int | str | None, ...]]
    outputs: list[str]
    opset: int
    largest_difference: float
    checked: list[tuple[int, ...]]


def export_onnx(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    path: Path,
    *,
    output_names: Sequence[str],
    dynamic: bool,
    opset: int = OPSET,
    tolerance: float = 1e-4,
    metadata: Mapping[str, str] = NO_METADATA,
) -> ExportReport:
    """Write a network as an ONNX file, after onnxruntime gave what PyTorch gives.

    The export works on a copy of the network on the CPU, in evaluation; the network itself stays as it is. Until the comparison has
    succeeded there is only a file with a temporary name, so that an older file is not replaced by a wrong one.

    Args:
        model: gives a tensor, or a list, tuple or dictionary of tensors.
        inputs: an example of each input under the name that it has in the file, in the order of the arguments of ``forward``.
        path: the file; its folder is made.
        output_names: a name for each tensor of the output.
        dynamic: the size of the batch is free, and of inputs (B, C, H, W) also height and width; all inputs share them. The file is
            then compared with other sizes as well.
        opset: version of ONNX's operators.
        tolerance: largest difference between two values that is accepted; where an output has values above 1, as a share of
            its largest one, since float32 is as exact as that.
        metadata: kept in the file, see :attr:`pet.export.OnnxModel.metadata`.

    Raises:
        ConfigError: a package is missing, the exporter does not know the network, the number of outputs is another one, the file
            does not run, or the results differ by more than the tolerance.
        OutputError: the file cannot be written.
    """
    for package in PACKAGES:
        export_package(package)
    network = copy.deepcopy(model).cpu().eval()
    examples = {name: tensor.detach().cpu() for name, tensor in inputs.items()}
    _check_outputs(network, examples, output_names)
    if dynamic:
        proto = _convert(with_matrix_pooling(network), _large_batch(examples), output_names, dynamic=True, opset=opset)
    else:
        proto = _convert(network, examples, output_names, dynamic=False, opset=opset)
    export_package("onnx").helper.set_model_props(proto, dict(metadata))
    temporary = _make_folder(path.parent) / f".{path.name}.{os.getpid()}.tmp"
    try:
        _write(temporary, proto.SerializeToString())
        found = compare(network, temporary, make_variants(examples, dynamic=dynamic), name=path)
        _check_difference(path, found, tolerance)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    size = path.stat().st_size
    logger.info(
        "%s: %.1f MB, largest difference to PyTorch %.2g on %d inputs", path, size / 1e6, found.largest_difference, len(found.shapes)
    )
    return ExportReport(path, size, found.inputs, list(output_names), opset, found.largest_difference, found.shapes)


def _check_outputs(network: nn.Module, examples: Mapping[str, Tensor], output_names: Sequence[str]) -> None:
    with torch.inference_mode():
        count = len(flat_outputs(network(*examples.values())))
    if count != len(output_names):
        raise ConfigError(
            f"export: {len(output_names)} names of outputs ({', '.join(output_names)}) given, the network has {count} outputs"
        )


def _large_batch(examples: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the examples as a batch of two at least: torch.export takes a length of 1 for one that is always 1."""
    return {name: tensor if len(tensor) > 1 else torch.cat([tensor, tensor]) for name, tensor in examples.items()}


def _convert(network: nn.Module, examples: Mapping[str, Tensor], output_names: Sequence[str], *, dynamic: bool, opset: int) -> Any:
    """Return the network as a ``ModelProto``."""
    shapes = tuple(dict(IMAGE_DIMENSIONS if tensor.ndim == 4 else BATCH_DIMENSION) for tensor in examples.values())
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                tuple(examples.values()),
                input_names=list(examples),
                output_names=list(output_names),
                opset_version=opset,
                dynamo=True,
                dynamic_shapes=shapes if dynamic else None,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = first_line(error.__cause__ or error)
        advice = "; try fixed shapes" if dynamic else ""
        raise ConfigError(f"{type(network).__name__} cannot be exported to ONNX: {reason}{advice}") from error
    assert program is not None, "the exporter gave nothing"
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress, hints and deprecation warnings from the console; its exceptions pass."""
    levels = {name: logging.getLogger(name).level for name in NOISY_LOGGERS}
    try:
        for name in NOISY_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _check_difference(path: Path, found: Comparison, tolerance: float) -> None:
    # a difference that is not a number is too large as well
    if not found.largest_difference <= tolerance:
        raise ConfigError(
            f"{path}: onnxruntime and PyTorch differ by {found.largest_difference:.3g} (input of shape {found.worst_shape}), at most "
            f"{tolerance:g} accepted; nothing was written. A network that draws random numbers in evaluation cannot be exported"
        )


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made: {error.strerror}; choose another one") from error
    return folder


def _write(path: Path, data: bytes) -> None:
    try:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{path.parent}: the ONNX file cannot be written: {error.strerror}; choose another folder") from error
