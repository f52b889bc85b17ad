"""From the transforms of a :class:`~pet.compat.paddleseg.datasets.Dataset`, Pet's and the user's, to those of Pet's samples.

A transform of the user is called as in PaddleSeg, ``transform(im, label)`` or without a label ``transform(im)``, and returns ``(im,)``
or ``(im, label)``. ``im`` is float32 (H, W, C), RGB from 0 to 255 as long as no ``Normalize`` came before; ``label`` is as the file has
it, also with three channels, until a transform has changed it. Both are its own to write into.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pet.compat.paddleseg.transforms import Compose as ComposedTransforms
from pet.compat.paddleseg.transforms import Normalize, Transform
from pet.data.targets.dataset import IGNORE
from pet.data.transforms import normalize
from pet.data.transforms.base import Compose
from pet.data.transforms.normalize import as_eight_bits
from petlib.data.protocols import Sample, SampleTransform
from petlib.errors import ConfigError, DataError

TRUTH = "truth_semseg"
"""The label of an evaluation, at its own size: no geometric transform of Pet moves it."""

Size = tuple[int, int]


class Pipeline(NamedTuple):
    """What is done to a sample.

    Attributes:
        transforms: of samples.
        normalize: what is done to whole batches on the device; None: nothing.
        draws_globally: transforms of the user are among them, which may draw from global generators.
    """

    transforms: Compose
    normalize: normalize.Normalize | None
    draws_globally: bool


def build_pipeline(transforms: Sequence[Any] | ComposedTransforms, *, num_classes: int, ignore_index: int = IGNORE) -> Pipeline:
    """Return what a list of transforms, Pet's and the user's, does to samples with ``semseg``, or in an evaluation ``truth_semseg``.

    Args:
        transforms: the list; ``Compose`` among them counts as the list that it has.
        num_classes: number of classes that labels may have in the end.
        ignore_index: label of pixels that do not count; it becomes 255.

    Raises:
        ConfigError: something in the list cannot be called.
    """
    transforms = _flat(transforms)
    wrapped: list[SampleTransform] = []
    for place, item in enumerate(transforms):
        if isinstance(item, type) or not callable(item):
            raise ConfigError(f"transforms[{place}]: {item!r} given, a transform expected, e.g. T.Resize() or an object of your own class")
        wrapped.append(item.transform if isinstance(item, Transform) else UserTransform(item))
    has_user_code = any(isinstance(item, UserTransform) for item in wrapped)
    last = transforms[-1].normalize if transforms and isinstance(transforms[-1], Normalize) else None
    # all samples need one dtype, and only some may have been changed by the user's code
    finish = FinishSample(num_classes=num_classes, ignore_index=ignore_index, as_float=has_user_code or last is None)
    return Pipeline(Compose([*(wrapped[:-1] if last else wrapped), finish]), last, has_user_code)


def _flat(transforms: Sequence[Any] | ComposedTransforms) -> list[Any]:
    if isinstance(transforms, ComposedTransforms):
        return _flat(transforms.transforms)
    return [item for given in transforms for item in (_flat(given) if isinstance(given, ComposedTransforms) else [given])]


class UserTransform:
    """A transform of the user as one of Pet's; see the module.

    In training image and label keep one size. In an evaluation the label has its own size until the end, at which the metrics are
    computed; a transform that changes the size of both changes that one too.

    Args:
        call: the transform.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self._name = f"transform {getattr(call, '__name__', type(call).__name__)}"

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample as the user's code changes it.

        Raises:
            DataError: it returns something else than ``(im,)`` or ``(im, label)``, or sizes or labels that cannot be used.
        """
        field = TRUTH if TRUTH in sample else "semseg"
        image, label = sample["image"], sample[field]
        given = as_eight_bits(image).astype(np.float32)
        outputs = self._call(given.copy(), label.copy())
        new_image, new_label = self._unpack(outputs, label)
        size_before, size = _size(image), _size(new_image)
        meta = sample["meta"]
        if field != TRUTH and _size(new_label) != size:
            raise DataError(
                f"{self._name}: the image has become {_shown(size)} and its label {_shown(_size(new_label))}; one size expected"
            )
        if field == TRUTH and (size != size_before or _size(new_label) != _size(label)):
            if "matrix" in meta or _size(new_label) != size:
                raise DataError(
                    f"{self._name}: it changes sizes in an evaluation after Resize or the like, so the label's own size is unknown; "
                    "put it before them, or take a transform of T"
                )
            meta = {**meta, "size": size}
        unchanged = size == size_before and np.array_equal(new_image, given)
        return {**sample, "image": image if unchanged else new_image, field: new_label, "meta": meta}

    def _unpack(self, outputs: object, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return image and label, the one that was given where none came back."""
        arrays = list(outputs) if isinstance(outputs, tuple | list) else []
        if len(arrays) not in (1, 2) or not all(isinstance(array, np.ndarray) for array in arrays) or arrays[0].ndim != 3:
            given = f"({', '.join(map(_describe, arrays))})" if arrays else _describe(outputs)
            raise DataError(f"{self._name}: it returned {given}; (im,) or (im, label) expected, im an array (height, width, channels)")
        image = np.ascontiguousarray(arrays[0], dtype=np.float32)
        return image, label if len(arrays) == 1 else self._as_labels(arrays[1])

    def _as_labels(self, label: np.ndarray) -> np.ndarray:
        """Return labels as uint8 where they fit, else as they are if they are whole numbers."""
        if label.dtype == np.uint8:
            return np.ascontiguousarray(label)
        whole = np.rint(label) if label.dtype.kind == "f" else label.astype(np.int64)
        if not np.array_equal(whole, label) or whole.min(initial=0) < 0 or whole.max(initial=0) > 255:
            raise DataError(
                f"{self._name}: its label has the values {label.min():g} to {label.max():g} ({label.dtype}); "
                "whole numbers from 0 to 255 expected"
            )
        return np.ascontiguousarray(whole.astype(np.uint8))


class FinishSample:
    """The last step of a sample: the image as the batch wants it, labels that are sure to be classes.

    Args:
        num_classes: labels are below it.
        ignore_index: label of pixels that do not count; it becomes 255.
        as_float: give images as float32.
    """

    def __init__(self, *, num_classes: int, ignore_index: int, as_float: bool) -> None:
        self._num_classes = num_classes
        self._ignore_index = ignore_index
        self._as_float = as_float

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return ``image``, the label and ``meta``.

        Raises:
            DataError: the label has several channels, another size than the image, or values that are no classes.
        """
        field = TRUTH if TRUTH in sample else "semseg"
        image, label = sample["image"], sample[field]
        self._check(label, image, field)
        ignored = (label == self._ignore_index) | (label == IGNORE)
        if wrong := np.unique(label[~ignored & ((label >= self._num_classes) | (label < 0))]).tolist():
            raise DataError(
                f"the label image has the values {', '.join(map(str, np.unique(label).tolist()[:20]))}, and {wrong[0]} is no class: 0 to "
                f"{self._num_classes - 1} and {self._ignore_index} (ignored) expected; set num_classes, or for painted labels put "
                "InitMask() at the beginning of the transforms"
            )
        labels = np.where(ignored, np.uint8(IGNORE), label).astype(np.uint8)
        finished = as_eight_bits(image).astype(np.float32, copy=False) if self._as_float else image
        return {"image": finished, field: labels, "meta": sample["meta"]}

    def _check(self, label: np.ndarray, image: np.ndarray, field: str) -> None:
        if label.ndim != 2:
            raise DataError(
                f"the label image has the shape {label.shape}, one number a pixel expected; for painted labels of three channels "
                "put InitMask() at the beginning of the transforms"
            )
        if field != TRUTH and _size(label) != _size(image):
            raise DataError(f"the label is {_shown(_size(label))} and the image {_shown(_size(image))}; one size expected")


def _size(array: np.ndarray) -> Size:
    return array.shape[0], array.shape[1]


def _shown(size: Size) -> str:
    return f"{size[1]}x{size[0]} (width x height)"


def _describe(value: object) -> str:
    return f"an array {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
