"""Steps that move pixels, and the targets with them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pet.compat.antgo.pipelines.base import Results, Step, pixels_of
from pet.compat.shared.moving import PlacedFields, as_numbers, described, move_fields
from pet.data.targets.boxes import clip_boxes
from pet.data.transforms.base import GeometricTransform
from pet.data.transforms.geometry import RandomHorizontalFlip, Resize
from pet.data.transforms.rotate import Rotate
from pet.structures.moves import Move, Size, Stay
from petlib.data.seeding import generator_of_global_state
from petlib.errors import ConfigError, DataError

INTERPOLATIONS = {"NEAREST": "nearest", "LINEAR": "linear", "CUBIC": "cubic", "AREA": "area"}
"""antgo's names -> Pet's."""

OBJECT_FIELDS = ("bboxes", "labels", "area", "joints2d", "joints_vis")
"""Fields with one element for each object."""


class GeometricStep(Step):
    """Moves ``image`` as one of Pet's transforms decides, and ``segments``, ``bboxes``, ``labels``, ``area`` and joints with it.

    Args:
        transform: decides.
        label_fill: the label in ``segments`` of what comes in from outside of the image.
        swap_ids: places of joints, left and right, that change places where the image is mirrored.
    """

    def __init__(self, transform: GeometricTransform, *, label_fill: int = 255, swap_ids: Sequence[Sequence[int]] = ()) -> None:
        self._transform = transform
        self._label_fill = label_fill
        self._swap_ids = swap_ids

    def __call__(self, results: Results) -> Results:
        """Return the moved sample.

        Raises:
            DataError: the image is no picture any more, or the targets have other shapes than they should.
        """
        height, width = pixels_of(self, results).shape[:2]
        size = height, width
        move = self._transform.decide(size, generator_of_global_state())
        return results if isinstance(move, Stay) else self._move(results, move, size)

    def _move(self, results: Results, move: Move, size: Size) -> Results:
        """Return the sample, moved; objects whose box leaves the image are dropped."""
        joints = None if "joints2d" not in results else as_numbers(results["joints2d"], f"{self.name}: joints2d")
        has_visibility = joints is not None and ("joints_vis" in results or joints.shape[-1] == 3)
        sample = results if joints is None else {**results, "joints2d": _with_visibility(self, joints, results.get("joints_vis"))}
        fields = PlacedFields(
            images=["image"],
            label_maps=_checked_segments(self, results, size),
            boxes=["bboxes"] if "bboxes" in results else (),
            keypoints=[] if joints is None else ["joints2d"],
        )
        swap = None if joints is None else _swapped(self, joints.shape[-2:-1], self._swap_ids)
        moved = move_fields(sample, fields, move, size=size, label_fill=self._label_fill, keypoint_swap=swap, owner=self.name)
        if has_visibility:
            moved |= _joints_of(moved["joints2d"], results)
        if "area" in results:
            moved["area"] = np.asarray(results["area"], np.float32) * np.float32(abs(np.linalg.det(move.matrix(size)[:2, :2])))
        if "bboxes" not in results:
            return {**results, **moved}
        moved["bboxes"], kept = clip_boxes(moved["bboxes"], move.size_after(size), 0.0)
        return _select(self, {**results, **moved}, kept)


class Rotation(GeometricStep):
    """A share of the samples is turned around the centre of the image, whose size stays.

    Args:
        degree: greatest angle to either side.
        border_value: gray value from 0 to 255 of the corners that come in from outside.
        label_border_value: their label in ``segments``.
        prob: share of the samples.

    Raises:
        ConfigError: a number is out of range.
    """

    def __init__(
        self, degree: float = 30, border_value: float | Sequence[float] = 0, label_border_value: int = 255, prob: float = 0.5
    ) -> None:
        values = {*border_value} if isinstance(border_value, Sequence) else {border_value}
        if len(values) != 1:
            raise ConfigError(f"Rotation: border_value: {border_value!r} given, one gray value from 0 to 255 expected")
        rotate = Rotate(degrees=float(degree), probability=prob, fill=values.pop(), label_fill=label_border_value)
        super().__init__(rotate, label_fill=label_border_value)


class ResizeS(GeometricStep):
    """The image becomes another size; the aspect ratio may change.

    Args:
        target_dim: (width, height) in pixels, or one number for both.
        interp: ``LINEAR``, ``CUBIC``, ``AREA`` or ``NEAREST``; ``segments`` are always taken from the nearest pixel.
        antialias: linear and cubic shrinking weigh all pixels that fall together; without it they are OpenCV's.

    Raises:
        ConfigError: the size or the interpolation is none.
    """

    def __init__(self, target_dim: int | Sequence[int], interp: str = "LINEAR", antialias: bool = False) -> None:
        sizes = [target_dim, target_dim] if isinstance(target_dim, int) else list(target_dim)
        if len(sizes) != 2 or not all(isinstance(size, int) and size > 0 for size in sizes):
            raise ConfigError(f"ResizeS: target_dim: {target_dim!r} given; (width, height) in pixels or one number expected")
        if interp not in INTERPOLATIONS:
            raise ConfigError(f"ResizeS: interp: {interp!r} given, one of {', '.join(INTERPOLATIONS)} expected")
        super().__init__(Resize(size=[sizes[1], sizes[0]], interpolation=INTERPOLATIONS[interp], antialias=antialias))


class RandomFlipImage(GeometricStep):
    """Left and right change places in a share of the samples.

    Args:
        prob: share of the samples.
        swap_ids: two lists of equal length, places of the joints of the left and of the right: ``[[1, 3], [2, 4]]`` lets joint 1 change
            places with 2, and 3 with 4. Empty: joints keep their places.
        swap_labels: pairs ``[label, label after]`` of ``labels`` that change their meaning, ``[[0, 1], [1, 0]]``. Empty: none do.

    Raises:
        ConfigError: an argument has another form.
    """

    def __init__(self, prob: float = 0.5, swap_ids: Sequence[Sequence[int]] = (), swap_labels: Sequence[Sequence[int]] = ()) -> None:
        _check_swaps(swap_ids)
        if any(len(pair) != 2 for pair in swap_labels):
            raise ConfigError(f"RandomFlipImage: swap_labels: {swap_labels!r} given, pairs [label, label after] expected")
        super().__init__(RandomHorizontalFlip(probability=prob), swap_ids=swap_ids)
        self._swap_labels = [(int(before), int(after)) for before, after in swap_labels]

    def __call__(self, results: Results) -> Results:
        """Return the sample, mirrored or as it is."""
        moved = super().__call__(results)
        if moved is results or not self._swap_labels or "labels" not in moved:
            return moved
        before = np.asarray(moved["labels"])
        labels = before.copy()
        for old, new in self._swap_labels:
            labels[before == old] = new
        return {**moved, "labels": labels}


def _check_swaps(swap_ids: Sequence[Sequence[int]]) -> None:
    places = [place for side in swap_ids for place in side]
    if swap_ids and (len(swap_ids) != 2 or len(swap_ids[0]) != len(swap_ids[1]) or len(set(places)) < len(places)):
        raise ConfigError(
            f"RandomFlipImage: swap_ids: {swap_ids!r} given; two lists of equal length expected, the joints of the left and of the right, "
            "each of them once"
        )


def _checked_segments(step: Step, results: Results, size: Size) -> list[str]:
    """Return the names of label maps that the sample has, which have the size of the image."""
    if "segments" not in results:
        return []
    labels = np.asarray(results["segments"])
    if labels.shape != size or labels.dtype.kind not in "biu":
        raise DataError(
            f"{step.name}: segments are {described(labels)} and the image is {size[0]}x{size[1]} (height x width); "
            "one whole number for each pixel expected. Steps like UnSqueeze belong behind it"
        )
    return ["segments"]


def _with_visibility(step: Step, joints: np.ndarray, visible: Any) -> np.ndarray:
    """Return joints (..., K, 3) where their visibility is known."""
    if visible is None or joints.shape[-1] not in (2, 3):
        return joints
    if np.shape(visible) != joints.shape[:-1]:
        raise DataError(
            f"{step.name}: joints_vis has the shape {np.shape(visible)} and joints2d {joints.shape}; one number a joint expected"
        )
    return np.concatenate([joints[..., :2], np.asarray(visible, np.float64)[..., None]], axis=-1)


def _joints_of(moved: np.ndarray, results: Results) -> Results:
    """Return ``joints2d`` and ``joints_vis`` as the sample has them, from (..., K, 3); what is not visible is at 0."""
    visible = moved[..., 2]
    joints = np.where(visible[..., None] > 0, moved, np.float32(0))
    if "joints_vis" not in results:
        return {"joints2d": joints}
    before = np.asarray(results["joints_vis"])
    width = np.asarray(results["joints2d"]).shape[-1]
    return {"joints2d": joints[..., :width], "joints_vis": np.where(visible > 0, visible, 0).astype(before.dtype)}


def _swapped(step: Step, count: Sequence[int], swaps: Sequence[Sequence[int]]) -> list[int] | None:
    """Return the place that each joint of a mirrored image had."""
    if not swaps:
        return None
    order = np.arange(*count)
    left, right = (np.asarray(side, np.int64) for side in swaps)
    if max(left.max(initial=0), right.max(initial=0)) >= len(order):
        raise DataError(
            f"{step.name}: swap_ids names joint {max(left.max(), right.max())}, and the sample has joints 0 to {len(order) - 1}"
        )
    order[left], order[right] = right, left
    return order.tolist()


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
