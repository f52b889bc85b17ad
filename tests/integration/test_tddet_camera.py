"""Detection in space from one camera by the command lines: training, test, pictures, exported files, images without calibration."""

import json
import re
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pet.data.datasets.streets3d import write_streets3d
from pet.data.datasets.streets3d_camera import PROJECTION
from tests.faults.training import assert_same_run
from tests.integration.conftest import ROOT, Run

CONFIGS = ROOT / "cfgs" / "tasks" / "tddet"
SCRIPT = "tasks/tddet/train_net.py"
FRAMES = "streets3d/test/training"
SIZE = "{name: Resize, size: [64, 192]}"
SMALL = [
    *("MODEL.BACKBONE_ARGS={channels: [8, 8, 16, 16]}", "MODEL.DLA_UP.CHANNELS=8", "MODEL.CAMERA.HIDDEN=8", "MODEL.CAMERA.FOCAL=123.0"),
    *(f"TRAIN.TRANSFORMS=[RandomHorizontalFlip, {SIZE}, Normalize]", f"TEST.TRANSFORMS=[{SIZE}, Normalize]"),
    # group norms round otherwise where channels lie last, and of a network that has learned little many scores are nearly equal
    *("MISC.CHANNELS_LAST=False", "SOLVER.AMP.ENABLED=False"),
]
MONOFLEX = ["MODEL.CAMERA.DEPTH=ensemble", "MODEL.CAMERA.ANGLE=bins", "MODEL.CAMERA.EDGE_CENTERS=True", "MODEL.CAMERA.EDGE_FUSION=True"]
LOW = ["TEST.SCORE_THRESHOLD=0.02", "VIS.SCORE_THRESHOLD=0.02", "TEST.MAX_BOXES=10"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 8), ("test", 4)):
        write_streets3d(folder / "streets3d" / split, split=split, count=count)
    return folder


def options_of(data: Path, run: Path) -> list[str]:
    entries = (f"streets3d_images_{split}: {{type: kitti_images, path: streets3d/{split}}}" for split in ("train", "test"))
    catalog = f"DATA.CATALOG={{{', '.join(entries)}}}"
    return ["--cfg", str(CONFIGS / "streets3d" / "smoke.yaml"), catalog, f"MISC.DATA_ROOT={data}", f"MISC.CKPT={run}", *SMALL]


def training(length: int = 4) -> list[str]:
    return [
        *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", f"SOLVER.SCHEDULER.TOTAL_ITERS={length}", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0"),
        *("EVAL.PERIOD_EPOCH=0", f"EVAL.PERIOD_ITER={length}", "MISC.DISPLAY_ITER=1", "MISC.TENSORBOARD=False", "TRAIN.BATCH_SIZE=4"),
        *("TRAIN.NUM_WORKERS=0", "TEST.NUM_WORKERS=0", "ANALYSER.SIZE=[64, 192]", "SOLVER.SNAPSHOT_EPOCH=0"),
        *("SOLVER.SNAPSHOT_ITER=8", "SOLVER.SNAPSHOT_KEEP=0"),
    ]


def boxes_of(path: Path) -> np.ndarray:
    found = json.loads(path.read_text())["objects"]
    return np.array([[entry["label"], entry["score"], *entry["box3d"].values()] for entry in found]).reshape(-1, 9)


@pytest.fixture(scope="module", params=[pytest.param("smoke", marks=pytest.mark.nightly), "monoflex"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, data: Path) -> tuple[Path, list[str]]:
    from tests.integration.many_runs import run_many

    folder = tmp_path_factory.mktemp("trained")
    options = [*options_of(data, folder / "run"), *(MONOFLEX if request.param == "monoflex" else [])]
    (done,) = run_many([(SCRIPT, [*options, *training(10)])], folder)
    assert "for an image of 64 x 192" in done.succeeded().output
    return folder / "run", options


def test_a_test_writes_files_of_results_and_an_exported_file_finds_the_same(
    run: Run, data: Path, trained: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, options = trained
    assert "test_3d_R40 moderate: mAP:" in run("test_net_all.py", *options, *LOW).succeeded().output
    assert len(list((folder / "test" / "kitti").glob("*.txt"))) == 4
    run("export_net_all.py", *options, "EXPORT.SIZE=[64, 192]", "EXPORT.COMPARE_SCORE=0.02").succeeded()
    found = []
    for out, weights in (("pytorch", []), ("onnx", [f"TEST.WEIGHTS={folder / 'model.onnx'}"])):
        run("inference.py", *options, "--images", str(data / FRAMES / "image_2"), "--out", str(tmp_path / out), *weights, *LOW).succeeded()
        found.append([boxes_of(path) for path in sorted((tmp_path / out).glob("0*.json"))])
    assert len(found[0]) == 4 and sum(map(len, found[0])) > 0
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, atol=5e-3)
    picture = cv2.imread(str(tmp_path / "onnx" / "000000.jpg"))
    # the legend is below the boxes from above
    assert picture is not None and picture.shape[0] >= 576 and picture.shape[1] == 1242 + 640


def test_an_interrupted_run_ends_as_one_that_was_not(run: Run, trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, options = trained
    resumed = tmp_path / "resumed"
    resumed.mkdir()
    for copy in ("model_iter8.pth", "model_latest.pth"):
        shutil.copy(folder / "model_iter8.pth", resumed / copy)
    run(SCRIPT, *options, *training(10), f"MISC.CKPT={resumed}", "EVAL.PERIOD_ITER=0").succeeded()
    ends = (torch.load(place / "model_latest.pth", weights_only=True) for place in (resumed, folder))
    assert_same_run(*ends)


@pytest.mark.nightly
def test_two_processes_measure_what_one_does(run: Run, trained: tuple[Path, list[str]]) -> None:
    folder, options = trained
    found = []
    for nproc in ("1", "2"):
        # each image alone, so that not even the last digits differ
        run("test_net_all.py", *options, *LOW, "TEST.IMS_PER_GPU=1", "TEST.NUM_WORKERS=0", "--nproc", nproc).succeeded()
        texts = [path.read_text() for path in sorted((folder / "test" / "kitti").glob("*.txt"))]
        found.append((json.loads((folder / "test" / "metrics.json").read_text()), texts))
    assert found[0] == found[1]
    assert len(found[0][1]) == 4 and any(text.strip() for text in found[0][1])


def test_an_image_needs_a_camera_of_its_own_or_one_for_all(run: Run, data: Path, trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    _, options = trained
    (tmp_path / "images").mkdir()
    shutil.copy(data / FRAMES / "image_2" / "000001.png", tmp_path / "images" / "a.png")
    asked = ["--images", str(tmp_path / "images"), "--out", str(tmp_path / "out"), *options, *LOW]
    done = run("inference.py", *asked)
    assert done.code == 2 and "a.png: its camera is not known" in done.output and "TEST.CALIBRATION" in done.output, done.output
    (tmp_path / "p2.txt").write_text(" ".join(map(str, PROJECTION.reshape(-1))))
    run("inference.py", *asked, f"TEST.CALIBRATION={tmp_path / 'p2.txt'}").succeeded()
    whole = tmp_path / "whole"
    run("inference.py", "--images", str(data / FRAMES / "image_2"), "--out", str(whole), *options, *LOW).succeeded()
    np.testing.assert_allclose(boxes_of(tmp_path / "out" / "a.json"), boxes_of(whole / "000001.json"), atol=2e-3)
    (tmp_path / "p2.txt").write_text("P0: 1 2 3\n")
    done = run("inference.py", *asked, f"TEST.CALIBRATION={tmp_path / 'p2.txt'}")
    assert done.code == 2 and "no P2 in it" in done.output, done.output


def test_the_commands_of_the_page_run_in_their_order(run: Run, data: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tddet.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    (python tools/.*/smoke\.yaml.*)$", page, re.MULTILINE)
    assert len(commands) == 4
    for name in ("tools", "cfgs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(data, tmp_path / "data")
    settings = options_of(tmp_path / "data", tmp_path / "ckpts")[2:]
    for line in commands:
        script, *words = (word.replace("cfgs/", f"{tmp_path}/cfgs/").replace("128,640", "64,192") for word in shlex.split(line)[1:])
        # after so few steps nothing has a high score
        own = training(10) if "train" in script else ["EXPORT.COMPARE_SCORE=0.02"] if "export" in script else LOW
        run(script.removeprefix("tools/"), *words, *settings, *own).succeeded()
    assert len(list((tmp_path / "seen").glob("*.jpg"))) == 4 and (tmp_path / "ckpts" / "model.onnx").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.BACKBONE=''"], "MODEL.BACKBONE: nothing given; name a network with stages"),
        (["MODEL.NUM_CLASSES=2"], "MODEL.CAMERA.MEAN_SIZES: "),
        (["MODEL.PILLAR=0.2"], "MODEL.PILLAR"),
        (["TRAIN.TRANSFORMS=[RandomMirrorPoints, Normalize]"], "it moves points, and the samples have none"),
    ],
)
def test_mistakes_are_one_message(run: Run, data: Path, tmp_path: Path, options: list[str], message: str) -> None:
    done = run(SCRIPT, *options_of(data, tmp_path / "run"), *training(), *options)
    assert done.code == 2 and message in done.output, done.output


@pytest.mark.nightly
def test_a_few_images_are_learned_by_heart(run: Run, data: Path, tmp_path: Path) -> None:
    own = "DATA.CATALOG={few: {type: kitti_images, path: streets3d/test}}"
    options = ["--cfg", str(CONFIGS / "streets3d" / "smoke.yaml"), own, f"MISC.DATA_ROOT={data}", f"MISC.CKPT={tmp_path / 'run'}"]
    as_tested = "[{name: CenterCrop, size: [256, 1242]}, {name: Resize, size: [128, 640]}, Normalize]"
    same = ["TRAIN.DATASETS=[few]", "TEST.DATASETS=[few]", f"TRAIN.TRANSFORMS={as_tested}"]
    run(SCRIPT, *options, *training(400), *same, timeout=7200).succeeded()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert max(line.get("3d/Car/moderate_R40@0.7", 0) for line in lines) >= 0.9
