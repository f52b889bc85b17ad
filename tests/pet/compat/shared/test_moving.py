"""All fields of a sample that say where things are move by the same change, whatever a layer calls them."""

from typing import Any

import numpy as np
import pytest

from pet.compat.shared.moving import PlacedFields, move_fields
from pet.structures.moves import CropResize, Flip, PadCrop, QuarterTurns
from petlib.errors import DataError

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
FIELDS = PlacedFields(images=["picture", "gray"], label_maps=["regions"], boxes=["cars"], keypoints=["joints", "corners"])
SAMPLE: dict[str, Any] = {
    "picture": IMAGE,
    "gray": IMAGE[:, :, 0],
    "regions": IMAGE[:, :, 1].astype(np.int64),
    "cars": np.array([[1.0, 0.0, 3.0, 2.0]], np.float32),
    "joints": np.array([[[0.0, 0.0, 2.0], [1.0, 3.0, 1.0]]]),
    "corners": np.array([[7.0, 1.0], [2.0, 2.0]]),
    "name": "stays",
}


def move(change: Any, **options: Any) -> dict[str, Any]:
    return move_fields(SAMPLE, FIELDS, change, size=(4, 6), label_fill=9, owner="Turn", **options)


def test_a_mirrored_sample_has_left_and_right_exchanged() -> None:
    moved = move(Flip(1), keypoint_swap=[1, 0])
    np.testing.assert_array_equal(moved["picture"], IMAGE[:, ::-1])
    np.testing.assert_array_equal(moved["gray"], IMAGE[:, ::-1, 0])
    np.testing.assert_array_equal(moved["regions"], IMAGE[:, ::-1, 1])
    assert moved["regions"].dtype == np.int64
    assert moved["cars"].tolist() == [[3.0, 0.0, 5.0, 2.0]]
    # 0 lies at the far edge now, and still counts
    assert moved["joints"].tolist() == [[[5.0, 3.0, 1.0], [6.0, 0.0, 2.0]]]
    assert "name" not in moved and "name" in SAMPLE


def test_left_stays_left_where_nothing_is_mirrored() -> None:
    assert move(QuarterTurns(2), keypoint_swap=[1, 0])["joints"].tolist() == [[[6.0, 4.0, 2.0], [5.0, 1.0, 1.0]]]


def test_boxes_may_lie_outside_and_keypoints_there_lose_their_visibility() -> None:
    moved = move(CropResize(0, 2, 4, 4, (8, 8)))
    assert moved["cars"].tolist() == [[-2.0, 0.0, 2.0, 4.0]]
    assert moved["joints"].tolist() == [[[-4.0, 0.0, 0.0], [-2.0, 6.0, 0.0]]]
    assert moved["corners"].tolist() == [[10.0, 2.0], [0.0, 4.0]], "without a visibility there is none to lose"


def test_what_comes_in_from_outside_has_the_label_that_was_given() -> None:
    moved = move(PadCrop((1, 0, 0, 0), 0, 0, (5, 6)))
    assert moved["regions"][0].tolist() == [9] * 6
    np.testing.assert_array_equal(moved["regions"][1:], SAMPLE["regions"])


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"cars": np.zeros((2, 5))}, {}, r"Turn: the field 'cars' is an array \(2, 5\).* left, top, right, bottom"),
        ({"cars": ["a"]}, {}, r"Turn: the field 'cars' is a list; an array of numbers expected"),
        ({"joints": [1, 2]}, {}, r"the field 'joints' is a list; an array \(..., K, 2\)"),
        ({"regions": IMAGE[:, :, 0].astype(np.int64) * 10000}, {}, "Turn: regions has labels from 0 to"),
        ({}, {"keypoint_swap": [2, 1, 0]}, "left and right of 3 keypoints are given, but 'joints' has 2"),
    ],
)
def test_fields_that_cannot_be_moved_are_reported(changes: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        move_fields({**SAMPLE, **changes}, FIELDS, Flip(1), size=(4, 6), label_fill=0, owner="Turn", **options)


def test_a_sample_without_objects_has_none_after_it() -> None:
    moved = move_fields({"cars": np.zeros((0,))}, PlacedFields(boxes=["cars"]), Flip(1), size=(4, 6), label_fill=0, owner="Turn")
    assert moved["cars"].shape == (0, 4)
