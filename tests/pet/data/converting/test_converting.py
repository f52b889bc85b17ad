"""Data sets written in other formats, and read back."""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from pet.commands.convert import convert
from pet.data.catalog.entries import parse_entry, read_entry
from pet.data.catalog.source import Source
from pet.data.converting.outlines import outline_of
from pet.data.datasets.shapes_writing import write_shapes
from pet.data.loading.build import DATASETS
from pet.data.loading.renumbered import in_order_of
from pet.data.targets.dataset import Dataset
from pet.evaluation.detection import DetectionEvaluator
from pet.evaluation.detection_measures import CocoMeasure
from petlib.errors import DataError, OutputError

SIZE = 64


def opened(text: str) -> Dataset:
    entry = read_entry("ENTRY", parse_entry(text, "an entry"))
    annotations = Path(entry.annotations) if entry.annotations else None
    return DATASETS.get(entry.type)(Source(Path(entry.path), entry.split, None, annotations=annotations))


def converted(entry: str, to: str, out: Path, **options: Any) -> None:
    """Convert a data set."""
    defaults = {"split": None, "images": "link", "data_root": Path("data")}
    assert convert(argparse.Namespace(data=entry, to=to, out=out, **{**defaults, **options})) == 0


def test_keys_of_a_type_reach_it(drawn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    converted(drawn, "voc", tmp_path / "voc")
    before = objects(opened(entry_in(capsys.readouterr().out)), "boxes")
    converted(f"{{type: voc, path: {tmp_path}/voc, corners: edges}}", "coco", tmp_path / "coco")
    after = objects(opened(entry_in(capsys.readouterr().out)), "boxes")
    moved = np.concatenate([item["boxes"][:, :2] for item in after]) - np.concatenate([item["boxes"][:, :2] for item in before])
    assert moved.tolist() == [[1, 1]] * len(moved)


def entry_in(output: str) -> str:
    return output.strip().splitlines()[-1].partition(": ")[2]


@pytest.fixture
def drawn(tmp_path: Path) -> str:
    """Shapes with boxes, polygons and keypoints, one object of them a crowd region; the entry that reads them."""
    write_shapes(tmp_path / "shapes", split="train", count=6, size=SIZE)
    path = tmp_path / "shapes" / "train" / "annotations.json"
    content = json.loads(path.read_text())
    content.pop("pet")
    content["annotations"][0]["iscrowd"] = 1
    path.write_text(json.dumps(content))
    return f"{{type: coco, path: {tmp_path}/shapes/train/images, annotations: {path}}}"


def objects(dataset: Dataset, *fields: str, crowd: bool = True) -> list[dict[str, np.ndarray]]:
    """Return the named arrays of the objects of each image, images by the names of their files."""
    truths = sorted((dataset.truth(place) for place in range(len(dataset))), key=lambda truth: Path(truth.file).name)
    kept = [truth if crowd else truth.select(~truth.crowd) for truth in truths]
    return [{field: np.asarray(getattr(truth, field)) for field in fields} for truth in kept]


def outlines(dataset: Dataset) -> list[Any]:
    """Return the outlines of all objects but crowd regions, images by the names of their files."""
    truths = sorted((dataset.truth(place) for place in range(len(dataset))), key=lambda truth: Path(truth.file).name)
    return [outline for truth in truths for outline in truth.select(~truth.crowd).segmentations]


@pytest.mark.parametrize(
    ("to", "fields"),
    [
        ("coco", ("boxes", "labels", "crowd", "areas", "keypoints")),
        ("voc", ("boxes", "labels", "crowd")),
        ("yolo", ("boxes", "labels", "keypoints")),
    ],
)
def test_what_a_format_holds_comes_back_bit_for_bit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], drawn: str, to: str, fields: tuple[str, ...]
) -> None:
    crowd = to != "yolo"
    converted(drawn, to, tmp_path / to)
    source, result = opened(drawn), opened(entry_in(capsys.readouterr().out))
    order = [result.info.classes.index(name) for name in source.info.classes]
    for expected, found in zip(objects(source, *fields, crowd=crowd), objects(result, *fields, crowd=crowd), strict=True):
        expected["labels"] = np.array(order)[expected["labels"]]
        for field in fields:
            np.testing.assert_array_equal(found[field], expected[field], field)
    file = Path(result.file_of(0))
    assert file.samefile(next((tmp_path / "shapes" / "train" / "images").glob(file.name))), "images are links"


def test_there_and_back_is_the_same_data(tmp_path: Path, capsys: pytest.CaptureFixture[str], drawn: str) -> None:
    """COCO -> YOLO -> VOC -> COCO: the boxes of ordinary objects are those of the beginning."""
    entry = drawn
    for step, to in enumerate(("yolo", "voc", "coco")):
        converted(entry, to, tmp_path / str(step))
        entry = entry_in(capsys.readouterr().out)
    for expected, found in zip(objects(opened(drawn), "boxes", crowd=False), objects(opened(entry), "boxes", crowd=False), strict=True):
        np.testing.assert_array_equal(found["boxes"], expected["boxes"])


def precision(dataset: Dataset) -> dict[str, float]:
    """Return COCO's figures of the objects of a data set moved at random, the same for each image whatever format it is in."""
    evaluator = DetectionEvaluator(dataset=dataset, kind="bbox", measures=[CocoMeasure("bbox", dataset.info.classes)])
    for place, truth in enumerate(dataset.truth(place) for place in range(len(dataset))):
        assert truth is not None
        rng = np.random.default_rng(int(Path(truth.file).stem))
        kept = truth.select(~truth.crowd)
        boxes = kept.boxes + rng.normal(0, 1.5, kept.boxes.shape).astype(np.float32)
        found = {"boxes": boxes, "scores": rng.random(len(boxes), np.float32), "labels": kept.labels}
        meta = {"index": place, "size": (truth.height, truth.width)}
        evaluator.update({"meta": [meta]}, [{name: torch.from_numpy(value) for name, value in found.items()}])
    figures = evaluator.compute()
    return {name: figures[f"bbox/{name}"] for name in ("AP", "AP50", "AP75")}


def test_the_average_precision_is_the_same_in_each_format(tmp_path: Path, capsys: pytest.CaptureFixture[str], drawn: str) -> None:
    path = tmp_path / "shapes" / "train" / "annotations.json"
    path.write_text(path.read_text().replace('"iscrowd": 1', '"iscrowd": 0'))
    source = opened(drawn)
    expected = precision(source)
    assert 0.1 < expected["AP"] < 0.9
    entry = drawn
    for step, to in enumerate(("yolo", "voc", "coco", "voc", "yolo", "coco")):
        converted(entry, to, tmp_path / str(step))
        entry = entry_in(capsys.readouterr().out)
        assert precision(in_order_of({"boxes": source.info.classes}, opened(entry), ["boxes"])) == expected, to


def test_what_is_lost_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str], drawn: str) -> None:
    total = sum(len(item["labels"]) for item in objects(opened(drawn), "labels"))
    converted(drawn, "voc", tmp_path / "voc")
    output = capsys.readouterr().out
    assert f"WARNING: {total} x outline of an object lost" in output
    assert f"WARNING: {total} x keypoints of an object lost" in output
    converted(drawn, "yolo", tmp_path / "yolo")
    output = capsys.readouterr().out
    assert "WARNING: 1 x crowd region left out, which the format cannot mark" in output
    assert f"WARNING: {total - 1} x outline of an object lost" in output
    converted(drawn, "coco", tmp_path / "coco")
    assert "WARNING" not in capsys.readouterr().out


def test_outlines_come_back_as_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str], drawn: str) -> None:
    path = tmp_path / "shapes" / "train" / "annotations.json"
    content = json.loads(path.read_text())
    for row in (*content["annotations"], *content["categories"]):
        row.pop("keypoints", None)
        row.pop("num_keypoints", None)
    path.write_text(json.dumps(content))
    converted(drawn, "yolo", tmp_path / "yolo")
    output = capsys.readouterr().out
    assert "x mask of runs written as an outline: holes are filled" in output
    for found, expected in zip(outlines(opened(entry_in(output))), outlines(opened(drawn)), strict=True):
        runs = coco_mask.merge(coco_mask.frPyObjects([np.ravel(found).tolist()], SIZE, SIZE))
        assert coco_mask.iou([runs], [expected], [0])[0, 0] > 0.95


def test_two_splits_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], drawn: str) -> None:
    converted(drawn, "yolo", tmp_path / "yolo")
    converted(drawn, "yolo", tmp_path / "yolo", split="val", images="copy")
    entry = entry_in(capsys.readouterr().out)
    assert "split: val" in entry
    assert len(opened(entry)) == len(opened(entry.replace("val", "train")))


def test_a_folder_of_other_classes_is_refused(tmp_path: Path, drawn: str) -> None:
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "data.yaml").write_text("train: images/train\nnames: {0: cat}\n")
    with pytest.raises(OutputError, match="its names are others"):
        converted(drawn, "yolo", tmp_path / "yolo")


def test_another_image_is_not_written_over(tmp_path: Path, drawn: str) -> None:
    place = tmp_path / "voc" / "JPEGImages"
    place.mkdir(parents=True)
    name = Path(opened(drawn).file_of(0)).name
    (place / name).write_bytes(b"other")
    with pytest.raises(OutputError, match=f"{name}: another file is there already"):
        converted(drawn, "voc", tmp_path / "voc")


def test_images_that_would_share_a_file_of_labels(tmp_path: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    rows = []
    for number, name in enumerate(("a.png", "a.bmp"), start=1):
        cv2.imwrite(str(tmp_path / name), image)
        rows.append({"id": number, "file_name": name, "width": 8, "height": 8})
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": rows, "annotations": [box], "categories": [{"id": 1, "name": "x"}]}))
    with pytest.raises(DataError, match="would have the same file of labels"):
        converted(f"{{type: coco, path: {tmp_path}, annotations: {path}}}", "yolo", tmp_path / "out")


def test_data_without_objects(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its images have label, and boxes are converted"):
        converted("{type: digits}", "yolo", tmp_path)


def area_of(outline: np.ndarray) -> int:
    return int(coco_mask.area(coco_mask.merge(coco_mask.frPyObjects([outline.ravel().tolist()], SIZE, SIZE))))


def test_parts_are_joined_by_lines_without_area() -> None:
    parts = [[4, 4, 20, 4, 20, 20, 4, 20], [40, 40, 60, 40, 60, 50, 40, 50]]
    outline = outline_of(parts)
    assert outline is not None
    np.testing.assert_array_equal([outline.min(0), outline.max(0)], [[4, 4], [60, 50]])
    x, y = outline.T
    assert abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2) == 16 * 16 + 20 * 10


def test_runs_become_the_edges_of_their_pixels() -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[10:30, 5:45] = 1
    outline = outline_of(coco_mask.encode(np.asfortranarray(mask)))
    assert outline is not None
    np.testing.assert_array_equal([outline.min(0), outline.max(0)], [[5, 10], [45, 30]])
    assert area_of(outline) == 20 * 40


def test_an_object_without_points_has_no_outline() -> None:
    assert outline_of([]) is None
    assert outline_of([[1, 1, 2, 2]]) is None
