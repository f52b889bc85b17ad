"""D-FINE and RF-DETR by the command lines: a training that goes on in the middle ends as one that was not disturbed."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from pet.data.datasets.shapes import write_shapes
from tests.faults.training import assert_same_run
from tests.integration.conftest import ROOT
from tests.integration.many_runs import run_many
from tests.pet.models.detr.conftest import TINY_DFINE, TINY_RFDETR

LENGTH, MIDDLE = 12, 7
COMMON = [
    *("--cfg", str(ROOT / "cfgs/vision/shapes/dfine_tiny.yaml"), "TRAIN.DATASETS=[few]", "TEST.DATASETS=[few]"),
    "DATA.CATALOG={few: {type: coco, path: few/images, annotations: few/annotations.json}}",
    *(f"SOLVER.SCHEDULER.TOTAL_ITERS={LENGTH}", f"SOLVER.SNAPSHOT_ITER={MIDDLE}", "SOLVER.SCHEDULER.WARM_UP_ITERS=3"),
    *("TRAIN.BATCH_SIZE=4", "EVAL.PERIOD_ITER=6", "MISC.DISPLAY_ITER=1", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False"),
]
DETECTORS: dict[str, list[str]] = {
    "dfine": [f"MODEL.BOX.DFINE.ARGS={TINY_DFINE}"],
    "rfdetr": [
        "MODEL.BOX.DETECTOR=rfdetr",
        "MODEL.HAS_MASK=True",
        f"MODEL.BOX.RFDETR.ARGS={TINY_RFDETR}",
        "MODEL.BOX.RFDETR.SIZE=seg_nano",
    ],
}


def checkpoint(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)  # type: ignore[no-any-return]


@pytest.mark.nightly
@pytest.mark.parametrize("detector", DETECTORS)
def test_a_training_that_goes_on_ends_as_one_that_was_not_disturbed(detector: str, tmp_path: Path) -> None:
    write_shapes(tmp_path / "data", split="few", count=24, size=96)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    lines = {folder: [*COMMON, *DETECTORS[detector], f"MISC.CKPT={folder}"] for folder in (whole, resumed)}
    run_many([("vision/train_net.py", lines[whole])], tmp_path)[0].succeeded()
    resumed.mkdir()
    for name in (f"model_iter{MIDDLE}.pth", "model_latest.pth"):
        shutil.copy(whole / f"model_iter{MIDDLE}.pth", resumed / name)
    (done,) = run_many([("vision/train_net.py", [*lines[resumed], "TRAIN.NUM_WORKERS=1"])], tmp_path)
    assert f"continuing from iteration {MIDDLE} of {LENGTH}" in done.succeeded().output
    assert_same_run(checkpoint(resumed / "model_latest.pth"), checkpoint(whole / "model_latest.pth"))
