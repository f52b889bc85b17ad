"""The commands of docs/tracking.md, one after another, with a small detector on few frames, on a folder of sequences and on a video."""

import json
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from pet.data.datasets.walkers import write_walkers
from pet.data.files.images import read_image
from tests.integration.conftest import ROOT, Run

PAGE = (ROOT / "docs" / "tracking.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    python tools/(.*)$", PAGE, re.MULTILINE)
FRAMES, RATE = 6, 10
SMALL = [
    *("SOLVER.SCHEDULER.TOTAL_ITERS=2", "SOLVER.SCHEDULER.WARM_UP_ITERS=1", "TRAIN.BATCH_SIZE=2", "EVAL.PERIOD_ITER=0"),
    *("ANALYSER.ENABLED=False", "MISC.TENSORBOARD=False", "MODEL.BACKBONE=timm/test_resnet", "MODEL.DLA_UP.CHANNELS=8"),
    *("TRAIN.DATASETS=[few_train]", "TEST.DATASETS=[few_test]", "TEST.DETECTIONS_PER_IMAGE=4", "TEST.SCORE_THRESHOLD=0.0"),
    "DATA.CATALOG={few_train: {type: mot, path: few, split: train}, few_test: {type: mot, path: few, split: test}}",
]
EVERYTHING = {"sort": "{name: sort, score: 0, hits: 1}", "bytetrack": "{name: bytetrack, buffer: 2, score: 0, new_score: 0, overlap: 0}"}
"""The trackers of the page, for a network that is sure of nothing."""


def write_sequences(data: Path) -> None:
    """Write a sequence to train on, and one of few frames to test on, which is also what the page calls ``data/walkers/test``."""
    write_walkers(data / "few", split="train", count=1)
    for folder in (data / "few", data / "walkers"):
        sequence = write_walkers(folder, split="test", count=1) / "WALKERS-01"
        for frame in sorted((sequence / "img1").iterdir())[FRAMES:]:
            frame.unlink()
        info = sequence / "seqinfo.ini"
        info.write_text(re.sub(r"seqLength=\d+", f"seqLength={FRAMES}", info.read_text()))
        rows = (sequence / "gt" / "gt.txt").read_text().splitlines(keepends=True)
        (sequence / "gt" / "gt.txt").write_text("".join(row for row in rows if int(row.partition(",")[0]) <= FRAMES))


def write_video(path: Path, frames: Path) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (192, 128))
    for frame in sorted(frames.iterdir()):
        writer.write(np.ascontiguousarray(read_image(frame)[..., ::-1]))
    writer.release()


def rows_of(path: Path) -> list[tuple[int, int]]:
    """Return frame and track of each line, both from 1 on, in their order."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    assert {len(row) for row in rows} == {10}
    return [(int(row[0]), int(row[1])) for row in rows]


def boxes_of(path: Path) -> list[list[float]]:
    """Return left, top, width and height of each line."""
    return [[float(number) for number in line.split(",")[2:6]] for line in path.read_text().splitlines()]


def test_the_commands_of_the_page(run: Run, tmp_path: Path) -> None:
    write_sequences(tmp_path / "data")
    frames = tmp_path / "data" / "walkers" / "test" / "WALKERS-01" / "img1"
    write_video(tmp_path / "street.mp4", frames)
    outputs = []
    for line in COMMANDS:
        script, *words = shlex.split(line.replace("cfgs/", f"{ROOT}/cfgs/"))
        for name, entry in EVERYTHING.items():
            words = [entry if words[place - 1] == "--track" and name in word else word for place, word in enumerate(words)]
        outputs.append(run(script, *words, *([] if "evaluate" in script else SMALL)).succeeded().output)
    assert "HOTA" in outputs[-1] and len(outputs) == 4
    assert_tracks_are_written(tmp_path)
    assert_pictures_show_numbers_and_trails(tmp_path, frames)
    figures = json.loads((tmp_path / "figures.json").read_text())
    own = figures["sequences"]["WALKERS-01"]["pedestrian"]
    assert own == figures["combined"]["pedestrian"] and 0 <= own["HOTA"] <= 1
    # what is found at posters of people is left out
    assert 0 < own["TP"] + own["FP"] <= len(rows_of(tmp_path / "followed" / "WALKERS-01.txt"))


def assert_tracks_are_written(page: Path) -> None:
    """Check that texts and records say the same of a folder of frames, and of a video."""
    frames = sorted((page / "followed").rglob("0*.json"))
    assert [path.stem for path in frames] == [f"{number:06d}" for number in range(1, FRAMES + 1)]
    folder = [json.loads(path.read_text()) for path in frames]
    video = json.loads((page / "videos" / "street.json").read_text())
    assert video["frames_per_second"] == RATE and len(video["frames"]) == FRAMES and video["tracker"]["name"] == "bytetrack"
    for records, text in ((folder, page / "followed" / "WALKERS-01.txt"), (video["frames"], page / "videos" / "street.txt")):
        objects = [(number, one) for number, record in enumerate(records, start=1) for one in record["objects"]]
        assert len(objects) >= FRAMES, "the detector finds something in every frame"
        assert rows_of(text) == [(number, one["track"]) for number, one in objects]
        # a file of MOTChallenge counts pixels from 1, a record has left, top, right and bottom from 0
        corners = np.array([one["box"] for _, one in objects])
        expected = np.column_stack([corners[:, :2] + 1, corners[:, 2:] - corners[:, :2]])
        assert np.array(boxes_of(text)) == pytest.approx(expected, abs=0.02)
        assert len({one["track"] for _, one in objects}) < len(objects), "an object of one frame is known again in another"


def assert_pictures_show_numbers_and_trails(page: Path, frames: Path) -> None:
    """Check that frames are drawn on, and that the video has all of them at its rate."""
    drawn, original = (read_image(next(folder.rglob("000003.jpg"))) for folder in (page / "followed", frames))
    # a small picture is enlarged
    enlarged = cv2.resize(original, (drawn.shape[1], drawn.shape[0]))
    assert (cv2.absdiff(drawn, enlarged) > 100).any(axis=2).sum() > 500
    capture = cv2.VideoCapture(str(page / "videos" / "street.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == FRAMES and capture.get(cv2.CAP_PROP_FPS) == RATE
