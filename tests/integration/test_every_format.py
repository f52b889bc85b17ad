"""Every task becomes every file: trained, exported as ONNX, OpenVINO and int8, measured, and predicted with by ``predict.py`` and Pet."""

import json
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

import pet
from tests.integration.conftest import ROOT, Run
from tests.pet.data.video_files import noise, write_video
from tests.pretended_gpu.test_tasks import RUN, TASKS, data_of, write_data

FORMATS = ("openvino", "int8", "openvino_int8")
EXPORT = [
    *("EXPORT.FORMATS=[openvino,int8,openvino_int8]", "EXPORT.CALIBRATION=4", "EXPORT.SAMPLES=2"),
    # after three iterations figures are near chance, and errors of counts as large as any
    "EXPORT.MAX_DROP=1e9",
]
PICTURE, WRITTEN = "picture.png", {"action": "video.avi"}


class Case(NamedTuple):
    """How a task of the table is exported.

    Attributes:
        settings: of the export, by key.
        files: of the data, that are predicted: an image, a pair, points, an image with its camera; empty: a picture or a video.
        training: settings of the training.
    """

    settings: Mapping[str, Any] = {}
    files: Sequence[str] = ()
    training: Sequence[str] = ()


ONE_VIEW = {"TEST.VIEWS.FLIP": False}
ALL, SURE = ({"EXPORT.COMPARE_SCORE": score} for score in (0.0, 0.1))
FREE = {"EXPORT.DYNAMIC": True}
# two pixels of the coarsest map of a pyramid
OBJECTS = {**ALL, "EXPORT.SIZE": [128, 128]}
# until empty places have lower scores than objects
LEARNED = ("SOLVER.SCHEDULER.TOTAL_ITERS=100", "SOLVER.SNAPSHOT_ITER=100", "SOLVER.OPTIMIZER.BASE_LR=0.01")
SHAPE, SCENE = ("tiny/images/000000.jpg",), ("images/0.jpg",)
POINTS = ("streets3d/training/velodyne/000000.bin",)
SEEN = ("streets3d/training/image_2/000000.png", "streets3d/training/calib/000000.txt")
CASES = {
    "digits": Case(),
    "mask_rcnn": Case({**OBJECTS, **ONE_VIEW, "TEST.SOFT_NMS.METHOD": "never"}, SHAPE),
    "semseg": Case(ONE_VIEW, SHAPE),
    "unet": Case({}, SCENE),
    "keypoint_rcnn": Case(OBJECTS, SHAPE),
    "cascade_rcnn": Case(OBJECTS, SHAPE),
    "retinanet": Case(OBJECTS, SHAPE),
    "fcos": Case({**ALL, "EXPORT.SIZE": [256, 256]}, SHAPE),
    "centernet": Case(OBJECTS, SHAPE),
    "change": Case({}, ("before/0.jpg", *SCENE)),
    "single objects": Case(ONE_VIEW, SHAPE),
    "finetune": Case({}, SCENE),
    "face": Case(),
    "contrast": Case({"TEST.RESIZE.SCALES": [32]}),
    "fairmot": Case(ALL),
    "density": Case(FREE),
    "dots": Case(FREE),
    "dense poses": Case(OBJECTS),
    "action": Case(),
    "pillars": Case(SURE, POINTS, LEARNED),
    "anchors in space": Case(SURE, POINTS, LEARNED),
    "smoke": Case(SURE, SEEN),
    "monoflex": Case({"EXPORT.COMPARE_SCORE": 0.02}, SEEN),
    "land cover, distilled": Case({}, SCENE),
}
NOT_EXPORTED = {"parsing_rcnn"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    coarse = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "picture.png"), cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC))
    write_video(folder / "video.avi", noise(12, size=(48, 64)))
    return folder


def test_every_task_is_tried() -> None:
    assert set(CASES) | NOT_EXPORTED == set(TASKS)


@pytest.mark.nightly
@pytest.mark.parametrize("name", [pytest.param(name, id=name.replace(" ", "_")) for name in CASES])
def test_a_task_in_every_format(name: str, data: Path, run: Run, tmp_path: Path) -> None:
    scripts, config, settings = TASKS[name]
    options = ["--cfg", str(ROOT / "cfgs" / config), *RUN, *settings, *data_of(name, scripts, data), "MISC.CKPT=run"]
    run(f"{scripts}/train_net.py", *options, *CASES[name].training, "EVAL.PERIOD_ITER=0", "REPORT.ENABLED=False").succeeded()
    own = [f"{key}={value}" for key, value in CASES[name].settings.items()]
    done = run("export_net.py", *options, *EXPORT, *own, timeout=600).succeeded()
    record = json.loads((tmp_path / "run" / "export.json").read_text())
    print(*(line for line in done.results if "drop" in line), sep="\n")
    assert [entry["format"] for entry in record["files"]] == ["onnx", *FORMATS]
    assert all(entry["kept"] and entry["value"] is not None for entry in record["files"])
    assert [entry["drop"] for entry in record["files"][:2]] == pytest.approx([0, 0], abs=0.01), "files in float32 compute what PyTorch does"
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"model.onnx", "model.xml", "model.bin", "model_int8.onnx", "model_int8.xml", "model_int8.bin"} <= written
    compare_programs(tmp_path / "run", CASES[name], [data / file for file in CASES[name].files or (WRITTEN.get(name, PICTURE),)])


def compare_programs(folder: Path, case: Case, files: Sequence[Path]) -> None:
    """Predict with the program next to the files, and with Pet, which has to find the same."""
    program = runpy.run_path(str(folder / "predict.py"))
    settings = {key.replace(".", "__"): value for key, value in case.settings.items()}
    for name in ("model.onnx", "model_int8.onnx"):
        session = program["onnxruntime"].InferenceSession(str(folder / name), providers=["CPUExecutionProvider"])
        given = [program["read_camera" if file.suffix == ".txt" else "read"](file) for file in files]
        found: dict[str, Any] = program["predict"](session, *given)
        expected = pet.load(folder / name, **settings).predict(*(file for file in files if file.suffix != ".txt")).fields
        for field, value in expected.items():
            if field != "meta":
                np.testing.assert_allclose(np.reshape(found[field], np.shape(value)), value, rtol=1e-3, atol=2e-3, err_msg=field)
