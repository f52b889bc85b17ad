"""The programs next to exported files: without Pet and PyTorch they find what a prediction with Pet finds in the same file."""

import ast
import json
import math
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import pet.projects.buildseg.config
import pet.projects.changedet.config
import pet.tasks.action.config
import pet.tasks.face.config
import pet.tasks.instance.config
import pet.tasks.tddet.config
import pet.vision.config
from pet.exporting.description import ModelDescription
from pet.exporting.script import NetworkFacts, Script, write_script
from pet.prediction.writers.records import paste_mask
from pet.segmentation.model import choose_script as segmentation_script
from pet.segmentation.task import TASK as SEGMENTATION
from pet.task import Task
from pet.tasks.action.task import TASK as ACTION
from pet.tasks.face.task import TASK as FACE
from pet.tasks.instance.export import choose_script as instance_script
from pet.tasks.instance.task import TASK as INSTANCE
from pet.tasks.tddet.camera_export import choose_camera_script
from pet.tasks.tddet.export import choose_script as point_script
from pet.tasks.tddet.task import TASK as TDDET
from pet.vision import TASK as VISION
from pet.vision.export import choose_script
from petlib.config import CfgNode

MOST_LINES = 100
CLASSES = ("cat", "dog", "cow")
DESCRIPTION = ModelDescription(CLASSES, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SHORTEST = {"name": "ResizeShortestEdge", "max_size": 90}
ALONE = """
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pet", "petlib", "torch", "torchvision"):
            raise ImportError(f"{name} is refused")

sys.meta_path.insert(0, Refuse())
script, model, out, file = sys.argv[1:]
program = runpy.run_path(script)
session = program["onnxruntime"].InferenceSession(model, providers=["CPUExecutionProvider"])
program["np"].savez(out, **program["predict"](session, program["read"](program["Path"](file))))
sys.argv = [script, file]
runpy.run_path(script, run_name="__main__")
"""
"""Runs a program where neither Pet nor PyTorch can be imported: keeps what its ``predict`` returns, and then its command line."""
FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
RANGES: dict[str, tuple[Any, Any]] = {
    "boxes": ([3, 4, 40, 41], [30, 30, 70, 60]),
    "keypoints": ([0, 0, 0], [60, 60, 1]),
    "boxes3d": ([0, 0, 0, 1, 1, 1, -3], [4, 4, 1, 4, 4, 4, 3]),
    "views3d": ([0, 0, 5, 1, 1, 1, -3], [96, 64, 9, 4, 4, 4, 3]),
    "scores": (0, 1),
    "scores3d": (0, 1),
    "masks": (0, 1),
    "parsing": (0, 1),
}
"""Outputs that lie between two numbers."""
CONSTANT = {"labels": np.array([0, 1, 2, 0]), "labels3d": np.arange(30) % 3, "count": np.array([3], np.float32)}


class Graph:
    """What an ONNX file is made of."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.rng = np.random.default_rng(0)

    def constant(self, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), f"constant{len(self.constants)}"))
        return str(self.constants[-1].name)

    def drawn(self, *shape: int) -> str:
        return self.constant(self.rng.normal(size=shape).astype(np.float32))

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [f"value{len(self.nodes)}"], **attributes))
        return f"value{len(self.nodes) - 1}"

    def numbers(self, features: str, count: int, name: str, shape: Sequence[int]) -> str:
        """Return an output that depends on all features."""
        found = self.add("MatMul", features, self.drawn(count, math.prod(shape)))
        found = self.add("Reshape", found, self.constant(np.array(shape)))
        if name not in RANGES:
            return found
        low, high = (np.array(end, np.float32) for end in RANGES[name])
        return self.add("Add", self.add("Mul", self.add("Sigmoid", found), self.constant(high - low)), self.constant(low))


def write_network(path: Path, inputs: Mapping[str, Sequence[Any]], outputs: Mapping[str, Sequence[int]], facts: ModelDescription) -> None:
    """Write a file whose outputs depend on all pixels of an image of a fixed size, or label maps on the pixels around."""
    graph, (first, *_) = Graph(), inputs
    pixelwise = all(name == "logits" and len(shape) == 4 for name, shape in outputs.items())
    if pixelwise:
        (classes,) = (shape[1] for shape in outputs.values())
        parts = [
            graph.add("Conv", name, graph.drawn(classes, shape[1], 3, 3), pads=[1] * 4) for name, shape in inputs.items() if len(shape) == 4
        ]
        results = {"logits": graph.add("Sum", *parts)}
    else:
        if first == "points":
            features, count = graph.add("ReduceMean", first, graph.constant([0])), 4
        else:
            steps = [1] * (len(inputs[first]) - 4) + [8, 8]
            features = graph.add("Flatten", graph.add("AveragePool", first, kernel_shape=steps, strides=steps))
            count = math.prod(inputs[first][1:]) // 64
        features = graph.add("Div", features, graph.constant(np.float32(1000 if facts.normalizes and first != "points" else 10)))
        results = {
            name: graph.constant(CONSTANT[name]) if name in CONSTANT else graph.numbers(features, count, name, shape)
            for name, shape in outputs.items()
        }
    graph.nodes += [helper.make_node("Identity", [found], [name]) for name, found in results.items()]
    given = [helper.make_tensor_value_info(name, INT if len(shape) == 1 else FLOAT, shape) for name, shape in inputs.items()]
    found = [helper.make_tensor_value_info(name, INT if "labels" in name else FLOAT, shape) for name, shape in outputs.items()]
    whole = helper.make_graph(graph.nodes, "tiny", given, found, graph.constants)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, facts.to_metadata())
    onnx.save(model, path)


def make_cfg(module: Any, **values: Any) -> CfgNode:
    cfg: CfgNode = module.get_base_cfg()
    network = {"NETWORK": "unet", "BACKBONE": "timm/test_resnet"}
    values = {**{f"MODEL.{key}": name for key, name in network.items() if key in cfg.MODEL}, **values}
    for key, value in {"DATA.CLASSES": list(CLASSES), "MISC.DATA_ROOT": "nowhere", **values}.items():
        cfg.set(key, value)
    module.infer_cfg(cfg)
    return cfg


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (121, 93)) -> Path:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))
    return path


def compare(
    task: Task[Any],
    cfg: CfgNode,
    script: Script | None,
    inputs: Mapping[str, Sequence[Any]],
    outputs: Mapping[str, Sequence[int]],
    *,
    files: Sequence[Path],
    normalizes: bool = True,
    tolerance: float = 1e-4,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Predict with the program and with Pet, and return what the program finds and describes."""
    folder = files[0].parent
    (first, *_), model = inputs, folder / "net.onnx"
    facts = replace(DESCRIPTION, normalizes=normalizes, outputs=tuple(outputs))
    write_network(model, inputs, outputs, facts)
    size = inputs[first][-2:]
    fixed = (size[0], size[1]) if all(isinstance(length, int) for length in size) and first != "points" else None
    assert script is not None
    program = write_script(cfg, script, NetworkFacts(list(inputs), list(outputs), fixed, "image_size" in inputs, facts), model)
    assert program == folder / "predict.py"
    assert sum(map(bool, program.read_text().splitlines())) < MOST_LINES
    assert imports_of(program) == {"argparse", "json", "pathlib", "cv2", "numpy", "onnxruntime"}
    cfg.set("TEST.WEIGHTS", str(model))
    predictor: Any = task.build_predictor(cfg, torch.device("cpu"))
    (expected,) = predictor.predict_in_memory([[file for file in files if file.suffix != ".txt"]])
    alone, line = run(program, model, files)
    for name, value in expected.items():
        if name != "meta":
            assert np.size(alone[name]) == np.size(value), name
            np.testing.assert_allclose(np.reshape(alone[name], np.shape(value)), value, rtol=tolerance, atol=tolerance, err_msg=name)
    return alone, line


def imports_of(program: Path) -> set[str]:
    nodes = ast.walk(ast.parse(program.read_text()))
    return {name for node in nodes if isinstance(node, ast.Import) for name in (alias.name for alias in node.names)} | {"pathlib"}


def run(program: Path, model: Path, files: Sequence[Path]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what the program's ``predict`` returns, and what JSON it makes of it."""
    functions = runpy.run_path(str(program))
    session = functions["onnxruntime"].InferenceSession(str(model), providers=["CPUExecutionProvider"])
    given = [functions["read_camera" if file.suffix == ".txt" else "read"](file) for file in files]
    found = functions["predict"](session, *given)
    return found, json.loads(json.dumps(functions["describe"](session, found)))


IMAGES = {"images": (1, 3, 64, 96)}
STEPS: dict[str, list[Any]] = {
    "shorter edge and crop": [{"name": "Resize", "size": 70}, {"name": "CenterCrop", "size": [64, 96]}, "Normalize"],
    "cubic and a larger crop": [
        {"name": "Resize", "size": [50, 70], "interpolation": "cubic"},
        {"name": "CenterCrop", "size": [64, 96]},
        "Normalize",
    ],
    "to the size of the file": ["Normalize"],
}


@pytest.mark.parametrize("steps", STEPS)
def test_classes(steps: str, tmp_path: Path) -> None:
    cfg = make_cfg(pet.vision.config, **{"MODEL.HAS_CLS": True, "MODEL.NUM_CLASSES": 3, "TEST.TRANSFORMS": STEPS[steps]})
    normalizes = steps != "to the size of the file"
    _, line = compare(
        VISION, cfg, Script("classes"), IMAGES, {"logits": (1, 3)}, files=[picture(tmp_path / "a.png")], normalizes=normalizes
    )
    assert sorted(entry["class"] for entry in line["classes"]) == sorted(CLASSES)
    assert sum(entry["score"] for entry in line["classes"]) == pytest.approx(1, abs=1e-5)


class Refused(Protocol):
    def __call__(self, folder: Path, *words: str) -> str: ...


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run the program of a folder, which is to end with exit code 2, and return its message."""

    def run_program(folder: Path, *words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["predict.py", *words])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(folder / "predict.py"), run_name="__main__")
        assert stopped.value.code == 2
        return capsys.readouterr().err.rpartition("predict.py: error: ")[2]

    return run_program


def test_mistakes_of_the_command_line(tmp_path: Path, refused: Refused) -> None:
    cfg = make_cfg(pet.vision.config, **{"MODEL.HAS_CLS": True, "MODEL.NUM_CLASSES": 3, "TEST.TRANSFORMS": ["Normalize"]})
    compare(VISION, cfg, Script("classes"), IMAGES, {"logits": (1, 3)}, files=[picture(tmp_path / "a.png")])
    image = str(tmp_path / "a.png")
    assert refused(tmp_path, image, "--model", "missing.onnx") == "--model missing.onnx: there is no such file\n"
    (tmp_path / "damaged.png").write_bytes(b"nothing")
    cv2.imwrite(str(tmp_path / "whole.jpg"), np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8))
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:4000])
    (tmp_path / "folder").mkdir()
    for name in ("damaged.png", "cut.jpg"):
        assert refused(tmp_path, str(tmp_path / name)) == f"{tmp_path / name}: not an image that OpenCV can read whole\n"
    for name, message in {"missing.png": "[Errno 2] No such file or directory", "folder": "[Errno 21] Is a directory"}.items():
        assert refused(tmp_path, str(tmp_path / name)) == f"{message}: '{tmp_path / name}'\n"


def test_objects(tmp_path: Path) -> None:
    values = {"MODEL.HAS_BOX": True, "MODEL.NECK": "fpn", "MODEL.HAS_MASK": True, "MODEL.HAS_KEYPOINTS": True, "TEST.RESIZE.SCALES": [80]}
    cfg = make_cfg(pet.vision.config, **values, **{"TEST.TRANSFORMS": [SHORTEST, "Normalize"], "MODEL.NUM_CLASSES": 3})
    outputs = {"boxes": (4, 4), "scores": (4,), "labels": (4,), "masks": (4, 28, 28), "keypoints": (4, 2, 3)}
    inputs = {**IMAGES, "image_size": (2,)}
    file = picture(tmp_path / "a.png")
    found, line = compare(VISION, cfg, choose_script(list(outputs)), inputs, outputs, files=[file])
    assert [entry["class"] for entry in line["objects"]] == ["cat", "dog", "cow", "cat"]
    assert all(len(str(number).partition(".")[2]) <= 2 for entry in line["objects"] for number in entry["box"])
    for mask, box, outline in zip(found["masks"], found["boxes"], found["outlines"], strict=True):
        assert np.array_equal(outline, paste_mask(mask, box, (93, 121)))
    program, model, out = tmp_path / "predict.py", tmp_path / "net.onnx", tmp_path / "found.npz"
    done = subprocess.run([sys.executable, "-c", ALONE, program, model, out, file], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"file": str(file), **line}
    with np.load(out) as alone:
        assert all(np.array_equal(alone[name], values) for name, values in found.items())


def test_objects_and_pixels(tmp_path: Path) -> None:
    values = {"MODEL.HAS_BOX": True, "MODEL.NECK": "fpn", "MODEL.HAS_SEMSEG": True, "MODEL.NUM_CLASSES": 3}
    cfg = make_cfg(pet.vision.config, **values, **{"TEST.TRANSFORMS": [{"name": "Resize", "size": [48, 60]}, "Normalize"]})
    outputs = {"boxes": (4, 4), "scores": (4,), "labels": (4,), "logits": (1, 3, 64, 96)}
    compare(VISION, cfg, choose_script(list(outputs)), {**IMAGES, "image_size": (2,)}, outputs, files=[picture(tmp_path / "a.png")])


def test_pixels_of_whole_images(tmp_path: Path) -> None:
    cfg = make_cfg(pet.vision.config, **{"MODEL.HAS_SEMSEG": True, "MODEL.NUM_CLASSES": 3, "TEST.TRANSFORMS": ["Normalize"]})
    _, line = compare(VISION, cfg, choose_script(["logits"]), IMAGES, {"logits": (1, 3, 64, 96)}, files=[picture(tmp_path / "a.png")])
    assert sum(entry["count"] for entry in line["pixels"]) == 93 * 121


@pytest.mark.parametrize("case", ["a fixed window", "binary pairs of any size"])
def test_pixels_through_windows(case: str, tmp_path: Path, refused: Refused) -> None:
    pairs = "pairs" in case
    values: dict[str, Any] = {"TEST.TRANSFORMS": ["Normalize"], "TEST.SLIDING.SIZE": 64, "MODEL.NUM_CLASSES": 2 if pairs else 3}
    values |= {"MODEL.BINARY": pairs, "DATA.CLASSES": ["other", "house"] if pairs else list(CLASSES), "EXPORT.DYNAMIC": pairs}
    cfg = make_cfg(pet.projects.changedet.config if pairs else pet.projects.buildseg.config, **values)
    shape = (1, 3, "height", "width") if pairs else (1, 3, 64, 64)
    inputs = {"images": shape, "images2": shape} if pairs else {"images": shape}
    files = [picture(tmp_path / f"{seed}.png", seed) for seed in range(len(inputs))]
    outputs: dict[str, Any] = {"logits": (1, 1 if pairs else 3, *shape[2:])}
    compare(SEGMENTATION, cfg, segmentation_script(cfg, DESCRIPTION), inputs, outputs, files=files)
    if pairs:
        assert "1.png has no later date" in refused(tmp_path, *map(str, files), str(files[1]))
        small = picture(tmp_path / "small.png", size=(60, 50))
        assert "(93, 121, 3) and (50, 60, 3) given, pairs of the same size" in refused(tmp_path, str(files[0]), str(small))


def test_embeddings(tmp_path: Path) -> None:
    cfg = make_cfg(pet.tasks.face.config, **{"TEST.TRANSFORMS": [{"name": "Resize", "size": [64, 96]}, "Normalize"], "TEST.FLIP": True})
    _, line = compare(FACE, cfg, Script("embeddings", {"flip": True}), IMAGES, {"embedding": (1, 8)}, files=[picture(tmp_path / "a.png")])
    assert len(line["embedding"]) == 8


def test_crops(tmp_path: Path) -> None:
    crop = {"name": "CropObject", "size": [64, 96], "convention": "udp"}
    values = {"MODEL.HAS_KEYPOINTS": True, "MODEL.HAS_MASK": True, "MODEL.HAS_PARSING": True, "MODEL.KEYPOINTS.CONVENTION": "udp"}
    cfg = make_cfg(pet.tasks.instance.config, **values, **{"TEST.TRANSFORMS": [crop, "Normalize"]})
    outputs = {"keypoints": (1, 17, 3), "masks": (1, 1, 16, 24), "parsing": (1, 4, 16, 24)}
    _, line = compare(INSTANCE, cfg, instance_script(cfg), IMAGES, outputs, files=[picture(tmp_path / "a.png")], tolerance=1e-3)
    assert line["boxes"] == [0, 0, 121, 93]


def test_points(tmp_path: Path, refused: Refused) -> None:
    np.random.default_rng(0).normal(5, 2, size=(50, 4)).astype("<f4").tofile(tmp_path / "a.bin")
    cfg = make_cfg(pet.tasks.tddet.config, **{"TEST.SCORE_THRESHOLD": 0.2, "TEST.NMS": 0.1, "MODEL.NUM_CLASSES": 3})
    outputs = {"boxes3d": (30, 7), "scores3d": (30,), "labels3d": (30,)}
    _, line = compare(TDDET, cfg, point_script(cfg), {"points": ("count", 4)}, outputs, files=[tmp_path / "a.bin"])
    assert 1 < len(line["objects"]) < 30
    (tmp_path / "damaged.bin").write_bytes(b"12345678")
    assert refused(tmp_path, str(tmp_path / "damaged.bin")).startswith(f"{tmp_path}/damaged.bin: not a file of points: cannot reshape")
    assert "missing.npy: not a file of points: [Errno 2] No such file" in refused(tmp_path, str(tmp_path / "missing.npy"))


def test_images_of_a_camera(tmp_path: Path, refused: Refused) -> None:
    for name in ("image_2", "calib"):
        (tmp_path / name).mkdir()
    file, calibration = picture(tmp_path / "image_2" / "a.png"), tmp_path / "calib" / "a.txt"
    calibration.write_text("P0: 1\nP2: 80.5 0 44 5 0 80.5 40 0.2 0 0 1 0.003\n")
    crop = [{"name": "CenterCrop", "size": [70, 90]}, {"name": "Resize", "size": [64, 96]}, "Normalize"]
    values = {"MODEL.HEAD": "camera", "MODEL.BACKBONE": "timm/test_resnet", "MODEL.CAMERA.FOCAL": 40.0, "MODEL.NUM_CLASSES": 3}
    values |= {"TEST.TRANSFORMS": crop, "TEST.SCORE_THRESHOLD": 0.2, "TEST.NMS": 0.1}
    cfg = make_cfg(pet.tasks.tddet.config, **values)
    outputs = {"views3d": (30, 7), "scores3d": (30,), "labels3d": (30,)}
    _, line = compare(TDDET, cfg, choose_camera_script(cfg), IMAGES, outputs, files=[file, calibration])
    assert 1 < len(line["objects"]) < 30
    calibration.write_text("P2: 1 2 3")
    assert "calib/a.txt: a file with P2, 12 numbers, expected; 3 found" in refused(tmp_path / "image_2", str(file))


def test_clips(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for seed in range(11):
        writer.write(cv2.imread(str(picture(tmp_path / "frame.png", seed, (96, 64)))))
    writer.release()
    clip = {"name": "EvenClips", "step": 2}
    steps = [clip, {"name": "Resize", "size": 40}, {"name": "CenterCrop", "size": 32}, "Normalize"]
    cfg = make_cfg(pet.tasks.action.config, **{"MODEL.NETWORK": "tsm", "MODEL.FRAMES": 4, "MODEL.NUM_CLASSES": 3, "TEST.TRANSFORMS": steps})
    compare(ACTION, cfg, Script("clips"), {"clips": (1, 3, 4, 32, 32)}, {"logits": (1, 3)}, files=[tmp_path / "a.avi"])


def test_counts(tmp_path: Path) -> None:
    cfg = make_cfg(
        pet.vision.config,
        **{"MODEL.HAS_DOTS": True, "MODEL.NUM_CLASSES": 1, "TEST.TRANSFORMS": [{"name": "Resize", "size": [64, 96]}, "Normalize"]},
    )
    outputs = {"count": (1,), "dots": (1, 9, 2), "dot_scores": (1, 9)}
    _, line = compare(VISION, cfg, choose_script(list(outputs)), IMAGES, outputs, files=[picture(tmp_path / "a.png")])
    assert (line["count"], len(line["dots"])) == (3, 3)


def test_a_program_of_ones_own_stays(tmp_path: Path) -> None:
    cfg = make_cfg(pet.vision.config, **{"MODEL.HAS_CLS": True, "TEST.TRANSFORMS": ["Normalize"]})
    facts = NetworkFacts(["images"], ["logits"], (64, 96), False, DESCRIPTION)
    (tmp_path / "predict.py").write_text("print('mine')")
    for _ in range(2):
        assert write_script(cfg, Script("classes"), facts, tmp_path / "net.onnx") == tmp_path / "predict_net.py"
    assert (tmp_path / "predict.py").read_text() == "print('mine')"
    (tmp_path / "predict_net.py").write_text("print('mine too')")
    assert write_script(cfg, Script("classes"), facts, tmp_path / "net.onnx") is None


def test_a_transform_that_only_pet_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cfg = make_cfg(pet.vision.config, **{"MODEL.HAS_CLS": True, "TEST.TRANSFORMS": ["Equalize", "Normalize"]})
    facts = NetworkFacts(["images"], ["logits"], (64, 96), False, DESCRIPTION)
    assert write_script(cfg, Script("classes"), facts, tmp_path / "net.onnx") is None
    assert "Equalize has no counterpart without Pet" in caplog.text
