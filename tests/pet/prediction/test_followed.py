"""What a detector finds is followed: numbers in pictures, records and texts, for videos and for folders of frames."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pet.data.files.mot_text import read_mot
from pet.prediction import find_inputs, follow_objects, predict_files
from pet.prediction.run import FilePredictor
from pet.prediction.videos import open_drawn_video
from pet.prediction.whole_images import WholeImages
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from petlib.errors import ConfigError

SIZE = (96, 160)


class Finder:
    """Finds each bright rectangle of a frame, with its mask, in an order that changes from frame to frame."""

    batch_size = 2

    def __init__(self, *, only_scores: bool = False) -> None:
        self._only_scores = only_scores

    def predict(self, dataset: Any) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        for index in range(len(dataset)):
            sample = dataset[index]
            bright = (sample["image"].max(axis=2) > 128).astype(np.uint8)
            _, _, found, _ = cv2.connectedComponentsWithStats(bright)
            boxes = np.array([[x, y, x + width, y + height] for x, y, width, height, _ in found[1:]], np.float32).reshape(-1, 4)
            boxes = boxes[:: 1 if index % 2 else -1]
            values = {"logits": np.zeros(3, np.float32)}
            if not self._only_scores:
                count = len(boxes)
                values = {"boxes": boxes, "scores": np.full(count, 0.9, np.float32), "labels": np.zeros(count, np.int64)}
                values["masks"] = np.ones((count, 4, 4), np.float32)
            yield sample["meta"], values


def frames() -> Iterator[np.ndarray]:
    for number in range(8):
        image = np.zeros((*SIZE, 3), np.uint8)
        image[10:40, 10 + 4 * number : 30 + 4 * number] = 255
        image[60:90, 120 - 4 * number : 140 - 4 * number] = 255
        yield image


def write_sequence(folder: Path) -> None:
    (folder / "img1").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text("[Sequence]\nframeRate=10\n")
    for number, image in enumerate(frames(), start=1):
        cv2.imwrite(str(folder / "img1" / f"{number:06d}.png"), image)


def predict(images: Path, out: Path, entry: Any = "sort") -> FilePredictor:
    predictor = follow_objects(WholeImages(Finder(), TargetNames(classes=("person",))), entry)
    predict_files(predictor, find_inputs(str(images)), out, drawing=DrawSettings())
    return predictor


def test_frames_of_a_folder_are_a_sequence(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_sequence(tmp_path / "in" / name)
    predict(tmp_path / "in", tmp_path / "out")
    for name in ("a", "b"):
        rows = read_mot(tmp_path / "out" / f"{name}.txt", what="the results")
        assert sorted(zip(rows.frames.tolist(), rows.ids.tolist(), strict=True)) == [
            (frame, own) for frame in range(1, 9) for own in (1, 2)
        ]
        places = [rows.corners()[rows.ids == own][:, 0].tolist() for own in (1, 2)]
        assert sorted(places) == [[10 + 4 * number for number in range(8)], [120 - 4 * number for number in range(8)]], "one each"
        record = json.loads((tmp_path / "out" / name / "img1" / "000004.json").read_text())
        assert {own["track"] for own in record["objects"]} == {1, 2} and "mask" in record["objects"][0], "masks go along"
    predict(tmp_path / "in" / "a" / "img1", tmp_path / "one")
    assert (tmp_path / "one" / "a.txt").read_text() == (tmp_path / "out" / "a.txt").read_text()


def test_a_video_has_tracks_in_its_record_and_its_picture(tmp_path: Path) -> None:
    with open_drawn_video(tmp_path / "in.mp4", 10.0) as video:
        for image in frames():
            video.write(image)
    predict(tmp_path / "in.mp4", tmp_path / "out", {"name": "bytetrack", "buffer": 2.0})
    record = json.loads((tmp_path / "out" / "in.json").read_text())
    assert record["tracker"] == {"name": "bytetrack", "buffer": 2.0}, "its settings are in the result"
    assert [sorted(own["track"] for own in frame["objects"]) for frame in record["frames"]] == [[1, 2]] * 8
    assert len(read_mot(tmp_path / "out" / "in.txt", what="the results").ids) == 16
    capture = cv2.VideoCapture(str(tmp_path / "out" / "in.mp4"))
    picture = [capture.read()[1] for _ in range(8)][-1]
    # where the first one was, between the frame and its box now: the trail below it
    rows, columns = (
        slice(round(start * picture.shape[0] / 96), round(stop * picture.shape[0] / 96)) for start, stop in ((37, 42), (22, 34))
    )
    assert picture[rows, columns].max() > 90


def test_what_is_not_seen_often_enough_is_not_written(tmp_path: Path) -> None:
    write_sequence(tmp_path / "in")
    predict(tmp_path / "in", tmp_path / "out", {"name": "sort", "score": 0.95})
    assert (tmp_path / "out" / "in.txt").read_text() == ""
    assert json.loads((tmp_path / "out" / "img1" / "000003.json").read_text())["objects"] == []


def test_models_without_boxes_are_refused(tmp_path: Path) -> None:
    write_sequence(tmp_path / "in")
    inputs = find_inputs(str(tmp_path / "in"))
    classifier = follow_objects(WholeImages(Finder(only_scores=True), TargetNames()), "sort")
    with pytest.raises(ConfigError, match=r"the model finds logits in .*000001.png and no boxes to follow; leave it out"):
        predict_files(classifier, inputs, tmp_path / "out", drawing=DrawSettings())

    class Windows:
        names, num_images = TargetNames(), 1

        def predict_images(self, inputs: Any, output: Any) -> None: ...

        def predict_videos(self, inputs: Any, output: Any) -> None: ...

    with pytest.raises(ConfigError, match="the model of this config finds no boxes that could be followed"):
        follow_objects(Windows(), "sort")
    with pytest.raises(ConfigError, match="unknown tracker 'sorted'"):
        follow_objects(WholeImages(Finder(), TargetNames()), "sorted")
