"""tools/inference.py by the command line."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pet.prediction.videos import Video
from pet.vision import GeneralizedCNN
from pet.vision import config as vision_config
from petlib.config import load_cfg
from tests.integration.conftest import DIGITS, Run


def write_images(folder: Path, *names: str, value: int = 100) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((40, 60, 3), value, np.uint8))


def write_video(path: Path, count: int, size: tuple[int, int] = (64, 48)) -> None:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, size)
    for number in range(count):
        video.write(np.full((size[1], size[0], 3), 10 * number, np.uint8))
    video.release()


def test_a_classifier_looks_at_files(run: Run, tmp_path: Path) -> None:
    write_images(tmp_path / "in", "a.png", "sub/b.jpg")
    cv2.imwrite(str(tmp_path / "in" / "tall.png"), np.zeros((50, 20, 3), np.uint8))
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    (tmp_path / "in" / "notes.txt").write_text("no image either")
    write_video(tmp_path / "in" / "film.avi", 5)
    torch.manual_seed(0)
    torch.save(GeneralizedCNN(load_cfg(vision_config, DIGITS)).state_dict(), tmp_path / "weights.pth")
    options = ["--images", tmp_path / "in", "--out", tmp_path / "out", "--weights", tmp_path / "weights.pth"]
    done = run("inference.py", "--cfg", DIGITS, *options).succeeded()
    found = re.search(r"^3 images and 5 frames of 1 video; found by class: (.*)$", done.output, re.MULTILINE)
    assert found and re.fullmatch(r"\d \(\d+\)(, \d \(\d+\))*", found[1]), done.output
    assert sum(int(count) for count in re.findall(r"\((\d+)\)", found[1])) == 8
    assert f"the weights are those of {tmp_path / 'weights.pth'}" in done.output
    assert "given on the command line" not in done.output
    assert "1 file left out, not to be read" in done.output
    assert "broken.png: not an image that can be decoded" in done.output
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {"a.jpg", "a.json", "tall.jpg", "tall.json", "sub/b.jpg", "sub/b.json", "film.mp4", "film.json", "config.yaml"}
    record = json.loads((tmp_path / "out" / "a.json").read_text())
    assert (record["width"], record["height"]) == (60, 40)
    assert {entry["class"] for entry in record["classes"]} <= set("0123456789")
    assert sum(entry["score"] for entry in record["classes"]) <= 1.00001
    film = json.loads((tmp_path / "out" / "film.json").read_text())
    assert [frame["time"] for frame in film["frames"]] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert [len(chunk) for chunk in Video(tmp_path / "out" / "film.mp4").chunks(3)] == [3, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--images", "gone"], "error: --images: gone: there is no such file or folder"),
        (["--images", "in", "--weights", "gone.pth"], "error: gone.pth: there is no such file"),
    ],
)
def test_mistakes_of_a_user(run: Run, tmp_path: Path, options: list[str], message: str) -> None:
    write_images(tmp_path / "in", "a.png")
    done = run("inference.py", "--cfg", DIGITS, "--out", "out", *options)
    assert done.code == 2, done.output
    assert not (tmp_path / "out").exists()
    assert message in done.output
    assert "Traceback" not in done.output
