"""The commands of docs/face.md, one after another, with trainings of two iterations."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np

from pet.data.alignment import TEMPLATE
from pet.data.datasets.facets import draw_image
from tests.integration.conftest import ROOT, Run

PAGE = (ROOT / "docs" / "face.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    python tools/(.*)$", PAGE, re.MULTILINE)
SMALL = [
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=2", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None", "TRAIN.BATCH_SIZE=8"),
    *("ANALYSER.ENABLED=False", "EVAL.PERIOD_EPOCH=0", "MISC.TENSORBOARD=False", "MODEL.BACKBONE_ARGS={width: 2, size: 64}"),
]


def write_faces(folder: Path) -> None:
    for identity in range(13):
        (folder / "my_faces" / f"s{identity}").mkdir(parents=True)
        for number in range(3):
            cv2.imwrite(str(folder / "my_faces" / f"s{identity}" / f"{number}.png"), draw_image(identity, number))
    (folder / "raw").mkdir()
    cv2.imwrite(str(folder / "raw" / "face.png"), draw_image(1, 1))
    points = " ".join(f"{value:.2f}" for value in (TEMPLATE / 2).reshape(-1))
    (folder / "raw" / "points.txt").write_text(f"face.png {points}\n")


def test_the_commands_of_the_page(run: Run, tmp_path: Path) -> None:
    write_faces(tmp_path / "data")
    for line in COMMANDS:
        script, *words = shlex.split(line.replace("cfgs/", f"{ROOT}/cfgs/"))
        training = [] if "--cfg" not in words else SMALL
        run(script, *words, *training).succeeded()
    assert len(COMMANDS) == 8
    with np.load(tmp_path / "found" / "embeddings.npz") as content:
        assert content["embeddings"].shape == (39, 128)
    assert (tmp_path / "data" / "my_faces" / "face.png").is_file()
    assert (tmp_path / "ckpts" / "tasks" / "face" / "facets_iresnet18" / "model.onnx").is_file()
