"""Counting by the command lines: the commands of docs/crowdcounting.md, resume, two processes, exported files, bad input."""

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pet.data.datasets.crowds import draw_scene
from tests.faults.training import assert_same_run
from tests.integration.conftest import ROOT, Run

PAGE = (ROOT / "docs" / "crowdcounting.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    ((?:python tools/|cp ).*)$", PAGE, re.MULTILINE)
CONFIGS = ROOT / "cfgs" / "projects" / "crowdcounting" / "crowds"
FEW = "DATA.CATALOG={crowds_train: {type: crowds, share: [0.0, 0.04]}, crowds_test: {type: crowds, split: test, share: [0.0, 0.1]}}"
LENGTH = 4
SMALL = ["MODEL.BACKBONE_ARGS={channels: [8, 8, 8, 8], stem_width: 8, out_indices: [2]}"]
# batch norm sees the samples of one process only
WITHOUT_BATCH_NORM = ["MODEL.BACKBONE=timm/vgg11", "MODEL.BACKBONE_ARGS={out_indices: [3]}", "SOLVER.OPTIMIZER.NAME=SGD"]
WITHOUT_BATCH_NORM += [
    "TRAIN.TRANSFORMS=[{name: RandomCrop, size: 64}, Normalize]",
    "TEST.TRANSFORMS=[{name: Resize, size: 96}, Normalize]",
]
WITHOUT_BATCH_NORM += ["SOLVER.OPTIMIZER.BASE_LR=0.0001", "MODEL.DENSITY.TRANSPORT.WEIGHT=0.1", "MODEL.DENSITY.TRANSPORT.ITERATIONS=5"]


def training(folder: Path, *further: str) -> list[str]:
    return [
        *(FEW, f"MISC.CKPT={folder}", "SOLVER.SCHEDULER.TOTAL_EPOCHS=0", f"SOLVER.SCHEDULER.TOTAL_ITERS={LENGTH}"),
        *("SOLVER.SCHEDULER.WARM_UP_EPOCHS=0", "SOLVER.SNAPSHOT_ITER=2", "SOLVER.SNAPSHOT_EPOCH=0", "SOLVER.SNAPSHOT_KEEP=0"),
        *("EVAL.PERIOD_EPOCH=0", "MISC.DISPLAY_ITER=1", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False", "TRAIN.BATCH_SIZE=4", *further),
    ]


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_the_commands_of_the_page_run_in_their_order(run: Run, tmp_path: Path) -> None:
    assert len(COMMANDS) == 7
    for name in ("tools", "cfgs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "crowd.png"), draw_scene("test", 1).image)
    cv2.imwrite(str(tmp_path / "pictures" / "black.png"), np.zeros((75, 130, 3), np.uint8))
    outputs = []
    for line in COMMANDS:
        words = shlex.split(line)
        if words[0] == "cp":
            shutil.copy(tmp_path / words[1], tmp_path / words[2])
            continue
        options = training(tmp_path / "ckpts/projects/crowdcounting/crowds/crowds_resnet10") if "train" in words[1] else []
        folder = "" if "train" in words[1] else FEW
        words = [word.replace("cfgs/", f"{tmp_path}/cfgs/") for word in words[1:]]
        done = run(words[0].removeprefix("tools/"), *words[1:], *options, *filter(None, [folder]), *SMALL)
        outputs.append(done.succeeded().output)
    assert "test_MAE" in outputs[1] and "always the mean" in outputs[1] and "coverage" in outputs[4]
    counted = tmp_path / "counted"
    rows = rows_of(counted / "counts.csv")
    assert [Path(row["file"]).name for row in rows] == ["black.png", "crowd.png"]
    assert all(float(row["least"]) <= float(row["count"]) <= float(row["greatest"]) for row in rows)
    record = json.loads((counted / "crowd.json").read_text())
    assert record["count"] == pytest.approx(float(rows[1]["count"]), abs=1e-3) and "count_least" in record
    assert (counted / "crowd.jpg").is_file()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.integration.many_runs import run_many

    folder = tmp_path_factory.mktemp("trained")
    config = ["--cfg", str(CONFIGS / "crowds_resnet10.yaml")]
    (done,) = run_many([("projects/crowdcounting/train_net.py", [*config, *training(folder / "run", *WITHOUT_BATCH_NORM)])], folder)
    done.succeeded()
    return folder / "run"


def checkpoint(path: Path) -> dict[str, object]:
    return torch.load(path, weights_only=True)  # type: ignore[no-any-return]


def test_an_interrupted_run_ends_as_one_that_was_not(trained: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "resumed").mkdir()
    for copy in ("model_iter2.pth", "model_latest.pth"):
        shutil.copy(trained / "model_iter2.pth", tmp_path / "resumed" / copy)
    options = training(tmp_path / "resumed", *WITHOUT_BATCH_NORM, "TRAIN.NUM_WORKERS=1")
    run("projects/crowdcounting/train_net.py", "--cfg", str(CONFIGS / "crowds_resnet10.yaml"), *options).succeeded()
    assert_same_run(checkpoint(tmp_path / "resumed" / "model_latest.pth"), checkpoint(trained / "model_latest.pth"))


@pytest.mark.nightly
def test_two_processes_train_and_measure_what_one_does(trained: Path, run: Run, tmp_path: Path) -> None:
    config = ["--cfg", str(CONFIGS / "crowds_resnet10.yaml")]
    run("train_net_all.py", *config, *training(tmp_path / "two", *WITHOUT_BATCH_NORM), "--nproc", "2").succeeded()
    ours, theirs = (checkpoint(folder / "model_latest.pth")["model"] for folder in (tmp_path / "two", trained))
    for name, tensor in theirs.items():  # type: ignore[attr-defined]
        torch.testing.assert_close(ours[name], tensor, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")  # type: ignore[index]
    figures = []
    for nproc in ("1", "2"):
        test = [*config, FEW, f"MISC.CKPT={trained}", *WITHOUT_BATCH_NORM, "--nproc", nproc]
        run("test_net_all.py", *test).succeeded()
        figures.append(json.loads((trained / "test" / "metrics.json").read_text()))
    # shares of other sizes are batched otherwise, which moves the last digits
    assert figures[0] == pytest.approx(figures[1], rel=1e-5)


@pytest.mark.parametrize("name", ["crowds_resnet10", "crowds_dots_resnet10"])
def test_an_exported_file_counts_what_pytorch_does_at_any_size(run: Run, tmp_path: Path, name: str) -> None:
    config = ["--cfg", str(CONFIGS / f"{name}.yaml"), *SMALL]
    script = "projects/crowdcounting/train_net.py"
    run(script, *config, *training(tmp_path / "run")).succeeded()
    run("export_net_all.py", *config, FEW, f"MISC.CKPT={tmp_path / 'run'}", "EXPORT.DYNAMIC=True").succeeded()
    (tmp_path / "pictures").mkdir()
    for number, (height, width) in enumerate(((256, 256), (200, 141))):
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), draw_scene("test", number).image[:height, :width])
    tables = []
    for out, weights in (("pytorch", []), ("onnx", [f"TEST.WEIGHTS={tmp_path / 'run' / 'model.onnx'}"])):
        options = ["--images", str(tmp_path / "pictures"), "--out", str(tmp_path / out), f"MISC.CKPT={tmp_path / 'run'}", *weights]
        run("inference.py", *config, *options).succeeded()
        tables.append([float(row["count"]) for row in rows_of(tmp_path / out / "counts.csv")])
    assert tables[0] == pytest.approx(tables[1], abs=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.HAS_DENSITY=False"], "no head counts; set MODEL.HAS_DENSITY or MODEL.HAS_DOTS to True"),
        (["MODEL.HAS_DOTS=True"], "MODEL.HAS_DENSITY and MODEL.HAS_DOTS are both True"),
        (["MODEL.DENSITY.STRIDE=16"], "MODEL.DENSITY.STRIDE: 16 given, but the last map of the backbone has a stride of 8"),
        (["TEST.INTERVAL.CALIBRATION=no.csv", "TEST.INTERVAL.SHARE=1.0"], "TEST.INTERVAL.SHARE: 1 given, a share between 0 and 1"),
        (["DATA.CATALOG={a: {type: dots, path: nowhere}}", "TRAIN.DATASETS=[a]"], "nowhere: there is no such folder and no such list"),
    ],
)
def test_mistakes_are_one_message(run: Run, tmp_path: Path, options: list[str], message: str) -> None:
    settings = training(tmp_path / "run", *options)
    done = run("projects/crowdcounting/train_net.py", "--cfg", str(CONFIGS / "crowds_resnet10.yaml"), *settings[1:])
    assert done.code == 2 and message in done.output
