"""Steps that move pixels, and the targets with them."""

from collections.abc import Sequence

import numpy as np

from pet.compat.antgo.framework.helper.dataset.pipelines.base import Results, Step
from pet.compat.antgo.framework.helper.dataset.pipelines.moving import move_fields, pixels_of
from pet.data.transforms.base import GeometricTransform
from pet.data.transforms.geometry import RandomHorizontalFlip, Resize
from pet.data.transforms.rotate import Rotate
from pet.structures.moves import Stay
from petlib.data.global_generators import generator_of_global_state
from petlib.errors import ConfigError

INTERPOLATIONS = {"NEAREST": "nearest", "LINEAR": "linear", "CUBIC": "cubic", "AREA": "area"}
"""antgo's names -> Pet's."""


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
        move = self._transform.decide((height, width), generator_of_global_state())
        return results if isinstance(move, Stay) else move_fields(self, results, move, label_fill=self._label_fill, swap_ids=self._swap_ids)


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
