"""Numbers that can be read and cannot be meant: the first look of a training and ``check.py`` say so in the same words."""

import time
from typing import Any

import numpy as np
import pytest

from pet.data.report.dataset_report import report_dataset
from pet.data.targets.check import check_samples
from pet.data.targets.dataset import Dataset, DatasetInfo, Expectation, ImageTruth
from pet.data.targets.label_maps import count_labels
from pet.data.targets.plausibility import ObjectLook
from petlib.errors import DataError

WIDTH, HEIGHT = 120, 90


class Objects(Dataset):
    """Images with objects.

    Args:
        boxes: of each image (N, 4), left, top, width, height.
        areas: of each image (N,); None: those of the boxes.
        more: further fields of each truth.
        knows_truth: :meth:`truth` gives the objects.
    """

    def __init__(self, boxes: list[Any], areas: list[Any] | None = None, *, knows_truth: bool = True, **more: list[Any]) -> None:
        self.info = DatasetInfo(frozenset({"boxes"}), classes=["a", "b"])
        self._boxes = [np.array(own, np.float32).reshape(-1, 4) for own in boxes]
        self._areas = areas
        self._more = more
        self._knows_truth = knows_truth
        self.asked = 0

    def __len__(self) -> int:
        return len(self._boxes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        truth = self._objects(index)
        limits = np.array([WIDTH, HEIGHT] * 2, np.float32)
        return {
            "image": np.zeros((HEIGHT, WIDTH, 3), np.uint8),
            "boxes": np.clip(truth.boxes, 0, limits),
            "labels": truth.labels,
            "meta": {"id": index, "file": truth.file, "size": (HEIGHT, WIDTH)},
        }

    def truth(self, index: int) -> ImageTruth | None:
        self.asked += 1
        return self._objects(index) if self._knows_truth else None

    def _objects(self, index: int) -> ImageTruth:
        boxes = self._boxes[index].copy()
        areas = boxes[:, 2] * boxes[:, 3] if self._areas is None else np.array(self._areas[index], np.float32)
        boxes[:, 2:] += boxes[:, :2]
        count = len(boxes)
        more = {name: values[index] for name, values in self._more.items()}
        labels, crowd = np.zeros(count, np.int64), np.zeros(count, bool)
        # readers leave out, and count, what lies outside of its image
        kept = (boxes[:, :2] < (WIDTH, HEIGHT)).all(axis=1)
        more = {name: [value for value, keep in zip(values, kept, strict=True) if keep] for name, values in more.items()}
        more = {name: np.array(values) if name == "keypoints" else values for name, values in more.items()}
        return ImageTruth(index, f"{index}.png", HEIGHT, WIDTH, boxes[kept], labels[kept], crowd[kept], areas[kept], **more)


def plain_boxes(seed: int = 0, images: int = 20) -> list[np.ndarray]:
    """Return left, top, width, height of three objects in each image, all of them inside."""
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(8, 60, (images, 3, 2))
    places = rng.uniform(0, 1, (images, 3, 2)) * ((WIDTH, HEIGHT) - sizes)
    return list(np.concatenate([places, sizes], axis=2).round(1))


def corners(own: np.ndarray) -> np.ndarray:
    return np.concatenate([own[:, :2], own[:, :2] + own[:, 2:]], axis=1)


def centres(own: np.ndarray) -> np.ndarray:
    return np.concatenate([own[:, :2] + own[:, 2:] / 2, own[:, 2:]], axis=1)


def said(dataset: Dataset, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the first look warns of, and check that the report finds the same."""
    caplog.clear()
    check_samples(dataset, Expectation(("boxes",), {"boxes": 2}), 4, source="TRAIN.DATASETS (x): the data")
    prefix = "TRAIN.DATASETS (x): the data: "
    warnings = [record.getMessage().removeprefix(prefix) for record in caplog.records]
    report = report_dataset("x", dataset, Expectation(("boxes",), {"boxes": 2}), threads=1)
    kinds = [finding.kind for finding in report.findings if finding.place == "x"]
    assert not report.fails
    assert [kind for kind in kinds if not any(warning.startswith(kind) for warning in warnings)] == []
    assert len(kinds) == len(warnings)
    return warnings


def test_plain_data_are_not_doubted(caplog: pytest.LogCaptureFixture) -> None:
    boxes = plain_boxes()
    assert said(Objects(boxes), caplog) == []
    # sloppy boxes that leave the image a little, objects as large as their image, small areas of masks, one object
    assert said(Objects([own + np.array([0, 0, 3, 0]) if number < 1 else own for number, own in enumerate(boxes)]), caplog) == []
    assert said(Objects([[[0, 0, WIDTH, HEIGHT]]] * 5, [[9000]] * 5), caplog) == []
    assert said(Objects(boxes, [own[:, 2] * own[:, 3] / 50 for own in boxes]), caplog) == []
    assert said(Objects([[[3, 4, 5, 6]]], [[1.0]]), caplog) == []
    assert said(Objects([[[10, 10, 20, 20]] * 1] * 6), caplog) == [], "equal boxes in different images"


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (corners, r"[left, top, right, bottom]"),
        (centres, r"[centre x, centre y, width, height]"),
        (lambda own: own[:, [1, 0, 3, 2]], r"[top, left, height, width]"),
    ],
)
def test_boxes_that_are_written_in_another_way(written: Any, form: str, caplog: pytest.LogCaptureFixture) -> None:
    (warning,) = said(Objects([written(own) for own in plain_boxes()], [own[:, 2] * own[:, 3] for own in plain_boxes()]), caplog)
    assert warning.startswith("boxes do not fit their images: ")
    assert f"read as {form} all fit; write [left, top, width, height]" in warning


def test_boxes_of_larger_images(caplog: pytest.LogCaptureFixture) -> None:
    boxes = [own * 4 for own in plain_boxes()]
    assert any("may have had another size when they were marked" in warning for warning in said(Objects(boxes), caplog))


def test_boxes_as_shares_of_the_image(caplog: pytest.LogCaptureFixture) -> None:
    boxes = [own / np.array([WIDTH, HEIGHT] * 2) for own in plain_boxes()]
    (warning,) = said(Objects(boxes), caplog)
    assert warning.startswith("boxes lie within one pixel: 60 of 60 objects (the first: left, top, right, bottom ")
    assert warning.endswith("they are shares of width and height, as YOLO writes them; multiply them by the size of the image")
    (warning,) = said(Objects(boxes, knows_truth=False), caplog)
    assert warning.startswith("boxes lie within one pixel: ")
    corners = [np.concatenate([own[:, :2], own[:, :2] + own[:, 2:]], axis=1) for own in boxes]
    (warning,) = said(Objects(corners), caplog)
    assert warning.endswith("by the size of the image, and write [left, top, width, height]")


def test_annotations_that_are_there_twice(caplog: pytest.LogCaptureFixture) -> None:
    (warning,) = said(Objects([np.concatenate([own, own]) for own in plain_boxes()]), caplog)
    assert warning.startswith("objects are given more than once: 60 of 120 objects (the first: ")
    once = plain_boxes()
    once[5] = np.concatenate([once[5], once[5][:1]])
    (warning,) = said(Objects(once), caplog)
    assert "1 of 61 objects" in warning and "in 5.png" in warning


@pytest.mark.parametrize(
    ("factor", "offset", "shown"),
    [(0, 1, "1"), (0, 0, "0"), (1e-4, 0, ""), (4, 0, "")],
)
def test_areas_that_cannot_be(factor: float, offset: float, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    boxes = plain_boxes()
    (warning,) = said(Objects(boxes, [factor * own[:, 2] * own[:, 3] + offset for own in boxes]), caplog)
    assert warning.startswith("the area of objects cannot be theirs: 60 of 60 objects")
    assert f"its area is {shown}" in warning and "or leave out 'area'" in warning


def test_one_area_for_all(caplog: pytest.LogCaptureFixture) -> None:
    boxes = [[[10, 10, 20, 20]]] * 6
    (warning,) = said(Objects(boxes, [[1.0]] * 6), caplog)
    assert warning.startswith("the area of objects cannot be theirs: 6 of 6 objects")
    assert said(Objects(boxes, [[150.0]] * 6), caplog) == []


def test_outlines_and_keypoints_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    boxes = plain_boxes()
    inside = [[[[box[0], box[1], box[0] + box[2], box[1], box[0] + box[2], box[1] + box[3]]] for box in own.tolist()] for own in boxes]
    assert said(Objects(boxes, segmentations=inside), caplog) == []
    shares = [[[(np.array(one[0]).reshape(-1, 2) / (WIDTH, HEIGHT)).ravel().tolist()] for one in own] for own in inside]
    (warning,) = said(Objects(boxes, segmentations=shares), caplog)
    assert warning.startswith("outlines lie elsewhere than their boxes") and "the outlines may be shares from 0 to 1" in warning
    points = [np.array([[[*box[:2] + box[2:] / 2, 2], [0, 0, 0]] for box in own]) for own in boxes]
    assert said(Objects(boxes, keypoints=points), caplog) == []
    (warning,) = said(Objects(boxes, keypoints=[own / np.array([WIDTH, HEIGHT, 1]) for own in points]), caplog)
    assert warning.startswith("keypoints lie elsewhere than their boxes") and "the keypoints may be shares from 0 to 1" in warning


def test_no_image_has_an_object(caplog: pytest.LogCaptureFixture) -> None:
    assert said(Objects([[], [], []]), caplog) == ["no image has an object: 3 images were looked at"]
    assert said(Objects([[], [[3, 4, 5, 6]], []]), caplog) == []


def test_the_first_look_at_large_data_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Objects([[[3, 4, 5, 6]]] * 5000)
    check_samples(dataset, Expectation(("boxes",), {"boxes": 2}), 4)
    assert 450 < dataset.asked <= 500
    now = iter(np.arange(0, 1000, 0.25))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    slow = Objects([[[3, 4, 5, 6]]] * 5000)
    check_samples(slow, Expectation(("boxes",), {"boxes": 2}), 4)
    assert slow.asked == 5


def test_crowd_regions_are_not_doubted() -> None:
    look = ObjectLook()
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    look.add(ImageTruth(0, "a.png", HEIGHT, WIDTH, boxes, np.zeros(2, np.int64), np.ones(2, bool), np.ones(2, np.float32)))
    assert [kind for kind, _, _ in look.findings()] == ["no image has an object"]


class LabelImages(Dataset):
    """One label image again and again."""

    def __init__(self, labels: list[list[int]], *, void_is_stated: bool = False) -> None:
        self.info = DatasetInfo(frozenset({"semseg"}), semseg_classes=["ground", "roof"], void_is_stated=void_is_stated)
        self._labels = np.array(labels, np.uint8)
        self.other = -1

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = np.zeros((*self._labels.shape, 3), np.uint8)
        labels = self._labels if index != self.other else np.ones_like(self._labels)
        return {"image": image, "semseg": labels, "meta": {"id": index, "file": f"{index}.png"}}


@pytest.mark.parametrize(
    ("labels", "warnings"),
    [
        ([[0, 1], [1, 255]], []),
        (
            [[0, 255], [255, 0]],
            ["the data: label images know no class but the first: all pixels that count are 0 in 4 label images"],
        ),
        ([[0, 0], [0, 0]], ["the data: label images know no class but the first: all pixels that count are 0 in 4 label images"]),
    ],
)
def test_label_images_of_one_class(labels: list[list[int]], warnings: list[str], caplog: pytest.LogCaptureFixture) -> None:
    check_samples(LabelImages(labels, void_is_stated=True), Expectation(("semseg",), {"semseg": 2}), 4)
    assert caplog.messages == warnings


def test_masks_in_black_and_white_end_a_training_unless_one_is_not() -> None:
    masks, expected = LabelImages([[0, 255], [255, 0]]), Expectation(("semseg",), {"semseg": 2})
    with pytest.raises(DataError) as error:
        check_samples(masks, expected, 4)
    assert str(error.value) == (
        "the data: label images know no class but the first: 6 label images were looked at: all pixels are 0 or 255, and 255 counts "
        "nowhere; if it is the second class, as in masks in black and white, set label_values: [0, 255] in CatalogEntry; "
        "if its pixels do not count, set ignore_values: [255]"
    )
    # the first look sees samples 0 and 5
    masks.other = 3
    check_samples(masks, expected, 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_labels_are_counted_in_parts(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pet.data.targets.label_maps.ROWS_OF_PIXELS", 7)
    labels = np.random.default_rng(0).integers(0, 250, (31, 5)).astype(dtype)
    expected = np.unique(labels, return_counts=True)
    assert [values.tolist() for values in count_labels(labels)] == [values.tolist() for values in expected]
    assert [values.tolist() for values in count_labels(labels[:0])] == [[], []]
