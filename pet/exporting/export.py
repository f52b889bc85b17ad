"""From a network to a file that is known to give the same results."""

import copy
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pet.exporting.any_size import with_free_sizes
from pet.exporting.limit import time_limit
from pet.exporting.onnx_file import OnnxFormat
from pet.exporting.program_file import ProgramFormat
from pet.exporting.tracing import FreeAxes
from pet.exporting.verify import Checks, Comparison, LoadedModel, Measure, compare, flat_outputs, largest_difference, make_variants
from petlib.errors import ConfigError, OutputError
from petlib.files import temporary_path, writing_errors

OPSET = 18
NO_METADATA: Mapping[str, str] = MappingProxyType({})
BATCH_AXIS = {0: "batch"}
IMAGE_AXES = {2: "height", 3: "width"}
PROGRAM_SUFFIX = ".pt2"
TIME_LIMIT = 900.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FormatReport:
    """A file that was measured on the test data.

    Attributes:
        name: ``onnx``, or one of ``EXPORT.FORMATS``.
        path: the file.
        difference: the largest to PyTorch on samples; infinite where objects of one have no partner in the other.
        metric: name of the main metric.
        value: of that.
        drop: how much worse it is than that of PyTorch.
        kept: the file is there.
    """

    name: str
    path: Path
    difference: float
    metric: str
    value: float
    drop: float
    kept: bool

    def summary(self) -> str:
        """Return the figures in one line, for a log."""
        difference = f"{self.difference:.2g}" if math.isfinite(self.difference) else "that of other objects"
        return f"{self.path.name} ({self.name}): {self.metric} {self.value:.4f}, drop {self.drop:.4f}, largest difference {difference}"

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON holds them; what is not finite is None."""
        files = [self.path, *([self.path.with_suffix(".bin")] if self.path.suffix == ".xml" else [])]
        numbers = {"difference": self.difference, "value": self.value, "drop": self.drop}
        return {
            "format": self.name,
            "file": self.path.name,
            "kept": self.kept,
            "bytes": sum(path.stat().st_size for path in files) if self.kept else None,
            **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
        }


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes:
        path: the file.
        size: of the file, bytes.
        inputs: the shape of each input in order; a name replaces a length that is free.
        outputs: names of the outputs in order.
        opset: version of ONNX's operators; 0 of a file of torch.export.
        largest_difference: between an output of PyTorch and one of the file; where it has values above 1, divided by the largest.
        checked: shapes of the first input that were compared.
        note: what the inputs were, and further figures of the comparison.
        script: a program next to the file that predicts with it; None: there is none.
        checks: what further files are compared on.
        formats: what was made of the file, itself first.
        float_layers: see :attr:`pet.exporting.TaskNetwork.float_layers`.
    """

    path: Path
    size: int
    inputs: dict[str, tuple[int | str | None, ...]]
    outputs: list[str]
    opset: int
    largest_difference: float
    checked: list[tuple[int, ...]]
    note: str = ""
    script: Path | None = None
    checks: Checks | None = None
    formats: Sequence[FormatReport] = ()
    float_layers: Sequence[str] = ()

    def summary(self) -> str:
        """Return file, size and difference in one line, for a log."""
        inputs = len(self.checked)
        return f"{self.path}: {self.size / 1e6:.1f} MB, largest difference to PyTorch {self.largest_difference:.2g} on {inputs} inputs"


class FileFormat(Protocol):
    """What a kind of file can do.

    Attributes:
        goal: its name.
        engine: what runs it.
    """

    goal: str
    engine: str

    def require(self) -> None:
        """Raise a ConfigError where a package is missing."""

    def convert(
        self,
        network: nn.Module,
        examples: Mapping[str, Tensor],
        output_names: Sequence[str],
        free: FreeAxes | None,
        metadata: Mapping[str, str],
    ) -> bytes:
        """Return the content of the file."""

    def load(self, path: Path) -> LoadedModel:
        """Return a file, ready to run."""


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
    """Write a network as an ONNX file, after onnxruntime gave what PyTorch gives; see :func:`export_model`."""
    return _export(
        OnnxFormat(opset), model, inputs, path, output_names=output_names, dynamic=dynamic, tolerance=tolerance, metadata=metadata
    )


def export_model(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    path: Path,
    *,
    output_names: Sequence[str],
    dynamic: bool,
    tolerance: float,
    metadata: Mapping[str, str] = NO_METADATA,
    reference: nn.Module | None = None,
    samples: Sequence[Mapping[str, Tensor]] = (),
    measure: Measure = largest_difference,
    describe: Callable[[], str] = str,
    free_batch: bool = True,
    opset: int = OPSET,
    time_limit: float = TIME_LIMIT,
) -> ExportReport:
    """Write a network as a file, after the file gave what PyTorch gives: ONNX, or of torch.export where the name ends with ``.pt2``.

    The export works on a copy of the network on the CPU, in evaluation; the network itself stays as it is. Until the comparison has
    succeeded there is only a file with a temporary name, so that an older file is not replaced by a wrong one.

    Args:
        model: gives a tensor, or a list, tuple or dictionary of tensors.
        inputs: an example of each input under the name that it has in the file, in the order of the arguments of ``forward``.
        path: the file; its folder is made.
        output_names: a name for each tensor of the output.
        dynamic: the size of the batch is free, and of inputs (B, C, H, W) also height and width; all inputs share them. The file is
            then compared with other sizes as well.
        tolerance: largest difference between two values that is accepted; where an output has values above 1, as a share of
            its largest one, since float32 is as exact as that.
        metadata: kept in the file, see :attr:`pet.exporting.OnnxModel.metadata`.
        reference: the network whose outputs are the right ones; None: ``model``.
        samples: further inputs to compare with, of the shapes that the file takes.
        measure: gives the difference between the outputs of the file and the right ones.
        describe: asked after the comparison what a report says of it; raises a ConfigError where it shows nothing.
        free_batch: False: the size of the batch stays that of the examples, with ``dynamic`` too.
        opset: version of ONNX's operators.
        time_limit: of tracing and conversion, seconds; 0: none.

    Raises:
        ConfigError: a package is missing, the exporter cannot do it or not in time, or the file does not give what PyTorch gives.
        OutputError: the file cannot be written.
    """
    return _export(
        ProgramFormat() if path.suffix == PROGRAM_SUFFIX else OnnxFormat(opset),
        model,
        inputs,
        path,
        output_names=output_names,
        dynamic=dynamic,
        tolerance=tolerance,
        metadata=metadata,
        reference=reference,
        samples=samples,
        measure=measure,
        describe=describe,
        free_batch=free_batch,
        seconds=time_limit,
    )


def _export(
    file_format: FileFormat,
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    path: Path,
    *,
    output_names: Sequence[str],
    dynamic: bool,
    tolerance: float,
    metadata: Mapping[str, str],
    reference: nn.Module | None = None,
    samples: Sequence[Mapping[str, Tensor]] = (),
    measure: Measure = largest_difference,
    describe: Callable[[], str] = str,
    free_batch: bool = True,
    seconds: float = TIME_LIMIT,
) -> ExportReport:
    file_format.require()
    network = copy.deepcopy(model).cpu().eval()
    right = network if reference is None else copy.deepcopy(reference).cpu().eval()
    examples = {name: tensor.detach().cpu() for name, tensor in inputs.items()}
    _check_outputs(right, examples, output_names)
    with time_limit(seconds, advice=_advice(dynamic=dynamic)):
        if dynamic:
            free = tuple({**(BATCH_AXIS if free_batch else {}), **(IMAGE_AXES if tensor.ndim == 4 else {})} for tensor in examples.values())
            traced = _large_batch(examples) if free_batch else examples
            data = file_format.convert(with_free_sizes(network), traced, output_names, free, metadata)
        else:
            data = file_format.convert(network, examples, output_names, None, metadata)
    _make_folder(path.parent)
    with temporary_path(path) as temporary:
        _write(temporary, data)
        loaded = file_format.load(temporary)
        loaded.path = path
        variants = [*make_variants(examples, dynamic=dynamic, free_batch=free_batch), *samples]
        logger.info("export: comparing %s with PyTorch on %d inputs", file_format.engine, len(variants))
        found = compare(right, loaded, variants, measure)
        _check_difference(path, found, tolerance, file_format.engine)
        note = describe()
    size = path.stat().st_size
    opset = file_format.opset if isinstance(file_format, OnnxFormat) else 0
    return ExportReport(
        path, size, found.inputs, list(output_names), opset, found.largest_difference, found.shapes, note, checks=found.checks
    )


def _check_outputs(network: nn.Module, examples: Mapping[str, Tensor], output_names: Sequence[str]) -> None:
    with torch.inference_mode():
        count = len(flat_outputs(network(*examples.values())))
    if count != len(output_names):
        raise ConfigError(
            f"export: {len(output_names)} names of outputs ({', '.join(output_names)}) given, the network has {count} outputs"
        )


def _advice(*, dynamic: bool) -> str:
    """Return what to do about an export that takes too long."""
    if dynamic:
        return "Sizes that are computed layer by layer may never be done for images of any size; export a fixed size, or allow more time"
    return "Allow more time, or export a smaller network or another format"


def _large_batch(examples: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the examples as a batch of two at least: torch.export takes a length of 1 for one that is always 1."""
    return {name: tensor if len(tensor) > 1 else torch.cat([tensor, tensor]) for name, tensor in examples.items()}


def _check_difference(path: Path, found: Comparison, tolerance: float, engine: str) -> None:
    # a difference that is not a number is too large as well
    if not found.largest_difference <= tolerance:
        raise ConfigError(
            f"{path}: {engine} and PyTorch differ by {found.largest_difference:.3g} (input of shape {found.worst_shape}), at most "
            f"{tolerance:g} accepted; nothing was written. A network that draws random numbers in evaluation cannot be exported"
        )


def _make_folder(folder: Path) -> None:
    with writing_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)


def _write(path: Path, data: bytes) -> None:
    try:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{path.parent}: the file cannot be written: {error.strerror}; choose another folder") from error
