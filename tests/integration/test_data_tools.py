"""tools/data/check.py and tools/data/browse.py, as a user starts them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.integration.conftest import DIGITS, ROOT, Run

TINY = """
MODEL: {BACKBONE: torchvision/resnet18, NUM_CLASSES: 2, NECK: fpn, HAS_BOX: True, HAS_MASK: True}
SOLVER: {SCHEDULER: {TOTAL_EPOCHS: 0, TOTAL_ITERS: 2}}
DATA:
  CATALOG:
    pets: {type: coco, path: images, annotations: pets.json}
TRAIN:
  DATASETS: [pets]
  BATCH_SIZE: 2
  RESIZE: {SCALES: [48]}
  TRANSFORMS: [ResizeShortestEdge, RandomHorizontalFlip, Normalize]
"""


def write_pets(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Write a config and a COCO file of three images of 60 x 40 pixels; return the config and the content of the file."""
    (folder / "images").mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(folder / "images" / f"{number}.png"), np.full((40, 60, 3), 40 * number, np.uint8))
    content = {
        "images": [{"id": number, "file_name": f"{number}.png", "width": 60, "height": 40} for number in range(3)],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [annotation(number, 10, 5, 20, 20) for number in range(3)],
    }
    cfg = folder / "cfgs" / "vision" / "pets.yaml"
    cfg.parent.mkdir(parents=True)
    cfg.write_text(f"{TINY}MISC: {{DATA_ROOT: {folder}}}\n")
    (folder / "pets.json").write_text(json.dumps(content))
    return cfg, content


def annotation(image: int, left: int, top: int, width: int, height: int) -> dict[str, Any]:
    right, bottom = left + width, top + height
    return {
        "id": 10 * image + left,
        "image_id": image,
        "category_id": 7 if image % 2 else 9,
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": 0,
        "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
    }


def test_good_data_are_counted_and_drawn(run: Run, tmp_path: Path) -> None:
    cfg, _ = write_pets(tmp_path)
    done = run("data/check.py", "--cfg", cfg, "--type", "vision", "--out", tmp_path / "out").succeeded()
    assert "train: pets: 3 samples, 3 objects, 0 images without any" in done.output
    assert "a training can read all of it; 0 oddities" in done.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert not report["fails"]
    assert report["train"][0]["classes"] == {"cat": {"objects": 1, "images": 1}, "dog": {"objects": 2, "images": 2}}
    sheet = cv2.imread(str(tmp_path / "out" / "samples.png"))
    assert min(sheet.shape[:2]) > 300


def test_faults_of_data_end_with_1(run: Run, tmp_path: Path) -> None:
    cfg, content = write_pets(tmp_path)
    (tmp_path / "images" / "1.png").unlink()
    cv2.imwrite(str(tmp_path / "images" / "2.png"), np.zeros((20, 20, 3), np.uint8))
    content["annotations"].append(annotation(0, 30, 10, -5, 8))
    (tmp_path / "pets.json").write_text(json.dumps(content))
    done = run("data/check.py", "--cfg", cfg, "--type", "vision", "--split", "train", "MISC.CKPT", tmp_path / "run")
    assert done.code == 1, done.output
    assert "Traceback" not in done.output
    assert "FAULT: 2 x a sample cannot be read" in done.output
    assert "1.png" in done.output
    assert "2.png" in done.output
    assert "a training would FAIL: 2 faults" in done.output
    assert "while reading: 1 x" in done.output
    assert json.loads((tmp_path / "run" / "data" / "report.json").read_text())["fails"]
    assert (tmp_path / "run" / "data" / "samples.png").is_file()


def test_a_classification_config_and_mistakes(run: Run, tmp_path: Path) -> None:
    run("data/check.py", "--cfg", DIGITS, "--split", "test", "--out", tmp_path / "out").succeeded()
    assert (tmp_path / "out" / "samples.png").is_file()
    done = run("data/check.py", "--cfg", DIGITS, "TRAIN.DATASETS", "[digit_train]")
    assert done.code == 2, done.output
    assert "error: unknown data set 'digit_train'; did you mean digits_train" in done.output
    done = run("data/check.py", "--cfg", DIGITS, "--splits", "test")
    assert done.code == 2, done.output
    assert "unknown option --splits" in done.output


def test_data_that_are_not_there_end_with_2(run: Run, tmp_path: Path) -> None:
    cfg, _ = write_pets(tmp_path)
    (tmp_path / "pets.json").unlink()
    done = run("data/check.py", "--cfg", cfg, "--type", "vision", "--split", "train", "--out", tmp_path / "out")
    assert done.code == 2, done.output
    assert "FAULT: 1 x a data set cannot be used" in done.output
    shapes = ROOT / "cfgs" / "vision" / "shapes" / "semseg_R-18.yaml"
    done = run("data/check.py", "--cfg", shapes, "MISC.DATA_ROOT=misspelt", "--out", tmp_path / "out")
    assert done.code == 2, done.output
    assert "error: MISC.DATA_ROOT: misspelt: there is no such folder" in done.output
    assert not (tmp_path / "misspelt").exists()


def test_views_are_drawn(run: Run, tmp_path: Path) -> None:
    cfg, _ = write_pets(tmp_path)
    path = tmp_path / "views.png"
    run("data/browse.py", "--cfg", cfg, "--type", "vision", "--count", "2", "--views", "3", "--out", path).succeeded()
    sheet = cv2.imread(str(path))
    # a row of each sample: itself and its views, 480 pixels wide
    assert sheet.shape[1] == pytest.approx(4 * 488, abs=10)
    assert sheet.shape[0] == pytest.approx(2 * 345, abs=40)
