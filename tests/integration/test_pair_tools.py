"""tools/data/check.py and tools/data/browse.py on pairs of dates with label images."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.conftest import Run

CONFIG = """
MODEL: {{NETWORK: unet, NUM_CLASSES: 2}}
MISC: {{DATA_ROOT: {root}}}
SOLVER: {{SCHEDULER: {{TOTAL_EPOCHS: 0, TOTAL_ITERS: 2}}}}
DATA:
  NUM_IMAGES: 2
  CLASSES: [unchanged, changed]
  CATALOG:
    mine: {{type: label_list, path: ., split: train.txt}}
TRAIN: {{DATASETS: [mine], BATCH_SIZE: 2, RESIZE: {{SCALES: [32]}}, TRANSFORMS: [RandomHorizontalFlip, Normalize]}}
"""


def write_pairs(root: Path, greatest: int) -> Path:
    """Write three pairs of 40 x 60 pixels, whose labels go up to ``greatest``, and a config; return its path."""
    lines = []
    for number in range(3):
        names = [f"{part}/{number}.png" for part in ("A", "B", "gt")]
        pixels = [
            np.full((40, 60, 3), 50 * number, np.uint8),
            np.full((40, 60, 3), 50 * number + 20, np.uint8),
            np.zeros((40, 60), np.uint8),
        ]
        pixels[2][10:20, 10:30] = greatest if number == 2 else 1
        for name, values in zip(names, pixels, strict=True):
            (root / name).parent.mkdir(exist_ok=True)
            cv2.imwrite(str(root / name), values)
        lines.append(" ".join(names))
    (root / "train.txt").write_text("\n".join(lines))
    path = root / "pairs.yaml"
    path.write_text(CONFIG.format(root=root))
    return path


def test_pairs_are_counted_and_drawn_side_by_side(run: Run, tmp_path: Path) -> None:
    cfg = write_pairs(tmp_path, 1)
    done = run("data/check.py", "--cfg", cfg, "--type", "projects/changedet", "--out", tmp_path / "out").succeeded()
    assert "train: mine: 3 samples" in done.output
    assert "a training can read all of it; 0 oddities" in done.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["train"][0]["pixels"]["semseg"]["changed"] == pytest.approx(200 / 2400)
    run(
        "data/browse.py", "--cfg", cfg, "--type", "projects/changedet", "--count", "2", "--views", "1", "--out", tmp_path / "v.png"
    ).succeeded()
    for name, rows in (("out/samples.png", 3), ("v.png", 4)):
        height, width = cv2.imread(str(tmp_path / name)).shape[:2]
        # three columns: first date, second date, labels
        assert width == pytest.approx(3 * 488, abs=20)
        assert height > rows * 300


def test_a_label_outside_of_the_classes_is_a_fault(run: Run, tmp_path: Path) -> None:
    cfg = write_pairs(tmp_path, 255 - 1)
    done = run("data/check.py", "--cfg", cfg, "--type", "projects/changedet", "--out", tmp_path / "out")
    assert done.code == 1
    assert "gt/2.png: the label image has the value 254, 0 to 1 expected for 2 classes" in done.output
