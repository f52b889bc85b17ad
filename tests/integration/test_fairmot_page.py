"""The commands of docs/fairmot.md, one after another, with a training of two iterations on few drawn sequences."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import onnxruntime

from pet.data.datasets.walkers import write_walkers
from pet.data.files.mot_text import read_mot
from tests.integration.conftest import ROOT, Run

PAGE = (ROOT / "docs" / "fairmot.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    python tools/(.*)$", PAGE, re.MULTILINE)
SMALL = [
    *("SOLVER.SCHEDULER.TOTAL_ITERS=2", "SOLVER.SCHEDULER.WARM_UP_ITERS=1", "TRAIN.BATCH_SIZE=2", "EVAL.PERIOD_ITER=0"),
    *("ANALYSER.ENABLED=False", "MISC.TENSORBOARD=False", "MODEL.BACKBONE=timm/test_resnet", "MODEL.DLA_UP.CHANNELS=8"),
    *("TRAIN.DATASETS=[few_train]", "TEST.DATASETS=[few_test]", "EXPORT.SIZE=[128, 192]", "EXPORT.SAMPLES=0", "TEST.SCORE_THRESHOLD=0.0"),
    "DATA.CATALOG={few_train: {type: mot, path: few, split: train}, few_test: {type: mot, path: few, split: test}}",
]


def write_few(data: Path) -> int:
    """Write two sequences to train on and two frames to test on; return how many people the first have."""
    train, test = (write_walkers(data / "few", split=split, count=count) for split, count in (("train", 2), ("test", 1)))
    for frame in sorted((test / "WALKERS-01" / "img1").iterdir())[2:]:
        frame.unlink()
    info = test / "WALKERS-01" / "seqinfo.ini"
    info.write_text(re.sub(r"seqLength=\d+", "seqLength=2", info.read_text()))
    shutil.copytree(test, data / "walkers" / "test")
    count = 0
    for sequence in sorted(train.glob("WALKERS-*")):
        rows = read_mot(sequence / "gt" / "gt.txt", what="the annotations")
        count += len(np.unique(rows.ids[rows.classes == 1]))
    return count


def test_the_commands_of_the_page(run: Run, tmp_path: Path) -> None:
    count = write_few(tmp_path / "data")
    for line in COMMANDS:
        script, *words = shlex.split(line.replace("cfgs/", f"{ROOT}/cfgs/"))
        # what is no training needs no number of identities
        number = count if "train_net" in script else 0
        settings = [] if "evaluate_tracks" in script else [*SMALL, f"MODEL.IDENTITY.NUM_IDENTITIES={number}"]
        output = run(script, *words, *settings).succeeded().output
    assert len(COMMANDS) == 6
    assert "HOTA" in output
    folder = tmp_path / "ckpts" / "projects" / "fairmot" / "walkers" / "fairmot_R-18"
    outputs = onnxruntime.InferenceSession(folder / "model.onnx").get_outputs()
    assert [output.name for output in outputs] == ["boxes", "scores", "labels", "embeddings"]
    metrics = json.loads((folder / "test" / "metrics.json").read_text())
    assert {"bbox/AP", "track/HOTA", "track/IDF1"} <= metrics.keys()
    assert 0 <= metrics["track/HOTA"] <= 1
    assert (folder / "test" / "tracks" / "WALKERS-01.txt").is_file()
    for folder in ("pictures", "followed"):
        assert sorted(path.name for path in (tmp_path / folder).rglob("0*.json")) == ["000001.json", "000002.json"]
    assert len(list((tmp_path / "followed").rglob("WALKERS-01.txt"))) == 1
