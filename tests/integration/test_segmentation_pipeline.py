"""From a zip of tiles to polygons, by the command lines that a user types."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.conftest import ROOT, Done
from tests.integration.many_runs import run_many

TILES, EDGE = 14, 64
CONFIG = ROOT / "cfgs" / "projects" / "buildseg" / "unet_R-18_cpu.yaml"
SMALL = [
    "MODEL.NETWORK_ARGS={encoder: timm/test_resnet}",
    "SOLVER.SCHEDULER.TOTAL_EPOCHS=1",
    "TRAIN.BATCH_SIZE=4",
    "TRAIN.RESIZE.SCALES=[64]",
    "TEST.RESIZE.SCALES=[64]",
    "TRAIN.TRANSFORMS=[InitMask, RandomHorizontalFlip, RandomRotation, RandomScaleAspect, {name: Resize, size: [64, 64]}, Normalize]",
    "TEST.TRANSFORMS=[InitMask, {name: Resize, size: [64, 64]}, Normalize]",
    "MISC.TENSORBOARD=False",
    "MISC.CKPT=ckpts/buildings",
]


def write_tiles(folder: Path) -> Path:
    """Write a zip of aerial tiles: bright roofs on green, labels of 0 and 255; every seventh tile has no building."""
    rng = np.random.default_rng(0)
    path = folder / "tiles.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(TILES):
            image = rng.normal((60, 110, 60), 12, (EDGE, EDGE, 3)).clip(0, 255).astype(np.uint8)
            label = np.zeros((EDGE, EDGE), np.uint8)
            for _ in range(0 if number % 7 == 6 else 3):
                top, left = rng.integers(0, EDGE - 20, 2)
                height, width = rng.integers(8, 20, 2)
                image[top : top + height, left : left + width] = rng.integers(150, 255, 3)
                label[top : top + height, left : left + width] = 255
            archive.writestr(f"img/{number}.jpg", cv2.imencode(".jpg", image[:, :, ::-1])[1].tobytes())
            archive.writestr(f"gt/{number}.png", cv2.imencode(".png", label)[1].tobytes())
    return path


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Run the whole chain once; return the folder and what each command printed."""
    folder = tmp_path_factory.mktemp("buildings")
    write_tiles(folder)
    settings = ["--cfg", CONFIG, *SMALL]
    predict = ["--images", "data/buildseg/img", "--polygons"]
    runs = {
        "unzip": ("data/unzip.py", ["tiles.zip", "--out", "data/buildseg"]),
        "filter": ("data/filter.py", ["data/buildseg"]),
        "split": ("data/split.py", ["data/buildseg", "--list", "train2.txt", "--val-count", "4"]),
        "check": ("data/check.py", [*settings, "--out", "checked"]),
        "train": ("projects/buildseg/train_net.py", settings),
        "test": ("test_net.py", settings),
        "export": ("export_net.py", [*settings, "EXPORT.DYNAMIC=True"]),
        "predict": ("inference.py", [*settings, *predict, "--out", "by_network"]),
        "predict_onnx": ("inference.py", [*settings, *predict, "--out", "by_onnx", "--weights", "ckpts/buildings/model.onnx"]),
    }
    done = dict(zip(runs, run_many(list(runs.values()), folder, timeout=400), strict=True))
    for name, one in done.items():
        assert one.code == 0, f"{name}: {one.output}"
    return folder, {name: one.output for name, one in done.items()}


def test_tiles_without_buildings_are_left_out_and_the_rest_is_split(outputs) -> None:
    folder, printed = outputs
    lines = {name: (folder / "data" / "buildseg" / f"{name}.txt").read_text().splitlines() for name in ("train2", "train", "val")}
    assert set(lines["train2"]) == {str(number) for number in range(TILES) if number % 7 != 6}
    assert (len(lines["train"]), len(lines["val"])) == (8, 4)
    assert sorted(lines["train"] + lines["val"]) == sorted(f"img/{name}.jpg gt/{name}.png" for name in lines["train2"])
    assert "12" in printed["filter"]


def test_the_check_finds_nothing_wrong_and_draws_a_sheet(outputs) -> None:
    folder, _ = outputs
    assert json.loads((folder / "checked" / "report.json").read_text())
    assert cv2.imread(str(folder / "checked" / "samples.png")) is not None


def test_the_result_has_the_documents_shape_and_foreground_figures(outputs) -> None:
    folder, printed = outputs
    metrics = json.loads((folder / "ckpts" / "buildings" / "test" / "metrics.json").read_text())
    assert {"semseg/mIoU", "semseg/kappa", "semseg/foreground_IoU", "semseg/foreground_F1"} <= set(metrics)
    # labels of 255 are buildings, in the truth of an evaluation too
    assert metrics["semseg/foreground_recall"] + metrics["semseg/foreground_precision"] > 0
    for line in ("[EVAL] #Images: 4 mIoU: ", "[EVAL] Class IoU:", "[EVAL] Class Acc:"):
        assert line in printed["test"]
    assert Done(0, printed["test"]).results[-1].startswith("test_semseg_mIoU: ")


def test_the_exported_file_labels_as_the_network_does(outputs) -> None:
    folder, _ = outputs
    for number in range(TILES):
        by_network, by_onnx = (cv2.imread(str(folder / name / f"{number}.png"), cv2.IMREAD_UNCHANGED) for name in ("by_network", "by_onnx"))
        assert by_network.shape == (EDGE, EDGE)
        assert (by_network == by_onnx).mean() > 0.999
        assert json.loads((folder / "by_onnx" / f"{number}.geojson").read_text())["type"] == "FeatureCollection"
        assert (folder / "by_network" / f"{number}_overlay.png").is_file()
