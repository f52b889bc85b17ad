"""Detection in space by the command lines: the commands of docs/tddet.md, resume, two processes, exported files, pictures, bad input."""

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
from tests.faults.training import assert_same_run
from tests.integration.conftest import ROOT, Done, Run

PAGE = (ROOT / "docs" / "tddet.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (python tools/.*/centerpoint\.yaml.*)$", PAGE, re.MULTILINE)
CONFIGS = ROOT / "cfgs" / "tasks" / "tddet" / "streets3d"
SCRIPT = "tasks/tddet/train_net.py"
FRAMES = "streets3d/test/training"
SMALL = ["MODEL.WIDTH=8", "MODEL.BLOCKS.CHANNELS=[8, 8, 8]", "MODEL.BLOCKS.UP_CHANNELS=8"]
# until empty places have lower scores than objects
LEARNED, LEARNING = 100, ["SOLVER.OPTIMIZER.BASE_LR=0.01", "SOLVER.SNAPSHOT_ITER=0", "TRAIN.NUM_WORKERS=0"]
COMPARED = "EXPORT.COMPARE_SCORE=0.1"


def few(data: Path) -> list[str]:
    """Return the settings that name a few frames below a folder."""
    entries = (f"streets3d_{split}: {{type: kitti_points, path: streets3d/{split}}}" for split in ("train", "test"))
    return [f"DATA.CATALOG={{{', '.join(entries)}}}", f"MISC.DATA_ROOT={data}"]


def training(folder: Path, *further: str, length: int = 4) -> list[str]:
    return [
        *(f"MISC.CKPT={folder}", "SOLVER.SCHEDULER.TOTAL_EPOCHS=0", f"SOLVER.SCHEDULER.TOTAL_ITERS={length}"),
        *("SOLVER.SCHEDULER.WARM_UP_EPOCHS=0", "SOLVER.SNAPSHOT_ITER=2", "SOLVER.SNAPSHOT_EPOCH=0", "SOLVER.SNAPSHOT_KEEP=0"),
        *("EVAL.PERIOD_EPOCH=0", "MISC.DISPLAY_ITER=1", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False", "TRAIN.BATCH_SIZE=4", *further),
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 8), ("test", 4)):
        write_streets3d(folder / "streets3d" / split, split=split, count=count)
    return folder


def checkpoint(path: Path) -> dict[str, object]:
    return torch.load(path, weights_only=True)  # type: ignore[no-any-return]


def boxes_of(path: Path) -> np.ndarray:
    found = json.loads(path.read_text())["objects"]
    return np.array([[entry["label"], entry["score"], *entry["box3d"].values()] for entry in found]).reshape(-1, 9)


def test_the_commands_of_the_page_run_in_their_order(run: Run, data: Path, tmp_path: Path) -> None:
    assert len(COMMANDS) == 6
    for name in ("tools", "cfgs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(data, tmp_path / "data")
    outputs = []
    for line in COMMANDS:
        script, *words = (word.replace("cfgs/", f"{tmp_path}/cfgs/") for word in shlex.split(line)[1:])
        options = training(tmp_path / "ckpts/tasks/tddet/streets3d/centerpoint", *LEARNING, length=LEARNED) if "train" in script else []
        low = ["VIS.SCORE_THRESHOLD=0.0", "TEST.SCORE_THRESHOLD=0.0", "TEST.MAX_BOXES=10"] if "inference" in script else []
        compared = [COMPARED] if "export" in script else []
        done = run(script.removeprefix("tools/"), *words, *options, *few(tmp_path / "data"), *SMALL, *low, *compared)
        outputs.append(done.succeeded().output)
    assert "test_3d_R40 moderate: mAP:" in outputs[1]
    tested = tmp_path / "ckpts/tasks/tddet/streets3d/centerpoint/test"
    assert len(list((tested / "kitti").glob("*.txt"))) == 4 and (tested / "average_precision.csv").is_file()
    picture = cv2.imread(str(tmp_path / "pictures" / "000000.jpg"))
    assert picture is not None and picture.shape[0] >= 576 and picture.shape[1] == 1242 + 640
    assert len(boxes_of(tmp_path / "pictures" / "000000.json")) == 10


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    from tests.integration.many_runs import run_many

    folder = tmp_path_factory.mktemp("trained")
    options = ["--cfg", str(CONFIGS / "centerpoint.yaml"), *training(folder / "run", *few(data), *SMALL)]
    (done,) = run_many([(SCRIPT, options)], folder)
    done.succeeded()
    return folder / "run"


def test_an_interrupted_run_ends_as_one_that_was_not(trained: Path, data: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "resumed").mkdir()
    for copy in ("model_iter2.pth", "model_latest.pth"):
        shutil.copy(trained / "model_iter2.pth", tmp_path / "resumed" / copy)
    options = training(tmp_path / "resumed", *few(data), *SMALL, "TRAIN.NUM_WORKERS=2")
    run(SCRIPT, "--cfg", str(CONFIGS / "centerpoint.yaml"), *options).succeeded()
    assert_same_run(checkpoint(tmp_path / "resumed" / "model_latest.pth"), checkpoint(trained / "model_latest.pth"))


@pytest.mark.nightly
def test_two_processes_measure_what_one_does(trained: Path, data: Path, run: Run) -> None:
    # boxes of whatever score; each frame alone, so that not even the last digits differ
    low = ["TEST.SCORE_THRESHOLD=0.0", "TEST.MAX_BOXES=10", "TEST.IMS_PER_GPU=1"]
    found = []
    for nproc in ("1", "2"):
        options = ["--cfg", str(CONFIGS / "centerpoint.yaml"), *few(data), *SMALL, *low, f"MISC.CKPT={trained}", "--nproc", nproc]
        run("test_net_all.py", *options).succeeded()
        texts = [path.read_text() for path in sorted((trained / "test" / "kitti").glob("*.txt"))]
        found.append((json.loads((trained / "test" / "metrics.json").read_text()), texts))
    assert found[0] == found[1]
    assert [len(text.splitlines()) for text in found[0][1]] == [10] * 4


@pytest.mark.parametrize("name", ["centerpoint", pytest.param("pointpillars", marks=pytest.mark.nightly)])
def test_an_exported_file_finds_what_pytorch_does(run: Run, data: Path, tmp_path: Path, name: str) -> None:
    config = ["--cfg", str(CONFIGS / f"{name}.yaml"), *few(data), *SMALL, f"MISC.CKPT={tmp_path / 'run'}"]
    run(SCRIPT, *config, *training(tmp_path / "run", *LEARNING, length=LEARNED)).succeeded()
    low = ["TEST.SCORE_THRESHOLD=0.1", "VIS.SCORE_THRESHOLD=0.1"]
    run("export_net_all.py", *config, COMPARED).succeeded()
    found = []
    for out, weights in (("pytorch", []), ("onnx", [f"TEST.WEIGHTS={tmp_path / 'run' / 'model.onnx'}"])):
        run("inference.py", *config, "--images", str(data / FRAMES / "velodyne"), "--out", str(tmp_path / out), *weights, *low).succeeded()
        found.append(np.concatenate([boxes_of(path) for path in sorted((tmp_path / out).glob("0*.json"))]))
    assert len(found[0]) > 0
    np.testing.assert_allclose(found[1], found[0], atol=2e-3)


def test_own_folders_without_images_are_seen_from_above(run: Run, data: Path, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    shutil.copy(data / FRAMES / "velodyne" / "000001.bin", tmp_path / "scans" / "a.bin")
    np.save(tmp_path / "scans" / "b.npy", np.fromfile(tmp_path / "scans" / "a.bin", np.float32).reshape(-1, 4)[:, :3])
    (tmp_path / "scans" / "broken.bin").write_bytes(b"12345678")
    (tmp_path / "scans" / "none.bin").write_bytes(b"")
    options = ["--images", "scans", "--out", "out", *few(data), *SMALL, f"MISC.CKPT={trained}", "VIS.SCORE_THRESHOLD=0.0"]
    done = run("inference.py", "--cfg", str(CONFIGS / "centerpoint.yaml"), *options).succeeded()
    assert "2 images" in done.output and "2 files left out" in done.output
    assert "2 numbers of 32 bits, a multiple of 4 expected" in done.output and "none.bin: the file is empty" in done.output
    picture = cv2.imread(str(tmp_path / "out" / "a.jpg"))
    assert picture is not None and picture.shape[0] >= 576 and picture.shape[1] == 640


def break_calibration(root: Path) -> None:
    (root / "calib" / "000000.txt").unlink()


def break_points(root: Path) -> None:
    (root / "velodyne" / "000000.bin").write_bytes(b"1234" * 5)


def empty_points(root: Path) -> None:
    (root / "velodyne" / "000000.bin").write_bytes(b"")


def shorten_labels(root: Path) -> None:
    (root / "label_2" / "000000.txt").write_text("Car 0 0 0\n")


def flatten_box(root: Path) -> None:
    (root / "label_2" / "000000.txt").write_text("Car 0 0 0 1 1 9 9 1.5 0 4 1 1.6 20 0\n")


def remove_points(root: Path) -> None:
    shutil.rmtree(root / "velodyne")
    shutil.rmtree(root / "image_2")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (break_calibration, "calib/000000.txt"),
        (break_points, "000000.bin: 5 numbers of 32 bits, a multiple of 4 expected: x, y, z, reflectance"),
        (empty_points, "000000.bin: the file is empty, points expected"),
        (shorten_labels, "000000.txt, line 1: 4 columns; 15 columns expected"),
        (flatten_box, "000000.txt, line 1: the edges of the box are [1.5, 0.0, 4.0], metres above 0 expected"),
        (remove_points, "neither velodyne nor image_2 in it"),
    ],
)
def test_damaged_folders_are_one_message(run: Run, data: Path, tmp_path: Path, spoil: object, message: str) -> None:
    shutil.copytree(data / "streets3d" / "train" / "training", tmp_path / "own" / "training")
    assert callable(spoil)
    spoil(tmp_path / "own" / "training")
    done = start(run, tmp_path, "DATA.CATALOG={own: {type: kitti_points, path: own}}", f"MISC.DATA_ROOT={tmp_path}", "TRAIN.DATASETS=[own]")
    assert done.code == 2 and message in done.output, done.output


def start(run: Run, folder: Path, *options: str) -> Done:
    return run(
        SCRIPT, "--cfg", str(CONFIGS / "centerpoint.yaml"), *training(folder / "run", "TEST.DATASETS=[]", "DATA.CHECK_SAMPLES=8"), *options
    )


def test_classes_that_the_model_does_not_know_are_named(run: Run, data: Path, tmp_path: Path) -> None:
    done = start(run, tmp_path, *few(data), "MODEL.NUM_CLASSES=2")
    assert done.code == 2 and "MODEL.NUM_CLASSES" in done.output and "3" in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.RANGE=[0, 0, 0, 1, 1]"], "MODEL.RANGE: [0.0, 0.0, 0.0, 1.0, 1.0] given, least x, y, z and then greater x, y, z expected"),
        (["MODEL.PILLAR=0.3"], "MODEL.PILLAR: 0.3 given; MODEL.RANGE has 138.667 pillars along x, a multiple of"),
        (["MODEL.BLOCKS.LAYERS=[1]"], "MODEL.BLOCKS: LAYERS, STRIDES and CHANNELS need one number for each block"),
        (["MODEL.HEAD=anchor", "MODEL.NUM_CLASSES=2"], "MODEL.ANCHORS: 3 given, one for each of MODEL.NUM_CLASSES 2 expected"),
        (["TEST.TRANSFORMS=[RandomMirrorPoints]"], "TEST.TRANSFORMS: RandomMirrorPoints moves the world"),
        (["TRAIN.TRANSFORMS=[RandomHorizontalFlip]"], "it changes images, and the samples have points"),
    ],
)
def test_mistakes_are_one_message(run: Run, data: Path, tmp_path: Path, options: list[str], message: str) -> None:
    done = start(run, tmp_path, *few(data), *options)
    assert done.code == 2 and message in done.output, done.output


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["centerpoint", "pointpillars"])
def test_a_few_frames_are_learned_by_heart(run: Run, data: Path, tmp_path: Path, name: str) -> None:
    catalog = "DATA.CATALOG={few: {type: kitti_points, path: streets3d/test}}"
    options = [
        catalog,
        f"MISC.DATA_ROOT={data}",
        "TRAIN.DATASETS=[few]",
        "TEST.DATASETS=[few]",
        "TRAIN.TRANSFORMS=[]",
        "SOLVER.SNAPSHOT_ITER=0",
    ]
    run(SCRIPT, "--cfg", str(CONFIGS / f"{name}.yaml"), *training(tmp_path / "run", *options, length=400), timeout=7200).succeeded()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert max(line.get("3d/Car/moderate_R40@0.7", 0) for line in lines) >= 0.9
