"""Further files of an exported network, each measured on the test data before it is kept."""

import json
import logging
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from pet import exporting, prediction
from pet.exporting.config import check_export
from pet.task import CalibratesFiles, MeasuresFiles, Task
from petlib.config import CfgNode
from petlib.errors import ConfigError
from petlib.files import write_text_atomically

RECORD = "export.json"
CPU = torch.device("cpu")
GREATER = "greater"
INT8 = ("int8", "openvino_int8")
INT8_NAME = "int8.onnx"
OPENVINO = ("openvino", "openvino_int8")

logger = logging.getLogger(__name__)


class Figure(NamedTuple):
    """The main metric of a task.

    Attributes:
        name: as of ``EVAL.BEST_METRIC``.
        value: of a network or file.
        greater: whether more is better.
    """

    name: str
    value: float
    greater: bool

    def drop_to(self, value: float) -> float:
        """Return how much worse a value is: in its unit where more is better, else as a share; NaN is infinitely worse."""
        drop = self.value - value if self.greater else (value - self.value) / max(abs(self.value), 1e-9)
        return math.inf if math.isnan(drop) else drop


def check_formats(cfg: Any, path: Path) -> None:
    """Check whether the files of ``EXPORT.FORMATS`` can be made, before the export begins.

    Raises:
        ConfigError: they are made of another file, a package is missing, or settings exclude each other.
    """
    check_export(cfg)
    formats = list(cfg.EXPORT.FORMATS)
    if not formats:
        return
    if path.suffix != exporting.ONNX_SUFFIX:
        raise ConfigError(f"EXPORT.FORMATS: {', '.join(formats)} given, which are made of an ONNX file; give {path.with_suffix('.onnx')}")
    if cfg.EXPORT.HALF and set(formats) & set(INT8):
        raise ConfigError("EXPORT.HALF: True given, but int8 files are made of one in float32; set it to False, or leave out int8")
    if set(formats) & set(OPENVINO):
        exporting.openvino_package()


class FormatData(NamedTuple):
    """What files are measured and calibrated on.

    Attributes:
        evaluation: gives the metrics of a model on ``TEST.DATASETS``.
        calibration: gives inputs of a file from samples of ``TRAIN.DATASETS``; None: no file in int8 is asked for.
    """

    evaluation: Callable[[nn.Module], Mapping[str, float]]
    calibration: "exporting.Calibration | None"


def read_format_data(task: Task[Any], cfg: Any, names: Mapping[str, Sequence[str]]) -> FormatData:
    """Return the data of the files of ``EXPORT.FORMATS``, before the first file is written.

    Args:
        task: of the config.
        cfg: the config.
        names: what the numbers of the model mean.

    Raises:
        ConfigError: no data are named, or a setting is wrong.
        DataError: the test data, or those of the training for int8, cannot be read.
    """
    measured = _quiet(cfg)
    evaluation = task.build_evaluation(measured, CPU, names=names) if names else task.build_evaluation(measured, CPU)
    return FormatData(evaluation, _read_calibration(task, cfg) if set(cfg.EXPORT.FORMATS) & set(INT8) else None)


def _read_calibration(task: Task[Any], cfg: Any) -> "exporting.Calibration":
    if isinstance(task, CalibratesFiles):
        return task.read_calibration(cfg)
    return exporting.read_calibration(cfg, task.expected_data(cfg).kinds, prepare=lambda found: task.prepare_data(cfg, found))


def export_formats(
    task: Task[Any], cfg: Any, model: nn.Module, report: "exporting.ExportReport", data: FormatData
) -> "list[exporting.FormatReport]":
    """Write the files of ``EXPORT.FORMATS`` next to an ONNX file, and ``export.json`` with what they are worth; return the same.

    Args:
        task: of the config.
        cfg: the config.
        model: with its trained weights.
        report: of the ONNX file.
        data: what they are measured and calibrated on.

    Raises:
        ConfigError: a file cannot be made, or is worse than ``EXPORT.MAX_DROP`` allows. It is not there then; the others are.
        DataError: a sample of the test data cannot be read.
    """
    logger.info("export: measuring PyTorch and %s on the test data", report.path)
    right = _figure(cfg, data.evaluation(task.build_test_model(_quiet(cfg), model)))

    def measure(name: str, file: "exporting.ExportedFile", path: Path, difference: float) -> "exporting.FormatReport":
        logger.info("export: measuring %s on the test data", name)
        metrics = data.evaluation(_as_model(task, cfg, file))
        return _judge(cfg, name, path, right, value=metrics.get(right.name, math.nan), difference=difference)

    source = exporting.OnnxModel(report.path)
    results = [measure("onnx", source, report.path, report.largest_difference)]
    with tempfile.TemporaryDirectory(dir=report.path.parent, prefix=".formats-") as folder:
        kept = [*report.float_layers, *cfg.EXPORT.FLOAT_LAYERS]
        floats = [] if data.calibration is None else _write_int8(source, Path(folder) / INT8_NAME, data.calibration, kept)
        failures = []
        for name in cfg.EXPORT.FORMATS:
            try:
                made = _make(name, source, Path(folder))
            except ConfigError as error:
                # the others are made all the same
                failures.append(error)
                continue
            difference = math.nan if report.checks is None else report.checks.difference(made)
            result = measure(name, made, _target(report.path, name), difference)
            results.append(result)
            if result.kept:
                _keep(made, Path(folder), source, result)
    _write_record(report.path.with_name(RECORD), right, results, floats)
    if failures:
        raise failures[0]
    _refuse(cfg, results)
    return results


def _as_model(task: Task[Any], cfg: Any, file: "exporting.ExportedFile") -> nn.Module:
    return task.build_exported_model(cfg, file) if isinstance(task, MeasuresFiles) else prediction.ExportedModel(file)


def _write_int8(
    source: "exporting.OnnxModel", target: Path, calibration: "exporting.Calibration", float_layers: Sequence[str]
) -> list[str]:
    """Write the file in int8, and return the names of the weights that stay in float32."""
    floats = exporting.quantise(source.path, target, calibration(source), float_layers=float_layers)
    logger.info("export: in float32 stay %s", ", ".join(floats))
    return floats


def _make(name: str, source: "exporting.OnnxModel", folder: Path) -> "exporting.OnnxModel | exporting.OpenVinoModel":
    """Return a file of ``EXPORT.FORMATS``, ready to run, in a folder that has the one in int8."""
    begun = folder / INT8_NAME if name in INT8 else source.path
    if name not in OPENVINO:
        return exporting.OnnxModel(begun)
    made = folder / f"{name}{exporting.OPENVINO_SUFFIX}"
    exporting.write_openvino(begun, made, source.metadata)
    return exporting.OpenVinoModel(made)


def _quiet(cfg: CfgNode) -> CfgNode:
    """Return the config of an evaluation in float32, as files compute, that writes no pictures."""
    changed: CfgNode = cfg.clone()
    changed.defrost()
    changed.set("REPORT.ENABLED", False)
    changed.set("SOLVER.AMP.ENABLED", False)
    changed.freeze()
    return changed


def _figure(cfg: Any, metrics: Mapping[str, float]) -> Figure:
    name = cfg.EVAL.BEST_METRIC or next(iter(metrics), "")
    if name not in metrics:
        raise ConfigError(f"EVAL.BEST_METRIC: {name!r} given, one of {', '.join(metrics)} expected, to measure the files of EXPORT.FORMATS")
    return Figure(name, metrics[name], cfg.EVAL.BEST_RULE == GREATER)


def _judge(cfg: Any, name: str, path: Path, right: Figure, *, value: float, difference: float) -> "exporting.FormatReport":
    """Return what a file is worth."""
    drop = right.drop_to(value)
    tolerance = cfg.EXPORT.HALF_TOLERANCE if cfg.EXPORT.HALF else cfg.EXPORT.TOLERANCE
    same = name in INT8 or difference <= tolerance
    result = exporting.FormatReport(name, path, difference, right.name, value, drop, drop <= cfg.EXPORT.MAX_DROP and same)
    logger.info("export: %s", result.summary())
    return result


def _target(path: Path, name: str) -> Path:
    stem = f"{path.stem}_int8" if name in INT8 else path.stem
    return path.with_name(f"{stem}{exporting.OPENVINO_SUFFIX if name in OPENVINO else exporting.ONNX_SUFFIX}")


def _keep(
    made: "exporting.OnnxModel | exporting.OpenVinoModel", folder: Path, source: "exporting.OnnxModel", result: "exporting.FormatReport"
) -> None:
    """Put a file into its place, with its figures in its metadata."""
    figures = {"format": result.name, "metric": result.metric, "value": f"{result.value:.6f}", "drop": f"{result.drop:.6f}"}
    metadata = {**source.metadata, **figures}
    if isinstance(made, exporting.OnnxModel):
        exporting.copy_with_metadata(made.path, result.path, metadata)
        return
    final = folder / f"final{exporting.OPENVINO_SUFFIX}"
    exporting.write_openvino(folder / INT8_NAME if result.name in INT8 else source.path, final, metadata)
    # the description comes after the weights that it is read with
    final.with_suffix(".bin").replace(result.path.with_suffix(".bin"))
    final.replace(result.path)


def _write_record(path: Path, right: Figure, results: "Sequence[exporting.FormatReport]", floats: Sequence[str]) -> None:
    rows = [{**result.as_json(), **({"float_layers": list(floats)} if result.name in INT8 else {})} for result in results]
    record = {"metric": right.name, "pytorch": right.value, "files": rows}
    write_text_atomically(path, json.dumps(record, indent=2, ensure_ascii=False))


def _refuse(cfg: Any, results: "Sequence[exporting.FormatReport]") -> None:
    wrong = [result for result in results if not result.kept and result.name in cfg.EXPORT.FORMATS]
    if wrong:
        raise ConfigError(
            f"EXPORT.MAX_DROP: {cfg.EXPORT.MAX_DROP:g} given, but {'; '.join(result.summary() for result in wrong)}; not written. Give "
            "more samples (EXPORT.CALIBRATION), leave layers in float32 (EXPORT.FLOAT_LAYERS), or take EXPORT.HALF in place of int8"
        )
