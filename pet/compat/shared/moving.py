"""One geometric change of all the fields of a sample that say where things are, by the names that a layer gives them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pet.data.targets.boxes import move_boxes
from pet.structures.affine import is_inside, is_mirrored, move_points
from pet.structures.moves import Move, Size
from petlib.errors import DataError

LABEL_RANGE = np.iinfo(np.int16)
"""Labels of wider types than uint16 that OpenCV can move."""


class PlacedFields(NamedTuple):
    """Names of the fields of a sample by what they hold. Coordinates are in pixels; pixel i covers [i, i + 1).

    Attributes:
        images: (H, W, C) or (H, W), uint8, uint16, float32 or float64.
        label_maps: one whole number for each pixel, (H, W).
        boxes: (N, 4) XYXY.
        keypoints: (..., K, 2) x and y, or (..., K, 3) with a visibility, 0: absent.
    """

    images: Sequence[str] = ()
    label_maps: Sequence[str] = ()
    boxes: Sequence[str] = ()
    keypoints: Sequence[str] = ()


def move_fields(
    sample: dict[str, Any],
    fields: PlacedFields,
    move: Move,
    *,
    size: Size,
    label_fill: int,
    keypoint_swap: Sequence[int] | None = None,
    owner: str,
) -> dict[str, Any]:
    """Return the fields with a place, moved; no object is dropped, since what belongs to it has names that only a layer knows.

    Images and label maps keep their types. Boxes come as float64 and may lie outside of the image; keypoints as float32 at their new
    places, where those that have a visibility and lie outside of the image lose it.

    Args:
        sample: the fields; it stays as it is.
        fields: which of them have a place.
        move: what is done.
        size: (height, width) of the images that boxes and keypoints belong to.
        label_fill: the label of what comes into a label map from outside.
        keypoint_swap: K places; keypoint i of a mirrored image is keypoint ``keypoint_swap[i]`` of the image (left and right change).
        owner: the name of the transform, for messages.

    Raises:
        DataError: boxes, keypoints or labels have another shape, or labels are too large.
    """
    matrix, after = move.matrix(size), move.size_after(size)
    swap = keypoint_swap if is_mirrored(matrix) else None
    moved: dict[str, Any] = {name: move_image(sample[name], move) for name in fields.images}
    for name in fields.label_maps:
        moved[name] = _move_labels(np.asarray(sample[name]), move, label_fill, f"{owner}: {name}")
    for name in fields.boxes:
        boxes = as_numbers(sample[name], f"{owner}: the field {name!r}")
        boxes = boxes.reshape(-1, 4) if boxes.size == 0 else boxes
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise _misshapen(owner, name, sample[name], "(N, 4): left, top, right, bottom")
        moved[name] = move_boxes(boxes, matrix)
    for name in fields.keypoints:
        points = as_numbers(sample[name], f"{owner}: the field {name!r}")
        if points.ndim < 2 or points.shape[-1] not in (2, 3):
            raise _misshapen(owner, name, sample[name], "(..., K, 2) or (..., K, 3)")
        if swap is not None and sorted(swap) != list(range(points.shape[-2])):
            raise DataError(f"{owner}: left and right of {max(swap) + 1} keypoints are given, but {name!r} has {points.shape[-2]}")
        moved[name] = _move_keypoints(points, matrix, after, swap)
    return moved


def move_image(image: np.ndarray, move: Move) -> np.ndarray:
    """Return an image (H, W, C) or (H, W), moved, with as many dimensions."""
    return move(image) if image.ndim == 3 else move(image[:, :, None])[:, :, 0]


def as_numbers(value: Any, place: str) -> np.ndarray:
    """Return a field as float64.

    Raises:
        DataError: it holds no numbers.
    """
    try:
        return np.asarray(value).astype(np.float64)
    except (ValueError, TypeError):
        raise DataError(f"{place} is {described(value)}; an array of numbers expected") from None


def described(value: object) -> str:
    """Return what a value is, for messages."""
    return f"an array {value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _move_labels(labels: np.ndarray, move: Move, fill: int, place: str) -> np.ndarray:
    if labels.dtype in (np.uint8, np.uint16):
        return move.labels(labels, fill)
    # OpenCV turns no wider numbers
    if labels.min(initial=0) < LABEL_RANGE.min or labels.max(initial=0) > LABEL_RANGE.max:
        raise DataError(f"{place} has labels from {labels.min()} to {labels.max()}; {LABEL_RANGE.max} at most can be moved")
    return move.labels(labels.astype(np.int16), fill).astype(labels.dtype)


def _move_keypoints(points: np.ndarray, matrix: np.ndarray, size: Size, swap: Sequence[int] | None) -> np.ndarray:
    places = move_points(points[..., :2], matrix)
    moved = np.concatenate([places, points[..., 2:] * is_inside(places, size)[..., None]], axis=-1).astype(np.float32)
    return moved if swap is None else moved[..., list(swap), :]


def _misshapen(owner: str, name: str, value: object, expected: str) -> DataError:
    return DataError(f"{owner}: the field {name!r} is {described(value)}; an array {expected} expected")
