"""What docs/contrast.md claims: learning without labels finds more than pixels show, and its backbone needs fewer labels."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from sklearn.datasets import load_sample_images

from tests.integration.conftest import ROOT, environment

CONFIGS = ROOT / "cfgs" / "tasks" / "contrast" / "digits"
FEW_LABELS = ROOT / "cfgs" / "vision" / "digits" / "resnet20_digits_few_labels.yaml"
PATCH, STEP = 32, 12


def write_patches(folder: Path) -> None:
    """Write patches of both sample photographs: classes are the photograph and the third of its height; left halves to learn from."""
    for number, photograph in enumerate(load_sample_images().images):
        third, half = photograph.shape[0] // 3, photograph.shape[1] // 2
        for place in range(6):
            row, column = place % 3, place // 3
            part = photograph[row * third : (row + 1) * third, column * half : (column + 1) * half]
            target = folder / ("train", "test")[column] / f"{number}{row}"
            target.mkdir(parents=True)
            for y in range(0, third - PATCH + 1, STEP):
                for x in range(0, half - PATCH + 1, STEP):
                    cv2.imwrite(str(target / f"{y:03}_{x:03}.png"), part[y : y + PATCH, x : x + PATCH, ::-1])


def train(config: Path, folder: Path, *options: str) -> list[dict[str, float]]:
    """Return what a training recorded."""
    words = [sys.executable, str(ROOT / "tools" / "train_net_all.py"), "--cfg", str(config), f"MISC.CKPT={folder}", *options]
    done = subprocess.run(words, cwd=folder.parent, env=environment(), capture_output=True, text=True, timeout=7200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.nightly
def test_photographs_are_known_by_more_than_their_pixels(tmp_path: Path) -> None:
    write_patches(tmp_path / "patches")
    entries = [f"mine: {{type: images, path: {tmp_path}/patches/train}}"]
    entries += [f"known_{split}: {{type: image_folder, path: {tmp_path}/patches/{split}}}" for split in ("train", "test")]
    data = [f"DATA.CATALOG={{{', '.join(entries)}}}", "TRAIN.DATASETS=[mine]", "PROBE.DATASETS=[known_train]", "TEST.DATASETS=[known_test]"]
    lines = train(CONFIGS / "simclr_resnet20.yaml", tmp_path / "run", *data, "SOLVER.SCHEDULER.TOTAL_EPOCHS=30", "EVAL.PERIOD_EPOCH=30")
    first, *_, last = (line for line in lines if "knn/acc20" in line)
    print(first, last)
    assert last["knn/acc20"] >= first["knn/pixels"] + 0.08
    assert last["knn/acc20"] >= first["knn/acc20"] + 0.08


@pytest.mark.nightly
def test_with_few_labels_the_backbone_beats_random_weights(tmp_path: Path) -> None:
    """Of three seeds the mean, with a tenth of the labels; the backbone knew more than an untrained one before it saw any."""
    lines = train(CONFIGS / "simclr_resnet20.yaml", tmp_path / "run", "SOLVER.SCHEDULER.TOTAL_EPOCHS=40", "EVAL.PERIOD_EPOCH=40")
    first, *_, last = (line for line in lines if "knn/acc20" in line)
    print(first, last)
    assert last["knn/acc20"] >= first["knn/acc20"] + 0.05
    means = []
    for weights in ("", str(tmp_path / "run" / "backbone.safetensors")):
        runs = [
            train(FEW_LABELS, tmp_path / f"{bool(weights)}{seed}", f"TRAIN.WEIGHTS={weights}", f"MISC.SEED={seed}") for seed in range(3)
        ]
        means.append(sum([line["cls/acc1"] for line in lines if "cls/acc1" in line][-1] for lines in runs) / len(runs))
    print(means)
    assert means[1] > means[0]
