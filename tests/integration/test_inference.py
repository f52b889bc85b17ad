"""tools/inference.py, and what it is made of."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from pet.vision import GeneralizedCNN
from pet.vision import config as vision_config
from pet.vision.inference import Inputs, describe_predictions, find_inputs, find_names, run_inference
from pet.vision.inference.inputs import UNREADABLE, Frames, ImageFiles, Video
from pet.vision.inference.records import label_images
from pet.visual import DrawSettings, TargetNames, draw_predictions
from petlib.config import load_cfg
from petlib.errors import DataError, OutputError
from tests.integration.conftest import DIGITS, Run

NAMES = TargetNames(classes=("cat", "dog"), parts=("background", "head", "tail"))


def write_images(folder: Path, *names: str, value: int = 100) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((40, 60, 3), value, np.uint8))


def write_video(path: Path, count: int, size: tuple[int, int] = (64, 48)) -> None:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, size)
    for number in range(count):
        video.write(np.full((size[1], size[0], 3), 10 * number, np.uint8))
    video.release()


class OneCat:
    """Finds a cat in the left half of every image."""

    batch_size = 2

    def predict(self, dataset: Any) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        for index in range(len(dataset)):
            sample = dataset[index]
            height, width = sample["image"].shape[:2]
            yield sample["meta"], cats(height, width)


def cats(height: int, width: int) -> dict[str, np.ndarray]:
    return {
        "boxes": np.array([[0, 0, width / 2, height], [0, 0, 5, 5]], np.float32),
        "scores": np.array([0.9, 0.1], np.float32),
        "labels": np.array([0, 1]),
        "masks": np.ones((2, 28, 28), np.float32),
        "keypoints": np.array([[[3.0, 4.0, 7.25]], [[1.0, 1.0, 0.5]]], np.float32),
        "parsing": np.stack([np.stack([np.full((8, 8), value, np.float32) for value in (0, 1, 2)]) for _ in range(2)]),
        "parsing_scores": np.array([0.5, 0.25], np.float32),
        "semseg": np.ones((height, width), np.uint8),
    }


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
    assert "3 images and 5 frames of 1 video: " in done.output
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
        (["--images", "gone"], "error: --images gone: there is no such file or folder"),
        (["--images", "in", "--weights", "gone.pth"], "error: gone.pth: there is no such file"),
    ],
)
def test_mistakes_of_a_user(run: Run, tmp_path: Path, options: list[str], message: str) -> None:
    write_images(tmp_path / "in", "a.png")
    done = run("inference.py", "--cfg", DIGITS, "--out", "out", *options)
    assert done.code == 2, done.output
    assert message in done.output
    assert "Traceback" not in done.output


def test_what_is_found_is_drawn_and_written(tmp_path: Path) -> None:
    write_images(tmp_path / "in", "a.png")
    steps: list[int] = []
    inputs = find_inputs(str(tmp_path / "in"))
    summary = run_inference(
        OneCat(),  # type: ignore[arg-type]  # it has what is used of a Predictor
        inputs,
        tmp_path / "out",
        names=NAMES,
        settings=DrawSettings(),
        progress=lambda: steps.append(1),
    )
    assert (summary.images, dict(summary.objects), len(steps)) == (1, {"cat": 1}, 1)
    drawn = cv2.imread(str(tmp_path / "out" / "a.jpg"))
    assert drawn.shape[1] == 480
    assert np.abs(drawn[: drawn.shape[0] // 2, 300:400].astype(int) - 100).max() > 20, "all pixels have a class"
    record = json.loads((tmp_path / "out" / "a.json").read_text())
    assert cv2.imread(str(tmp_path / "out" / record["semseg"]), cv2.IMREAD_UNCHANGED).tolist() == [[1] * 60] * 40
    parts = cv2.imread(str(tmp_path / "out" / record["parsing"]), cv2.IMREAD_UNCHANGED)
    assert parts.tolist() == [[2] * 30 + [0] * 30] * 40


def test_objects_as_json() -> None:
    record = describe_predictions(cats(40, 60), (40, 60), NAMES)
    first = record["objects"][0]
    assert (first["class"], first["label"], first["score"], first["box"]) == ("cat", 0, 0.9, [0, 0, 30, 40])
    assert (first["keypoints"], first["parsing_score"]) == ([[3, 4, 7.25]], 0.5)
    pixels = coco_mask.decode(first["mask"])
    assert pixels.shape == (40, 60)
    assert pixels[:, :30].all()
    assert not pixels[:, 30:].any()
    assert describe_predictions({key: value[:0] for key, value in cats(4, 6).items() if key != "semseg"}, (4, 6), NAMES)["objects"] == []
    json.dumps(record)


def test_parts_of_the_better_object_lie_on_top() -> None:
    predictions = cats(40, 60)
    predictions["scores"] = np.array([0.6, 0.9], np.float32)
    predictions["parsing"][1, 1] = 5
    parts = label_images(predictions, (40, 60), NAMES, 0.5)["parsing"]
    assert (parts[:5, :5] == 1).all()
    assert (parts[10:, :30] == 2).all()


def test_classes_without_keypoints_and_parts_are_given_none() -> None:
    names = replace(NAMES, keypoint_labels=frozenset({7}), part_labels=frozenset({7}))
    predictions = cats(40, 60)
    first = describe_predictions(predictions, (40, 60), names)["objects"][0]
    assert not {"keypoints", "parsing_score"} & set(first)
    assert not label_images(predictions, (40, 60), names, 0.5)["parsing"].any()
    drawn = draw_predictions(np.zeros((40, 60, 3), np.uint8), predictions, names, DrawSettings())
    without = {key: value for key, value in predictions.items() if key not in ("keypoints", "parsing", "parsing_scores")}
    assert (drawn == draw_predictions(np.zeros((40, 60, 3), np.uint8), without, names, DrawSettings())).all()


def test_results_do_not_overwrite_each_other(tmp_path: Path) -> None:
    write_images(tmp_path / "in", "a.png", "a.jpg", "b.png")
    predictor: Any = OneCat()
    run_inference(predictor, find_inputs(str(tmp_path / "in")), tmp_path / "out", names=NAMES, settings=DrawSettings())
    assert {path.name for path in (tmp_path / "out").glob("*.json")} == {"a.png.json", "a.jpg.json", "b.json"}
    with pytest.raises(OutputError, match="which would be overwritten"):
        run_inference(predictor, find_inputs(str(tmp_path / "in")), tmp_path / "in", names=NAMES, settings=DrawSettings())


def test_a_video_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no video")
    predictor: Any = OneCat()
    summary = run_inference(predictor, find_inputs(str(tmp_path / "film.mp4")), tmp_path / "out", names=NAMES, settings=DrawSettings())
    assert summary.frames == 0
    assert "film.mp4: not a video that can be read" in summary.unreadable[0]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("in", ["a.png", "b.jpg", "sub/c.bmp"]),
        ("in/a.png", ["a.png"]),
        ("in/*.jpg", ["b.jpg"]),
        ("in/**/*", ["a.png", "b.jpg", "sub/c.bmp"]),
    ],
)
def test_folders_files_and_patterns(tmp_path: Path, pattern: str, names: list[str]) -> None:
    write_images(tmp_path / "in", "a.png", "b.jpg", "sub/c.bmp")
    (tmp_path / "in" / "notes.txt").touch()
    found = find_inputs(str(tmp_path / pattern))
    assert found == Inputs(tmp_path / "in", [tmp_path / "in" / name for name in names], [])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("in/notes.txt", "there are no images"),
        ("in", "there are no images .* among its 2 files"),
        ("in/*.jpg", "the pattern fits no images"),
        ("in/more/a.jpg", "the path exists only up to .*in$"),
    ],
)
def test_no_images(tmp_path: Path, pattern: str, message: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").touch()
    (tmp_path / "in" / "more.txt").touch()
    with pytest.raises(DataError, match=message):
        find_inputs(str(tmp_path / pattern))


def test_files_as_samples(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    (tmp_path / "b.png").touch()
    good, bad = ImageFiles([tmp_path / "a.png", tmp_path / "b.png"])[0], ImageFiles([tmp_path / "b.png"])[0]
    assert good["image"].shape == (40, 60, 3)
    assert good["meta"] == {"id": 0, "file": str(tmp_path / "a.png"), "size": (40, 60)}
    assert "the image file is empty" in bad["meta"][UNREADABLE]
    frame = Frames([good["image"]], first=7, file=tmp_path / "film.avi")[0]
    assert (frame["meta"]["id"], frame["meta"]["size"]) == (7, (40, 60))


def test_names_come_from_config_data_or_run(tmp_path: Path) -> None:
    def names(*overrides: str) -> TargetNames:
        return find_names(load_cfg(vision_config, DIGITS, [f"MISC.CKPT={tmp_path}", *overrides]))

    assert names().classes == tuple("0123456789")
    given = [f"n{number}" for number in range(10)]
    assert names(f"DATA.CLASSES={given}", "TEST.DATASETS=[]", "TRAIN.DATASETS=[]").classes == tuple(given)
    nowhere = ["TEST.DATASETS=[cifar10_test]", "TRAIN.DATASETS=[]", f"MISC.DATA_ROOT={tmp_path}"]
    assert names(*nowhere).classes == ()
    assert names(*nowhere).of_class(3) == "3"
    (tmp_path / "config.yaml").write_text("DATA: {CLASSES: [cat, dog]}")
    assert names(*nowhere).classes == ("cat", "dog")
