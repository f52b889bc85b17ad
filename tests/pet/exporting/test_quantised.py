"""Files in int8 and of OpenVINO, made of small ONNX files."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pet.exporting.openvino_file import OpenVinoModel, write_openvino
from pet.exporting.quantised import last_layers, quantise, weighted_layers
from pet.exporting.runtime import OnnxModel
from petlib.errors import CheckpointError, ConfigError

SHAPE = (1, 3, 16, 16)


def write_file(path: Path) -> Path:
    """Write two convolutions, and behind them an output of its own and a product of two results."""
    rng = np.random.default_rng(0)
    weights = {"body.weight": (8, 3, 3, 3), "neck.weight": (8, 8, 3, 3), "head.weight": (2, 8, 1, 1)}
    constants = [numpy_helper.from_array(rng.normal(size=shape).astype(np.float32) / 5, name) for name, shape in weights.items()]
    nodes = [
        helper.make_node("Conv", ["images", "body.weight"], ["a"], "body", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "neck.weight"], ["c"], "neck", pads=[1] * 4),
        helper.make_node("Conv", ["c", "head.weight"], ["d"], "head"),
        helper.make_node("Sigmoid", ["d"], ["scores"], "sigmoid"),
        helper.make_node("MatMul", ["c", "c"], ["attention"], "attention"),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("scores", "attention")]
    given = [helper.make_tensor_value_info("images", TensorProto.FLOAT, SHAPE)]
    graph = helper.make_graph(nodes, "small", given, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"classes": '["cat", "dog"]'})
    onnx.save(model, path)
    return path


def samples(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [{"images": rng.normal(size=SHAPE).astype(np.float32)} for _ in range(count)]


def in_int8(path: Path) -> set[str]:
    """Return the layers whose weights are in int8."""
    model = onnx.load(str(path))
    dequantised = {output for node in model.graph.node if node.op_type == "DequantizeLinear" for output in node.output}
    return {node.name.removesuffix("_quant") for node in model.graph.node if node.op_type == "Conv" and node.input[1] in dequantised}


def test_last_layers_and_products_of_results_stay_in_float32(tmp_path: Path) -> None:
    source = write_file(tmp_path / "net.onnx")
    model: Any = onnx.load(str(source))
    assert weighted_layers(model) == {"body": "body.weight", "neck": "neck.weight", "head": "head.weight"}
    # the second output comes from the neck without another layer
    assert last_layers(model) == {"head", "neck"}
    assert quantise(source, tmp_path / "int8.onnx", samples(4)) == ["head.weight", "neck.weight"]
    assert in_int8(tmp_path / "int8.onnx") == {"body"}
    found, right = OnnxModel(tmp_path / "int8.onnx"), OnnxModel(source)
    assert found.metadata == right.metadata == {"classes": '["cat", "dog"]'}
    given = samples(5)[4]
    for one, other in zip(found(given), right(given), strict=True):
        assert 0 < np.abs(one - other).max() < 0.05 * np.abs(other).max()


def test_the_mean_of_a_distribution_is_no_layer_of_its_own(tmp_path: Path) -> None:
    model: Any = onnx.load(str(write_file(tmp_path / "net.onnx")))
    values = numpy_helper.from_array(np.arange(16, dtype=np.float32)[:, None], "values")
    model.graph.initializer.append(values)
    model.graph.node[4].CopyFrom(helper.make_node("Softmax", ["d"], ["shares"], "softmax", axis=-1))
    model.graph.node.insert(5, helper.make_node("MatMul", ["shares", "values"], ["scores"], "mean"))
    assert last_layers(model) == {"mean", "head", "neck"}


def test_transposed_weights_are_named_by_their_module(tmp_path: Path) -> None:
    model: Any = onnx.load(str(write_file(tmp_path / "net.onnx")))
    next(entry for entry in model.graph.initializer if entry.name == "neck.weight").name = "val_12"
    model.graph.node[2].input[1] = "val_12"
    scopes = "['', 'encoder', 'encoder.linear', 'linear_3']"
    model.graph.node[2].metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    onnx.save(model, tmp_path / "net.onnx")
    assert weighted_layers(model) == {"body": "body.weight", "neck": "encoder.linear.weight", "head": "head.weight"}
    assert quantise(tmp_path / "net.onnx", tmp_path / "int8.onnx", samples(1), float_layers=[r"^encoder\."]) == [
        "encoder.linear.weight",
        "head.weight",
    ]


def test_layers_that_are_named_stay_too(tmp_path: Path) -> None:
    source = write_file(tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match=r"^quantise.float_layers: no layer is left to compute in int8; name fewer"):
        quantise(source, tmp_path / "int8.onnx", samples(1), float_layers=["^body"])
    with pytest.raises(ConfigError, match=r"quantise.float_layers: \['\(body'\] given, regular expressions expected"):
        quantise(source, tmp_path / "int8.onnx", samples(1), float_layers=["(body"])
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_openvino_gives_what_onnxruntime_gives(tmp_path: Path) -> None:
    source, target = OnnxModel(write_file(tmp_path / "net.onnx")), tmp_path / "net.xml"
    write_openvino(source.path, target, {**source.metadata, "drop": "0.01"})
    loaded = OpenVinoModel(target)
    assert (loaded.inputs, loaded.outputs, loaded.dtypes) == (source.inputs, source.outputs, source.dtypes)
    assert loaded.metadata == {"classes": '["cat", "dog"]', "drop": "0.01"}
    (given,) = samples(1)
    for one, other in zip(loaded(given), source(given), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    with pytest.raises(ConfigError, match=r"net.xml: inputs \['pixels'\] given, \['images'\] expected"):
        loaded({"pixels": given["images"]})
    target.with_suffix(".bin").unlink()
    with pytest.raises(CheckpointError, match=r"net.xml: there is no such OpenVINO file, or no .bin next to it"):
        OpenVinoModel(target)
