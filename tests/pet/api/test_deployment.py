"""Further files of an exported network are kept if the test data say so."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import pet.vision.config
from pet import exporting
from pet.api import export_trained
from pet.api.deployment import Figure, FormatData, check_formats, export_formats, read_format_data
from pet.exporting.verify import Checks, largest_difference
from pet.vision import TASK
from petlib.config import CfgNode
from petlib.errors import ConfigError, DataError, OutputError

SHAPE = (1, 3, 8, 8)


class MeasuredTask:
    """Measures 0.9 of a network of PyTorch, and of files what a test says."""

    def __init__(self, value_of: Callable[[Any], float]) -> None:
        self._value_of = value_of

    def build_evaluation(self, cfg: CfgNode, device: object) -> Callable[[Any], Mapping[str, float]]:
        assert not cfg.REPORT.ENABLED, "it would write pictures of samples"
        assert not cfg.SOLVER.AMP.ENABLED, "files compute in float32"
        return lambda model: {"cls/acc1": 0.9 if isinstance(model, nn.Module) else self._value_of(model)}

    def read_calibration(self, cfg: CfgNode) -> Callable[[Any], list[dict[str, np.ndarray]]]:
        rng = np.random.default_rng(1)
        return lambda file: [{name: rng.normal(size=SHAPE).astype(np.float32) for name in file.inputs} for _ in range(4)]

    def build_test_model(self, cfg: CfgNode, model: nn.Module) -> nn.Module:
        return model

    def build_exported_model(self, cfg: CfgNode, file: Any) -> Any:
        return file


def make_cfg(**values: Any) -> CfgNode:
    cfg: CfgNode = pet.vision.config.get_base_cfg()
    for key, value in {"MODEL.HAS_CLS": True, "MODEL.BACKBONE": "timm/test_resnet", "MODEL.NUM_CLASSES": 2, **values}.items():
        cfg.set(key, value)
    pet.vision.config.infer_cfg(cfg)
    return cfg


def data_of(task: Any, cfg: CfgNode) -> FormatData:
    return read_format_data(task, cfg, {})


def exported(path: Path, *, convertible: bool = True) -> "exporting.ExportReport":
    """Write two layers as a file that was exported; OpenVINO refuses to pool more pixels than there are."""
    pooling = {"kernel_shape": [1, 1]} if convertible else {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
    rng = np.random.default_rng(0)
    shapes = {"body.weight": (4, 3, 8, 8), "head.weight": (4, 2)}
    constants = [numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name) for name, shape in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["images", "body.weight"], ["a"], "body"),
        helper.make_node("AveragePool", ["a"], ["pooled"], "pool", **pooling),
        helper.make_node("Flatten", ["pooled"], ["b"], "flatten"),
        helper.make_node("MatMul", ["b", "head.weight"], ["logits"], "head"),
    ]
    given = [helper.make_tensor_value_info("images", TensorProto.FLOAT, SHAPE)]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 2))]
    graph = helper.make_graph(nodes, "small", given, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    inputs = [{"images": rng.normal(size=SHAPE).astype(np.float32)}]
    checks = Checks(inputs, [exporting.OnnxModel(path)(one) for one in inputs], largest_difference)
    return replace(exporting.ExportReport(path, 1, {}, ["logits"], 18, 1e-6, []), checks=checks)


def test_files_keep_their_figures(tmp_path: Path) -> None:
    cfg = make_cfg(**{"EXPORT.FORMATS": ["openvino", "int8", "openvino_int8"]})
    task: Any = MeasuredTask(lambda file: 0.9 if "int8" not in file.path.name else 0.89)
    results = export_formats(task, cfg, nn.Identity(), exported(tmp_path / "net.onnx"), data_of(task, cfg))
    assert [(result.name, result.path.name) for result in results] == [
        ("onnx", "net.onnx"),
        ("openvino", "net.xml"),
        ("int8", "net_int8.onnx"),
        ("openvino_int8", "net_int8.xml"),
    ]
    assert [round(result.drop, 6) for result in results] == [0, 0, 0.01, 0.01]
    assert results[1].difference < 1e-5 < results[2].difference
    names = {"export.json", "net.onnx", "net.xml", "net.bin", "net_int8.onnx", "net_int8.xml", "net_int8.bin"}
    assert {path.name for path in tmp_path.iterdir()} == names
    record = json.loads((tmp_path / "export.json").read_text())
    assert (record["metric"], record["pytorch"]) == ("cls/acc1", 0.9)
    assert record["files"][2] | {"bytes": 0, "difference": 0} == {
        "format": "int8",
        "file": "net_int8.onnx",
        "kept": True,
        "bytes": 0,
        "difference": 0,
        "value": 0.89,
        "drop": pytest.approx(0.01),
        "float_layers": ["head.weight"],
    }
    figures = {"format": "int8", "metric": "cls/acc1", "value": "0.890000", "drop": "0.010000"}
    assert exporting.OnnxModel(tmp_path / "net_int8.onnx").metadata == figures
    assert exporting.OpenVinoModel(tmp_path / "net_int8.xml").metadata == figures | {"format": "openvino_int8"}


@pytest.mark.parametrize("value", [0.85, float("nan")])
def test_a_file_that_drops_too_much_is_not_there(value: float, tmp_path: Path) -> None:
    cfg = make_cfg(**{"EXPORT.FORMATS": ["int8", "openvino"]})
    task: Any = MeasuredTask(lambda file: value if "int8" in file.path.name else 0.9)
    with pytest.raises(ConfigError, match=r"EXPORT.MAX_DROP: 0.02 given, but net_int8.onnx \(int8\): cls/acc1 .* \(EXPORT.CALIBRATION\)"):
        export_formats(task, cfg, nn.Identity(), exported(tmp_path / "net.onnx"), data_of(task, cfg))
    assert {path.name for path in tmp_path.iterdir()} == {"export.json", "net.onnx", "net.xml", "net.bin"}
    assert [entry["kept"] for entry in json.loads((tmp_path / "export.json").read_text())["files"]] == [True, False, True]


def test_a_format_that_cannot_be_made_keeps_no_other_from_being_made(tmp_path: Path) -> None:
    cfg = make_cfg(**{"EXPORT.FORMATS": ["openvino", "int8"]})
    task: Any = MeasuredTask(lambda file: 0.9)
    with pytest.raises(ConfigError, match=r"OpenVINO cannot convert this network: Conversion is failed for: AveragePool.*; leave it out"):
        export_formats(task, cfg, nn.Identity(), exported(tmp_path / "net.onnx", convertible=False), data_of(task, cfg))
    assert {path.name for path in tmp_path.iterdir()} == {"export.json", "net.onnx", "net_int8.onnx"}


def test_drops() -> None:
    assert Figure("acc", 0.9, greater=True).drop_to(0.85) == pytest.approx(0.05)
    assert Figure("mae", 20.0, greater=False).drop_to(21.0) == pytest.approx(0.05)


def test_settings_that_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"EXPORT.FORMATS: 'int_8' given, some of openvino, int8, openvino_int8 expected; did you mean"):
        check_formats(make_cfg(**{"EXPORT.FORMATS": ["int_8"]}), Path("net.onnx"))
    with pytest.raises(ConfigError, match=r"EXPORT.FORMATS: tensorrt given, but Pet makes no engines.*trtexec --onnx=model.onnx"):
        check_formats(make_cfg(**{"EXPORT.FORMATS": ["TensorRT"]}), Path("net.onnx"))
    with pytest.raises(ConfigError, match=r"TEST.SLIDING.SIZE: 64 given, but the files of EXPORT.FORMATS look at whole images"):
        detector = {"MODEL.HAS_CLS": False, "MODEL.HAS_BOX": True, "MODEL.NECK": "fpn"}
        TASK.check_export(make_cfg(**detector, **{"EXPORT.FORMATS": ["int8"], "TEST.SLIDING.SIZE": 64}))
    with pytest.raises(ConfigError, match=r"EXPORT.FORMATS: int8 given, which are made of an ONNX file; give net.onnx"):
        check_formats(make_cfg(**{"EXPORT.FORMATS": ["int8"]}), Path("net.pt2"))
    with pytest.raises(ConfigError, match=r"EXPORT.HALF: True given, but int8 files are made of one in float32"):
        check_formats(make_cfg(**{"EXPORT.FORMATS": ["int8"], "EXPORT.HALF": True}), Path("net.onnx"))


def test_data_that_cannot_be_read_are_reported_before_a_file_is_written(tmp_path: Path) -> None:
    transforms = ["Resize", {"name": "Normalize", "mean": [0.5] * 3, "std": [0.5] * 3}]
    values = {"TEST.TRANSFORMS": transforms, "TEST.RESIZE.SCALES": [32], "MODEL.NUM_CLASSES": 10, "EXPORT.FORMATS": ["int8"]}
    cfg = make_cfg(**values, **{"TEST.DATASETS": ["digits_test"], "TRAIN.DATASETS": [str(tmp_path / "gone")]})
    torch.save(TASK.build_model(cfg).state_dict(), tmp_path / "weights.pth")
    cfg.set("TEST.WEIGHTS", str(tmp_path / "weights.pth"))
    for names, message in (
        ([str(tmp_path / "gone")], r"int8 is calibrated on samples of TRAIN.DATASETS, which cannot be read: .*gone"),
        ([], r"TRAIN.DATASETS: nothing given; int8 \(EXPORT.FORMATS\) is calibrated on samples of it"),
    ):
        cfg.set("TRAIN.DATASETS", names)
        with pytest.raises((ConfigError, DataError), match=message):
            export_trained(TASK, cfg, tmp_path / "net.onnx")
    cfg.set("TEST.DATASETS", [])
    with pytest.raises(ConfigError, match=r"TEST.DATASETS: nothing given"):
        export_trained(TASK, cfg, tmp_path / "net.onnx")
    with pytest.raises(OutputError, match=r"^export_task.path /proc/x/net.onnx: the results cannot be written: "):
        # before the data are looked at
        export_trained(TASK, cfg, Path("/proc/x/net.onnx"))
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]


@pytest.mark.nightly
def test_digits_in_every_format(tmp_path: Path) -> None:
    transforms = ["Resize", {"name": "Normalize", "mean": [0.5] * 3, "std": [0.5] * 3}]
    data = {"TRAIN.DATASETS": ["digits_train"], "TEST.DATASETS": ["digits_test"], "TEST.TRANSFORMS": transforms, "TEST.RESIZE.SCALES": [32]}
    cfg = make_cfg(**data, **{"MODEL.NUM_CLASSES": 10, "EXPORT.FORMATS": ["openvino", "int8", "openvino_int8"], "EXPORT.MAX_DROP": 1.0})
    model = TASK.build_model(cfg)
    results = export_formats(TASK, cfg, model, TASK.export(cfg, model, tmp_path / "net.onnx"), data_of(TASK, cfg))
    assert all(result.kept for result in results)
    assert results[0].drop == results[1].drop == 0
