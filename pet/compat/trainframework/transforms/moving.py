"""One geometric change of all the fields of ``results`` that have a place."""

from typing import Any

import numpy as np

from pet.compat.trainframework.transforms.fields import MASK_DTYPES, Results, described, images_of, listed, size_of
from pet.data.targets.moving import clip_boxes, move_boxes
from pet.structures.affine import move_points
from pet.structures.moves import Move, Size
from petlib.errors import DataError


def placed_sizes(results: Results, *, asker: str) -> dict[str, Size]:
    """Return (height, width) of every image and mask, the first image first.

    Raises:
        DataError: a field is not there, or is no image or mask.
    """
    arrays = {**images_of(results, "img_fields", asker=asker), **listed(results, "mask_fields", asker=asker)}
    for name in results.get("mask_fields", []):
        mask = arrays[name]
        if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype.name not in MASK_DTYPES:
            raise DataError(f"{asker}: the mask {name!r} is {described(mask)}; (height, width) of {' or '.join(MASK_DTYPES)} expected")
    return {name: size_of(array) for name, array in arrays.items()}


def move_results(results: Results, move: Move, *, size: Size, mask_fill: int, clips_boxes: bool, asker: str) -> Results:
    """Return ``results`` with images, masks, boxes and points moved alike.

    No box or point is dropped, since the labels that belong to them are the user's: a box that is cut off and has left the image has
    no area, a point has the visibility 0.

    Args:
        results: see :mod:`pet.compat.trainframework.transforms.fields`.
        move: what is done.
        size: (height, width) of the images that boxes and points belong to.
        mask_fill: the label of what comes into a mask from outside.
        clips_boxes: whether boxes are cut off at the edges of the image.
        asker: the name of the transform, for messages.

    Raises:
        DataError: a field is not there, or has another shape.
    """
    matrix, after = move.matrix(size), move.size_after(size)
    moved = {**results, "img_shape": after}
    for name, image in images_of(results, "img_fields", asker=asker).items():
        moved[name] = move(image) if image.ndim == 3 else move(image[:, :, None])[:, :, 0]
    for name, mask in listed(results, "mask_fields", asker=asker).items():
        moved[name] = move.labels(mask, mask_fill)
    for name, boxes in listed(results, "bbox_fields", asker=asker).items():
        _check_last(boxes, name, asker, ndim=2, lengths=(4,), meant="(N, 4): left, top, right, bottom")
        corners = move_boxes(boxes, matrix)
        moved[name] = clip_boxes(corners, after, 0.0)[0] if clips_boxes else corners.astype(np.float32)
    swap = results.get("keypoint_swap") if np.linalg.det(matrix[:2, :2]) < 0.0 else None
    for name, points in listed(results, "keypoint_fields", asker=asker).items():
        _check_last(points, name, asker, ndim=None, lengths=(2, 3), meant="(..., K, 2) or (..., K, 3)")
        moved[name] = _move_points(points, matrix, after, swap)
    return moved


def _check_last(values: Any, name: str, asker: str, *, ndim: int | None, lengths: tuple[int, ...], meant: str) -> None:
    fits = isinstance(values, np.ndarray) and values.ndim >= 2 and ndim in (None, values.ndim) and values.shape[-1] in lengths
    if not fits:
        raise DataError(f"{asker}: the field {name!r} is {described(values)}; an array {meant} expected")


def _move_points(points: np.ndarray, matrix: np.ndarray, size: Size, swap: Any) -> np.ndarray:
    places = move_points(points[..., :2].astype(np.float64), matrix)
    # the far edge counts: a mirrored 0 lies there
    inside = ((places >= 0) & (places <= (size[1], size[0]))).all(axis=-1, keepdims=True)
    moved = np.concatenate([places, points[..., 2:] * inside], axis=-1).astype(np.float32)
    return moved if swap is None else moved[..., list(swap), :]
