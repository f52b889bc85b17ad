"""The kind of docs/add_a_kind.md is written into an empty folder as the page has it, trained on, tested, checked and drawn."""

import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.conftest import ROOT, Done, run_command

PAGE = (ROOT / "docs" / "add_a_kind.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^\*\*`(?P<path>[^`]+)`\*\*\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {block["path"]: block["text"] for block in BLOCK.finditer(PAGE)}
CONFIG = "cfgs/vision/marks/count.yaml"
COMMANDS = dict(re.findall(rf"^    (?:pet-|python \$PET/tools/)(\w+)(?:\.py)? --cfg {CONFIG}([^#\n]*)", PAGE, re.MULTILINE))


def draw_field(folder: Path, count: int, seed: int) -> None:
    """Write images with up to seven white dots, and where these are."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        image = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
        cells = rng.permutation(36)[: number % 8]
        points = np.stack([cells % 6, cells // 6], axis=1) * 10 + 7
        for x, y in points.tolist():
            cv2.circle(image, (x, y), 3, (255, 255, 255), -1)
        cv2.imwrite(str(folder / f"{number:02}.png"), image)
        (folder / f"{number:02}.txt").write_text("".join(f"{x + 0.5} {y + 0.5}\n" for x, y in points.tolist()))


def run(folder: Path, command: str, *options: str) -> str:
    """Run a command of the page in a folder and return what it prints."""
    return start(folder, command, *options).succeeded().output


def start(folder: Path, command: str, *options: str) -> Done:
    script = f"{command}.py" if (ROOT / "tools" / f"{command}.py").is_file() else f"pet-{command}"
    variables = {"PYTHONPATH": os.pathsep.join([str(ROOT / "lib"), str(ROOT), "."])}
    return run_command(script, "--cfg", CONFIG, *COMMANDS[command].split(), *options, folder=folder, variables=variables, timeout=240)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    draw_field(folder / "data" / "train", 64, seed=0)
    draw_field(folder / "data" / "test", 16, seed=1)
    run(folder, "train_net_all", "MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False", "MISC.DISPLAY_ITER=10")
    return folder


def test_the_page_is_complete() -> None:
    assert set(FILES) == {"marks.py", "count_marks.py", CONFIG}
    assert set(COMMANDS) == {"train_net_all", "test", "check", "browse", "inference"}


def test_a_head_learns_from_the_new_kind(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "ckpts/vision/marks/count/metrics.jsonl").read_text().splitlines()]
    losses = [line["loss_count"] for line in lines if "loss_count" in line]
    assert losses[-1] < losses[0]
    measured = [line["count/MAE"] for line in lines if "count/MAE" in line]
    assert len(measured) == 2
    assert f"test_count_MAE: {min(measured):.4f}" in run(trained, "test")
    # an evaluation counts the marks of the files: always to say their mean, 3.5, is off by 2
    assert min(measured) < 2.0


def test_the_records_of_predictions_have_its_counts(trained: Path) -> None:
    printed = run(trained, "inference", "TEST.WEIGHTS=latest")
    assert "names of the classes" not in printed
    records = [json.loads((trained / "found" / f"{number:02}.json").read_text()) for number in range(16)]
    assert all(set(record) == {"file", "width", "height", "count"} for record in records)
    # the mean error of the counts is that of an evaluation
    truths = [len((trained / "data/test" / f"{number:02}.txt").read_text().splitlines()) for number in range(16)]
    error = np.mean([abs(record["count"] - truth) for record, truth in zip(records, truths, strict=True)])
    lines = [json.loads(line) for line in (trained / "ckpts/vision/marks/count/metrics.jsonl").read_text().splitlines()]
    assert error == pytest.approx([line["count/MAE"] for line in lines if "count/MAE" in line][-1], abs=1e-3)


def test_its_samples_are_checked_and_drawn(trained: Path) -> None:
    found = run(trained, "check")
    assert "train: field_train: 64 samples" in found
    assert "a training can read all of it" in found
    run(trained, "browse")
    sheet = cv2.imread(str(trained / "ckpts/vision/marks/count/data/train_views.png"))
    # the discs of marks have colours, the images are gray
    assert np.ptp(sheet.astype(int), axis=2).max() > 100


def test_what_the_kind_finds_is_reported(trained: Path) -> None:
    (trained / "data/test/00.txt").write_text("3.5 4.5\n3.5 4.5\n")
    (trained / "data/test/01.txt").write_text("70 4\n")
    done = start(trained, "check")
    assert done.code == 1, done.output
    assert "ODD: 1 x marks lie on each other" in done.output
    assert "mark 0 lies at [70.0, 4.0], outside of the image" in done.output
