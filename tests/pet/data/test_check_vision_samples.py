"""What the first look at data with targets finds."""

from typing import Any

import numpy as np
import pytest

from pet.data.targets.check import check_samples
from pet.data.targets.dataset import Dataset, DatasetInfo, Expectation, ImageTruth, KeypointSet, PartSet
from pet.structures.masks import InstanceMasks
from petlib.errors import DataError

KINDS = ("boxes", "masks", "keypoints", "semseg", "parsing")
COUNTS = {"boxes": 2, "semseg": 3, "keypoints": 2, "parsing": 3}
SETTINGS = {
    "boxes": "MODEL.NUM_CLASSES",
    "semseg": "MODEL.SEMSEG.NUM_CLASSES",
    "keypoints": "MODEL.KEYPOINTS.NUM_KEYPOINTS",
    "parsing": "MODEL.PARSING.NUM_PARTS",
}
EXPECTED = Expectation(KINDS, COUNTS, settings=SETTINGS)
BOXES = [[0.0, 0.0, 8.0, 6.0], [1.0, 2.0, 3.0, 4.0]]


def make_sample(**changes: Any) -> dict[str, Any]:
    """Return a sample of 8 x 6 pixels with two objects that is as it should be, apart from ``changes``."""
    sample = {
        "image": np.zeros((6, 8, 3), np.uint8),
        "boxes": np.array(BOXES, np.float32),
        "labels": np.array([0, 1]),
        "masks": InstanceMasks.from_bitmaps(np.ones((2, 6, 8), np.uint8)),
        "keypoints": np.zeros((2, 2, 3), np.float32),
        "semseg": np.full((6, 8), 2, np.uint8),
        "parsing": np.full((6, 8), 255, np.uint8),
        "instances": np.zeros((6, 8), np.uint16),
        "instance_ids": np.zeros(2, np.int64),
        "meta": {"id": 5, "file": "below/5.jpg"},
    }
    return {**sample, **changes}


class Given(Dataset):
    """A data set of samples that are all equal."""

    def __init__(self, sample: dict[str, Any] | None = None, *, count: int = 1, **described: Any) -> None:
        self.sample = sample or make_sample()
        self.count = count
        self.read: list[int] = []
        usual: dict[str, Any] = {
            "classes": ["cat", "dog"],
            "semseg_classes": ["ground", "cat", "dog"],
            "keypoint_set": KeypointSet(("nose", "tail"), (0, 1), (), (0.1, 0.1)),
            "part_set": PartSet(("background", "left", "right"), (0, 2, 1)),
        }
        self.info = DatasetInfo(frozenset(KINDS), **{**usual, **described})

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.read.append(index)
        return self.sample

    def truth(self, index: int) -> ImageTruth | None:
        return None


def failure(sample: dict[str, Any] | None = None, kinds: tuple[str, ...] = KINDS, **described: Any) -> str:
    expected = Expectation(kinds, COUNTS, settings=SETTINGS)
    with pytest.raises(DataError) as error:
        check_samples(Given(sample, **described), expected, 16)
    return str(error.value)


def test_samples_as_they_should_be_pass() -> None:
    dataset = Given(count=100)
    check_samples(dataset, EXPECTED, 4)
    assert dataset.read == [0, 33, 66, 99]
    check_samples(dataset, EXPECTED, 0)
    assert len(dataset.read) == 4


def test_images_without_objects_pass() -> None:
    nothing = {
        "boxes": np.zeros((0, 4), np.float32),
        "labels": np.zeros(0, np.int64),
        "masks": InstanceMasks([], (6, 8)),
        "keypoints": np.zeros((0, 2, 3), np.float32),
        "instance_ids": np.zeros(0, np.int64),
    }
    check_samples(Given(make_sample(**nothing)), EXPECTED, 1)


def test_an_empty_data_set_is_reported() -> None:
    with pytest.raises(DataError, match="data are empty"):
        check_samples(Given(count=0), EXPECTED, 1)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"classes": ["cat"]}, "the data have 1 classes (cat), the model has 2: set MODEL.NUM_CLASSES to 1, or Source.classes to"),
        (
            {"semseg_classes": list("abcdef")},
            "6 classes of pixels (a, b, c, d, e, ...), the model has 3: set MODEL.SEMSEG.NUM_CLASSES to 6",
        ),
        ({"semseg_classes": []}, "the data have 0 classes of pixels (), the model has 3"),
        (
            {"keypoint_set": KeypointSet(("nose",), (0,), (), (0.1,))},
            "the data have 1 keypoints (nose), the model has 2: set MODEL.KEYPOINTS.NUM_KEYPOINTS to 1",
        ),
        ({"keypoint_set": None}, "the data have 0 keypoints (), the model has 2"),
        (
            {"part_set": PartSet(("background", "body"), (0, 1))},
            "the data have 2 part labels (background, body), the model has 3: set MODEL.PARSING.NUM_PARTS to 2",
        ),
        ({"part_set": None}, "the data have 0 part labels (), the model has 3"),
    ],
)
def test_data_that_do_not_fit_the_model_are_reported_before_a_sample_is_read(described: dict[str, Any], message: str) -> None:
    assert message in failure(**described)
    dataset = Given(**described)
    with pytest.raises(DataError):
        check_samples(dataset, EXPECTED, 1)
    assert not dataset.read


@pytest.mark.parametrize(
    ("kind", "described"),
    [
        ("boxes", {"classes": ["cat"]}),
        ("semseg", {"semseg_classes": []}),
        ("keypoints", {"keypoint_set": None}),
        ("parsing", {"part_set": None}),
    ],
)
def test_what_no_head_wants_need_not_fit(kind: str, described: dict[str, Any]) -> None:
    others = tuple(other for other in KINDS if other != kind)
    check_samples(Given(**described), Expectation(others, COUNTS), 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((6, 8), np.uint8)}, "the image is uint8 (6, 8), a uint8 array (height, width, 3) expected"),
        ({"image": np.zeros((6, 8, 3), np.float32)}, "the image is float32 (6, 8, 3), a uint8 array (height, width, 3) expected"),
        ({"labels": np.array([0])}, "2 boxes and 1 labels; one label a box expected"),
        ({"labels": np.array([0, 2])}, "object 1 has the label 2, 0 to 1 expected"),
        ({"labels": np.array([-1, 1])}, "object 0 has the label -1, 0 to 1 expected"),
        ({"masks": InstanceMasks.from_bitmaps(np.ones((1, 6, 8), np.uint8))}, "1 masks and 2 boxes; one mask a box expected"),
        ({"keypoints": np.zeros((2, 3, 3), np.float32)}, "keypoints of shape (2, 3, 3), (2, 2, 3) expected"),
        ({"keypoints": np.zeros((1, 2, 3), np.float32)}, "keypoints of shape (1, 2, 3), (2, 2, 3) expected"),
        ({"semseg": np.zeros((8, 6), np.uint8)}, "the label image is 6 x 8 pixels, the image 8 x 6"),
        ({"semseg": np.full((6, 8), 3, np.uint8)}, "semseg has the label 3; 0 to 2 and 255 (ignored) expected; the values are 3"),
        ({"parsing": np.zeros((6, 7), np.uint8)}, "the label image is 7 x 6 pixels, the image 8 x 6"),
        ({"parsing": np.full((6, 8), 254, np.uint8)}, "parsing has the label 254; 0 to 2 and 255 (ignored) expected; the values are 254"),
    ],
)
def test_a_wrong_sample_is_reported_with_its_file(changes: dict[str, Any], message: str) -> None:
    assert failure(make_sample(**changes)) == f"below/5.jpg: {message}"


@pytest.mark.parametrize(
    "box",
    [
        [3.0, 2.0, 3.0, 4.0],
        [1.0, 4.0, 3.0, 2.0],
        [-0.5, 2.0, 3.0, 4.0],
        [1.0, -2.0, 3.0, 4.0],
        [1.0, 2.0, 8.5, 4.0],
        [1.0, 2.0, 3.0, 6.5],
        [float("nan"), 2.0, 3.0, 4.0],
        [1.0, 2.0, float("inf"), 4.0],
    ],
)
def test_a_wrong_box_is_reported(box: list[float]) -> None:
    message = f"object 1 has the box {box} (left, top, right, bottom), one with an area inside of 8 x 6 expected"
    assert failure(make_sample(boxes=np.array([BOXES[0], box], np.float32)), kinds=("boxes",)) == f"below/5.jpg: {message}"


def test_a_sample_without_a_file_is_reported_by_what_is_known() -> None:
    assert failure(make_sample(labels=np.array([0]), meta={"id": 5})).startswith("{'id': 5}: 2 boxes and 1 labels")
