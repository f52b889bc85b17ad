"""Targets of a sample go where its image goes."""

from typing import Any

import cv2
import numpy as np

from pet.data.targets.kinds import IGNORE
from pet.structures.affine import move_points
from pet.structures.moves import Move, Size
from petlib.data.protocols import Sample
from petlib.errors import DataError

OBJECT_FIELDS = ("boxes", "labels", "masks", "keypoints", "instance_ids")
"""Fields with one element for each object, all in the same order."""

MAP_FIELDS = {"semseg": IGNORE, "parsing": IGNORE, "instances": 0}
"""Fields with one label for each pixel -> the label of what comes in from outside of the image."""

PLACED_FIELDS = frozenset(("boxes", "masks", "keypoints", *MAP_FIELDS))
"""Fields that say where things are."""


def move_targets(sample: Sample, move: Move, matrix: np.ndarray, size: Size, label_fill: int = IGNORE) -> dict[str, Any]:
    """Return the fields of ``sample`` that say where things are, moved; boxes may lie outside of the image yet.

    Args:
        sample: see :data:`pet.data.targets.kinds.TARGET_FIELDS`. ``meta`` holds ``keypoint_swap`` and ``part_swap`` where left and
            right have names of their own.
        move: what was done to the image.
        matrix: its matrix for this image.
        size: (height, width) of the moved image.
        label_fill: the label in ``semseg`` of what comes in from outside of the image.

    Raises:
        DataError: ``semseg`` has several channels.
    """
    check_label_map(sample)
    mirrored = np.linalg.det(matrix[:2, :2]) < 0.0
    meta = sample.get("meta", {})
    moved: dict[str, Any] = {}
    if "boxes" in sample:
        moved["boxes"] = move_boxes(sample["boxes"], matrix)
    if "masks" in sample:
        moved["masks"] = sample["masks"].moved(matrix, size)
    if "keypoints" in sample:
        moved["keypoints"] = _move_keypoints(sample["keypoints"], matrix, size, meta.get("keypoint_swap") if mirrored else None)
    for field, fill in MAP_FIELDS.items():
        if field in sample:
            moved[field] = move.labels(sample[field], label_fill if field == "semseg" else fill)
    if mirrored and "parsing" in moved and "part_swap" in meta:
        table = np.arange(256, dtype=np.uint8)
        table[: len(meta["part_swap"])] = meta["part_swap"]
        moved["parsing"] = cv2.LUT(moved["parsing"], table)
    return moved


def check_label_map(sample: Sample) -> None:
    """Check that ``semseg``, where there is one, has one label for each pixel.

    Raises:
        DataError: it has several channels.
    """
    if "semseg" in sample and sample["semseg"].ndim != 2:
        file = sample.get("meta", {}).get("file", "an image")
        raise DataError(
            f"the label image of {file} has the shape {sample['semseg'].shape}, one number a pixel expected; for a foreground that is "
            "painted in three channels put InitMask at the beginning of TRANSFORMS"
        )


def move_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the boxes, float64 (N, 4) XYXY, that enclose the moved corners of ``boxes``."""
    corners = boxes.astype(np.float64)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    corners = move_points(corners, matrix)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def clip_boxes(boxes: np.ndarray, size: Size, min_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut boxes off at the edges of the image.

    Args:
        boxes: float64 (N, 4).
        size: (height, width) of the image.
        min_share: share of its area that must be left of a box.

    Returns:
        float32 (N, 4), and bool (N,): which boxes are left, at least one pixel wide and high.
    """
    limits = np.array([size[1], size[0], size[1], size[0]], np.float64)
    clipped = np.clip(boxes, 0.0, limits)
    edges, left = boxes[:, 2:] - boxes[:, :2], clipped[:, 2:] - clipped[:, :2]
    # a thousandth of a pixel: coordinates are rounded to float32
    kept = (left >= 1.0 - 1e-3).all(axis=1) & (left.prod(axis=1) >= (min_share - 1e-6) * edges.prod(axis=1))
    return clipped.astype(np.float32), kept


def select_objects(fields: Sample, kept: np.ndarray) -> Sample:
    """Return a sample or part of one with the objects for which ``kept`` (N,) is true."""
    if kept.all():
        return fields
    chosen = {field: fields[field] for field in OBJECT_FIELDS if field in fields}
    return {**fields, **{field: values.select(kept) if field == "masks" else values[kept] for field, values in chosen.items()}}


def _move_keypoints(keypoints: np.ndarray, matrix: np.ndarray, size: Size, swap: tuple[int, ...] | None) -> np.ndarray:
    """Return (N, K, 3); those that leave the image become absent: 0, 0, 0."""
    moved = np.concatenate([move_points(keypoints[..., :2].astype(np.float64), matrix), keypoints[..., 2:]], axis=-1)
    if swap is not None:
        moved = moved[:, list(swap)]
    places = moved[..., :2]
    # the far edge counts: a mirrored 0 lies there
    there = (moved[..., 2] > 0) & (places >= 0).all(axis=-1) & (places <= (size[1], size[0])).all(axis=-1)
    return np.where(there[..., None], moved, 0.0).astype(np.float32)
