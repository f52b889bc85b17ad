"""Pictures, records and label images of models that look at whole images."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from pycocotools import mask as coco_mask

from pet.data.targets.drawing import draw_predictions
from pet.prediction import PredictionSummary, count_frames, find_inputs, predict_files
from pet.prediction.whole_images import UNREADABLE, Frames, ImageFiles, WholeImages
from pet.prediction.writers.records import RECORDS, FoundInImage, describe_predictions, label_images
from pet.visual import DrawSettings, TargetNames
from petlib.errors import ConfigError, OutputError

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


def predict(path: Path, folder: Path, *, polygons: bool = False, steps: list[float] | None = None) -> PredictionSummary:
    """Predict with the model that finds a cat."""
    progress = steps.append if steps is not None else lambda share: None
    predictor = WholeImages(OneCat(), NAMES)
    return predict_files(predictor, find_inputs(str(path)), folder, drawing=DrawSettings(), polygons=polygons, progress=progress)


def test_what_is_found_is_drawn_and_written(tmp_path: Path) -> None:
    write_images(tmp_path / "in", "a.png")
    steps: list[float] = []
    summary = predict(tmp_path / "in", tmp_path / "out", steps=steps)
    assert (summary.images, summary.objects, steps) == (1, {"cat": 1}, [1.0])
    assert {path.name for path in summary.written} == {"a.jpg", "a.json", "a_semseg.png", "a_parsing.png"}
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
    assert record["pixels"] == [{"label": 1, "class": "1", "count": 2400}]
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
    predict(tmp_path / "in", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("*.json")} == {"a.png.json", "a.jpg.json", "b.json"}
    with pytest.raises(OutputError, match=r"b\.png is one of the inputs and would be replaced"):
        predict(tmp_path / "in", tmp_path / "in")


def test_a_video_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no video")
    summary = predict(tmp_path / "film.mp4", tmp_path / "out")
    assert (summary.frames, summary.objects, summary.written) == (0, None, [])
    assert "film.mp4: not a video that can be read" in summary.unreadable[0]


def test_files_as_samples(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    (tmp_path / "b.png").touch()
    good, bad = ImageFiles([tmp_path / "a.png", tmp_path / "b.png"])[0], ImageFiles([tmp_path / "b.png"])[0]
    assert good["image"].shape == (40, 60, 3)
    assert good["meta"] == {"id": 0, "file": str(tmp_path / "a.png"), "size": (40, 60)}
    assert "the image file is empty" in bad["meta"][UNREADABLE]
    frame = Frames([good["image"]], first=7, file=tmp_path / "film.avi")[0]
    assert (frame["meta"]["id"], frame["meta"]["size"]) == (7, (40, 60))


def test_a_video_is_drawn_and_each_frame_has_a_record(tmp_path: Path) -> None:
    write_video(tmp_path / "film.avi", 9)
    summary = predict(tmp_path / "film.avi", tmp_path / "out")
    assert (summary.images, summary.frames, summary.objects) == (0, 9, {"cat": 9})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["film.json", "film.mp4"]
    frames = json.loads((tmp_path / "out" / "film.json").read_text())["frames"]
    assert [(frame["frame"], frame["objects"][0]["class"]) for frame in frames] == [(number, "cat") for number in range(9)]
    assert count_frames(tmp_path / "out" / "film.mp4") == 9


def test_results_of_a_geotiff_keep_its_place(tmp_path: Path) -> None:
    place = {"crs": "EPSG:32650", "transform": rasterio.Affine(2.0, 0, 500000, 0, -2.0, 4000000)}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", height=40, width=60, count=3, dtype="uint8", **place) as file:
        file.write(np.full((3, 40, 60), 100, np.uint8))
    predict(tmp_path / "a.tif", tmp_path / "out", polygons=True)
    names = ["a.geojson", "a.jpg", "a.json", "a_parsing.tif", "a_semseg.geojson", "a_semseg.tif"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    for name, values in (("a_semseg.tif", [1]), ("a_parsing.tif", [0, 2])):
        with rasterio.open(tmp_path / "out" / name) as file, rasterio.open(tmp_path / "a.tif") as original:
            assert (file.crs, file.transform) == (original.crs, original.transform)
            assert np.unique(file.read(1)).tolist() == values
    (cat,) = json.loads((tmp_path / "out" / "a.geojson").read_text())["features"]
    assert cat["properties"] == {"class": 0, "class_name": "cat", "pixels": 1200, "area": 4800.0, "object": 0, "score": 0.9}
    assert np.array(cat["geometry"]["coordinates"][0]).max(axis=0).tolist() == [500060, 4000000]
    (land,) = json.loads((tmp_path / "out" / "a_semseg.geojson").read_text())["features"]
    assert land["properties"]["area"] == 4 * 2400


def test_polygons_of_a_classifier_are_refused(tmp_path: Path) -> None:
    class Classifier(OneCat):
        def predict(self, dataset: Any) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
            yield dataset[0]["meta"], {"logits": np.array([0.0, 1.0], np.float32)}

    write_images(tmp_path, "a.png")
    predictor, inputs = WholeImages(Classifier(), NAMES), find_inputs(str(tmp_path / "a.png"))
    with pytest.raises(ConfigError, match="polygons: True given, but the model finds no areas"):
        predict_files(predictor, inputs, tmp_path / "out", drawing=DrawSettings(), polygons=True)
    assert predict_files(predictor, inputs, tmp_path / "out", drawing=DrawSettings()).objects == {"dog": 1}


def test_a_field_of_ones_own_has_a_record_of_its_own() -> None:
    @RECORDS.register("tiny_counts")
    def describe_counts(image: FoundInImage) -> dict[str, Any]:
        return {"counts": image.predictions["tiny_counts"].tolist()}

    record = describe_predictions({"tiny_counts": np.array([3, 4])}, (40, 60), NAMES)
    assert record == {"width": 60, "height": 40, "counts": [3, 4]}
