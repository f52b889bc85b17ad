"""Changes between two dates are learned, tested and predicted by the command lines of docs/segmentation.md."""

import json
from pathlib import Path

import cv2
import numpy as np

from tests.integration.conftest import ROOT
from tests.integration.many_runs import run_many

CONFIG = ROOT / "cfgs" / "projects" / "changedet" / "siamese_R-18_cpu.yaml"
PAIRS, EDGE = 10, 64
SMALL = [
    "SOLVER.SCHEDULER.TOTAL_ITERS=2",
    "SOLVER.SCHEDULER.WARM_UP_ITERS=0",
    "TRAIN.BATCH_SIZE=4",
    "TRAIN.RESIZE.SCALES=[64]",
    "TEST.RESIZE.SCALES=[64]",
    "EVAL.PERIOD_ITER=2",
    "MISC.TENSORBOARD=False",
    "MISC.CKPT=ckpts/change",
]


def write_pairs(folder: Path) -> None:
    """Write pairs of dates, of which the second has a bright square more, and where that is."""
    rng = np.random.default_rng(0)
    for name in ("images1", "images2", "annotations"):
        (folder / name).mkdir(parents=True)
    for number in range(PAIRS):
        image = rng.integers(60, 120, (EDGE, EDGE, 3)).astype(np.uint8)
        later, label = image.copy(), np.zeros((EDGE, EDGE), np.uint8)
        top, left = rng.integers(0, EDGE - 20, 2)
        later[top : top + 20, left : left + 20] = 230
        label[top : top + 20, left : left + 20] = 1
        for name, picture in (("images1", image), ("images2", later)):
            cv2.imwrite(str(folder / name / f"{number}.jpg"), picture)
        cv2.imwrite(str(folder / "annotations" / f"{number}.png"), label)


def test_the_commands_of_change_detection_run(tmp_path: Path) -> None:
    write_pairs(tmp_path / "data" / "changedet")
    settings = ["--cfg", CONFIG, *SMALL]
    images = ["--images", "data/changedet/images1", "--images2", "data/changedet/images2"]
    runs = [
        ("projects/changedet/train_net.py", settings),
        ("test_net.py", settings),
        ("inference.py", [*settings, *images, "--out", "changes"]),
        ("inference.py", [*settings, *images[:2], "--out", "nothing"]),
        ("projects/changedet/train_net.py", [*settings, "MODEL.NETWORK=unet"]),
    ]
    train, test, predict, alone, single = run_many(runs, tmp_path)
    assert [train.code, test.code, predict.code] == [0, 0, 0], train.output + test.output + predict.output
    metrics = json.loads((tmp_path / "ckpts" / "change" / "test" / "metrics.json").read_text())
    assert {"semseg/foreground_IoU", "semseg/foreground_F1"} <= set(metrics)
    assert "[EVAL] #Images: 2 mIoU: " in test.output
    assert cv2.imread(str(tmp_path / "changes" / "3.png"), cv2.IMREAD_UNCHANGED).shape == (EDGE, EDGE)
    assert alone.code == 2
    assert "the network takes 2 images at once, 1 given; see --images2" in alone.output
    assert single.code == 2
    assert "unet looks at one image, but DATA.NUM_IMAGES is 2" in single.output
