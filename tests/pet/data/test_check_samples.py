"""What the first look at data finds."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pet.data import Dataset, DatasetInfo, Expectation
from pet.data.datasets.image_folder import ImageFolder
from pet.data.targets.check import check_samples
from petlib.errors import DataError


def labels(count: int) -> Expectation:
    """Return what a model of so many classes wants of its data."""
    return Expectation(("label",), {"label": count}, settings={"label": "MODEL.NUM_CLASSES"})


class Given(Dataset):
    """A data set of labels; an image can be put in the place of the usual one."""

    def __init__(self, labels: list[int], classes: list[str], *, image: Any = None, numbered: bool = False) -> None:
        self.labels = labels
        self.info = DatasetInfo(frozenset({"label"}), classes=classes, numbered=numbered)
        self.image = np.zeros((4, 4, 3), np.uint8) if image is None else image
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.read.append(index)
        return {"image": self.image, "label": self.labels[index], "meta": {"id": index, "file": f"{index}.jpg"}}


def test_samples_are_read_from_the_whole_data_set() -> None:
    dataset = Given([0, 1] * 50, ["a", "b"])
    check_samples(dataset, labels(2), 4)
    assert dataset.read == [0, 33, 66, 99]
    check_samples(Given([0], ["a", "b"]), labels(2), 16)


def test_no_sample_is_read_where_none_is_asked_for() -> None:
    dataset = Given([5], ["a", "b"])
    check_samples(dataset, labels(2), 0)
    assert dataset.read == []


def test_an_empty_data_set_is_reported() -> None:
    with pytest.raises(DataError, match="the data are empty"):
        check_samples(Given([], ["a"]), labels(1), 4)


def test_other_numbers_of_classes_are_reported() -> None:
    message = r"the data have 6 classes \(a, b, c, d, e, \.\.\.\), the model has 10: set MODEL.NUM_CLASSES to 6"
    with pytest.raises(DataError, match=message):
        check_samples(Given([0], list("abcdef")), labels(10), 4)


def test_numbered_labels_need_not_reach_the_last_class() -> None:
    check_samples(Given([0, 2], ["0", "1", "2"], numbered=True), labels(10), 4)
    with pytest.raises(DataError, match="the data have 3 classes"):
        check_samples(Given([0, 2], ["0", "1", "2"], numbered=True), labels(2), 4)


def test_a_folder_that_is_missing_among_numbers_does_not_move_labels(tmp_path: Path) -> None:
    for name in ("0", "1", "3"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"the data have 3 classes \(0, 1, 3\), the model has 4"):
        check_samples(ImageFolder(folder=tmp_path), labels(4), 4)


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_outside_of_the_classes_is_reported_with_its_file(label: int) -> None:
    with pytest.raises(DataError, match=rf"1\.jpg: the label {label} lies outside of 0 to 1; set MODEL.NUM_CLASSES or correct the label"):
        check_samples(Given([0, label], ["a", "b"]), labels(2), 4)


@pytest.mark.parametrize(
    ("image", "given"),
    [
        (np.zeros((4, 4), np.uint8), r"uint8 \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 \(4, 4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), r"float32 \(4, 4, 3\)"),
        ([[0]], "list"),
    ],
)
def test_another_kind_of_image_is_reported_with_its_file(image: Any, given: str) -> None:
    with pytest.raises(DataError, match=rf"0\.jpg: the image is {given}, a uint8 array \(height, width, 3\) expected"):
        check_samples(Given([0], ["a"], image=image), labels(1), 4)


class Damaged(Given):
    """Some samples cannot be read."""

    def __init__(self, damaged: set[int]) -> None:
        super().__init__([0, 1] * 50, ["a", "b"])
        self.damaged = damaged

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index in self.damaged:
            raise DataError("the image is cut off")
        return super().__getitem__(index)


def test_samples_that_will_be_skipped_are_reported_at_the_first_look(caplog: pytest.LogCaptureFixture) -> None:
    dataset = Damaged({33})
    with pytest.raises(DataError, match="^sample 33 of Damaged: the image is cut off$"):
        check_samples(dataset, labels(2), 4)
    check_samples(dataset, labels(2), 4, on_error="skip")
    assert dataset.read == [0, 0, 66, 99]
    assert caplog.messages == [
        "a sample of the first look cannot be read; check_samples.on_error is skip: sample 33 of Damaged: the image is cut off"
    ]


def test_data_of_which_nothing_can_be_read_are_refused_whatever_is_to_be_skipped() -> None:
    with pytest.raises(DataError, match="^sample 99 of Damaged: the image is cut off$"):
        check_samples(Damaged(set(range(100))), labels(2), 4, on_error="skip")
