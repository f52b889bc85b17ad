"""The fields of a sample go where its image goes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pet.compat.antgo.framework.helper.dataset.pipelines.base import Results, Step, field_of
from pet.data.targets.moving import clip_boxes, move_boxes
from pet.structures.affine import move_points
from pet.structures.moves import Move, Size
from petlib.errors import DataError

MOVED_DTYPES = (np.uint8, np.uint16, np.float32)
OBJECT_FIELDS = ("bboxes", "labels", "area", "joints2d", "joints_vis")
"""Fields with one element for each object."""

LABEL_RANGE = np.iinfo(np.int16)


def pixels_of(step: Step, results: Results) -> np.ndarray:
    """Return the image of a sample, (H, W) or (H, W, C).

    Raises:
        DataError: there is none, or it is a tensor or of numbers that OpenCV does not move.
    """
    image = field_of(step, results, "image")
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or image.dtype not in MOVED_DTYPES:
        given = f"an array {image.shape} of {image.dtype}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"
        raise DataError(
            f"{step.name}: image is {given}; an array (height, width, channels) of uint8, uint16 or float32 expected. "
            "It belongs before ToTensor"
        )
    return image


def move_fields(step: Step, results: Results, move: Move, *, label_fill: int, swap_ids: Sequence[Sequence[int]] = ()) -> Results:
    """Return a sample after ``move``: image, segments, boxes and joints; objects whose box leaves the image are dropped.

    Args:
        step: who moves, for messages.
        results: the sample; it stays as it is.
        move: what is done.
        label_fill: the label in ``segments`` of what comes in from outside of the image.
        swap_ids: places of the joints of the left and of the right, which change places where the move mirrors.

    Raises:
        DataError: a field has another shape than it should.
    """
    image = pixels_of(step, results)
    before = image.shape[0], image.shape[1]
    matrix = move.matrix(before)
    moved: Results = {**results, "image": move(image) if image.ndim == 3 else move(image[:, :, None]).reshape(move.size_after(before))}
    size = moved["image"].shape[0], moved["image"].shape[1]
    if "segments" in results:
        moved["segments"] = _move_segments(step, results["segments"], before, move, label_fill)
    if "joints2d" in results:
        swaps = swap_ids if np.linalg.det(matrix[:2, :2]) < 0 else ()
        moved.update(_move_joints(step, results, matrix, size, swaps))
    if "area" in results:
        moved["area"] = np.asarray(results["area"], np.float32) * np.float32(abs(np.linalg.det(matrix[:2, :2])))
    if "bboxes" in results:
        boxes = _numbers(step, "bboxes", results["bboxes"]).reshape(-1, 4)
        moved["bboxes"], kept = clip_boxes(move_boxes(boxes, matrix), size, 0.0)
        return _select(step, moved, kept)
    return moved


def _move_segments(step: Step, segments: Any, size: Size, move: Move, fill: int) -> np.ndarray:
    labels = np.asarray(segments)
    if labels.shape != size or labels.dtype.kind not in "biu":
        raise DataError(
            f"{step.name}: segments are an array {labels.shape} of {labels.dtype} and the image is {size[0]}x{size[1]} (height x width); "
            "one whole number for each pixel expected. Steps like UnSqueeze belong behind it"
        )
    if labels.dtype in (np.uint8, np.uint16):
        return move.labels(labels, fill)
    # OpenCV turns no wider numbers
    if labels.min(initial=0) < LABEL_RANGE.min or labels.max(initial=0) > LABEL_RANGE.max:
        raise DataError(f"{step.name}: segments have numbers from {labels.min()} to {labels.max()}; {LABEL_RANGE.max} at most can be moved")
    return move.labels(labels.astype(np.int16), fill).astype(labels.dtype)


def _move_joints(step: Step, results: Results, matrix: np.ndarray, size: Size, swaps: Sequence[Sequence[int]]) -> Results:
    """Return ``joints2d`` and ``joints_vis`` if there; where visibility is known, what has left the image is 0 and not visible."""
    joints = _numbers(step, "joints2d", results["joints2d"])
    if joints.ndim not in (2, 3) or joints.shape[-1] not in (2, 3):
        raise DataError(f"{step.name}: joints2d has the shape {joints.shape}; (joints, 2 or 3) or (objects, joints, 2 or 3) expected")
    visible = np.asarray(results["joints_vis"]) if "joints_vis" in results else joints[..., 2] if joints.shape[-1] == 3 else None
    if visible is not None and visible.shape != joints.shape[:-1]:
        raise DataError(f"{step.name}: joints_vis has the shape {visible.shape} and joints2d {joints.shape}; one number a joint expected")
    places = move_points(joints[..., :2], matrix)
    order = _order(step, joints.shape[-2], swaps)
    places = places[..., order, :]
    if visible is not None:
        visible = visible[..., order]
        # the far edge counts: a mirrored 0 lies there
        there = (visible > 0) & (places >= 0).all(axis=-1) & (places <= (size[1], size[0])).all(axis=-1)
        places, visible = np.where(there[..., None], places, 0.0), np.where(there, visible, 0)
    moved: Results = {"joints2d": places.astype(np.float32)}
    if visible is not None and joints.shape[-1] == 3:
        moved["joints2d"] = np.concatenate([places, visible[..., None]], axis=-1).astype(np.float32)
    if visible is not None and "joints_vis" in results:
        moved["joints_vis"] = visible
    return moved


def _order(step: Step, count: int, swaps: Sequence[Sequence[int]]) -> np.ndarray:
    order = np.arange(count)
    if not swaps:
        return order
    left, right = (np.asarray(side, np.int64) for side in swaps)
    if max(left.max(initial=0), right.max(initial=0)) >= count:
        raise DataError(f"{step.name}: swap_ids names joint {max(left.max(), right.max())}, and the sample has joints 0 to {count - 1}")
    order[left], order[right] = right, left
    return order


def _select(step: Step, moved: Results, kept: np.ndarray) -> Results:
    """Return the sample with the objects for which ``kept`` (N,) is true."""
    chosen: Results = {}
    for field in OBJECT_FIELDS:
        # joints without a dimension of objects are those of the image
        if field not in moved or (field == "joints2d" and moved[field].ndim == 2) or (field == "joints_vis" and moved[field].ndim == 1):
            continue
        values = np.asarray(moved[field])
        if len(values) != len(kept):
            raise DataError(f"{step.name}: {field} has {len(values)} elements and bboxes {len(kept)}; one for each object expected")
        chosen[field] = values[kept]
    return {**moved, **chosen}


def _numbers(step: Step, field: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or (field == "bboxes" and array.size % 4):
        raise DataError(f"{step.name}: {field} is an array {array.shape} of {array.dtype}; numbers expected, boxes as (N, 4)")
    return array.astype(np.float64)
