"""The commands of docs/labels.md: wrong labels that were planted are found, and images are chosen with labels to begin with."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.integration.conftest import DIGITS, Run

COUNT, SHARE = 1437, 0.02


def write_flipped(folder: Path) -> set[str]:
    """Write digits as folders of classes, some in a wrong one; return the names of these."""
    digits, rng = load_digits(), np.random.default_rng(0)
    flipped = set(rng.choice(COUNT, round(SHARE * COUNT), replace=False).tolist())
    for number, (image, label) in enumerate(zip(digits.images[:COUNT], digits.target[:COUNT], strict=True)):
        given = (label + rng.integers(1, 10)) % 10 if number in flipped else label
        path = folder / str(given) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), (image * 15.9).astype(np.uint8))
    return {f"{number}.png" for number in flipped}


@pytest.mark.nightly
def test_planted_wrong_labels_come_first(run: Run, tmp_path: Path) -> None:
    planted = write_flipped(tmp_path / "train")
    cfg = tmp_path / "cfgs" / "vision" / "flipped.yaml"
    cfg.parent.mkdir(parents=True)
    cfg.write_text(
        f"_BASE_: {DIGITS}\nDATA: {{CATALOG: {{flipped: {{type: image_folder, path: train}}}}}}\nTRAIN: {{DATASETS: [flipped]}}\n"
        f"SOLVER: {{SCHEDULER: {{TOTAL_EPOCHS: 8}}}}\nMISC: {{DATA_ROOT: {tmp_path}, CKPT: {tmp_path / 'run'}}}\n"
    )
    run("train_net_all.py", "--cfg", cfg, "--type", "vision").succeeded()
    done = run("data/label.py", tmp_path / "run").succeeded()
    assert "the labels of 1,437 samples were compared" in done.output
    listed = [Path(entry["place"]).name for entry in json.loads((tmp_path / "run/labels/doubts.json").read_text())]
    first = listed[: len(planted)]
    assert len(planted & set(first)) / len(planted) > 0.85, (len(listed), first)
    assert (tmp_path / "run/labels/doubts.html").stat().st_size < 5_000_000
    done = run(
        "data/label.py", tmp_path / "run", "--unlabelled", tmp_path / "train", "--top", "7", "--out", tmp_path / "chosen"
    ).succeeded()
    assert "7 images of 1,437 below" in done.output
    names = (tmp_path / "chosen/to_label.txt").read_text().split()
    assert len(set(names)) == 7
    assert all((tmp_path / "train" / name).exists() for name in names)
    assert len((tmp_path / "chosen/classes.csv").read_text().splitlines()) == 8
