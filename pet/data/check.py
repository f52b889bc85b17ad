"""The first look at data, before a training is spent on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pet.data.labelled import LabelledDataset
from pet.data.targets import IGNORE, VisionDataset
from petlib.data.protocols import Sample
from petlib.errors import DataError


@dataclass(frozen=True)
class Expectation:
    """What a model wants of its data.

    Attributes:
        kinds: the kinds of targets, keys of :data:`pet.data.targets.TARGET_FIELDS`.
        num_classes: number of classes of images or objects.
        num_semseg_classes: number of classes of pixels.
        num_keypoints: number of keypoints of an object.
        num_parts: number of part labels, with the background.
    """

    kinds: tuple[str, ...]
    num_classes: int
    num_semseg_classes: int = 0
    num_keypoints: int = 0
    num_parts: int = 0


def check_samples(dataset: LabelledDataset, num_classes: int, count: int, *, source: str = "the data") -> None:
    """Read ``count`` samples, spread evenly, and compare the classes of the data with those of the model.

    A label outside of the classes would end a training on a GPU in an unreadable assertion.

    Args:
        dataset: the data set.
        num_classes: number of classes of the model.
        count: number of samples; 0: none.
        source: what the data are called in messages about all of them, see :func:`describe_source`.

    Raises:
        DataError: the data set is empty, its classes do not fit, or a sample is not as it should be (with its file).
    """
    _check_not_empty(dataset, source)
    _check_classes(dataset, num_classes, source)
    for index in _spread(dataset, count):
        sample = dataset[index]
        check_image(sample)
        if not 0 <= int(sample["label"]) < num_classes:
            raise DataError(
                f"{_name(sample)}: the label {sample['label']} lies outside of 0 to {num_classes - 1}; "
                "set MODEL.NUM_CLASSES or mend the label"
            )


def check_vision_samples(dataset: VisionDataset, expected: Expectation, count: int, *, source: str = "the data") -> None:
    """Do the same for data with targets of other kinds.

    Raises:
        DataError: the data set is empty, its classes, keypoints or parts do not fit, or a sample is not as it should be.
    """
    _check_not_empty(dataset, source)
    if "boxes" in expected.kinds:
        _check_classes(dataset, expected.num_classes, source)
    if "semseg" in expected.kinds:
        _compare(source, "classes of pixels", dataset.semseg_classes, expected.num_semseg_classes, "MODEL.SEMSEG.NUM_CLASSES")
    if "keypoints" in expected.kinds:
        _compare(
            source,
            "keypoints",
            dataset.keypoint_set.names if dataset.keypoint_set else (),
            expected.num_keypoints,
            "MODEL.KEYPOINTS.NUM_KEYPOINTS",
        )
    if "parsing" in expected.kinds:
        _compare(source, "part labels", dataset.part_set.names if dataset.part_set else (), expected.num_parts, "MODEL.PARSING.NUM_PARTS")
    for index in _spread(dataset, count):
        sample = dataset[index]
        check_image(sample)
        for kind in expected.kinds:
            CHECKS[kind](sample, expected)


def describe_source(key: str, names: Sequence[str]) -> str:
    """Return what data are called in messages, e.g. ``TRAIN.DATASETS (coco_2017_train): the data``."""
    return f"{key} ({', '.join(names)}): the data"


def check_image(sample: Sample) -> None:
    """Check the image of a sample.

    Raises:
        DataError: it is no uint8 array (height, width, 3).
    """
    image = sample["image"]
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        given = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise DataError(f"{_name(sample)}: the image is {given}, a uint8 array (height, width, 3) expected")


def _check_boxes(sample: Sample, expected: Expectation) -> None:
    boxes, labels = sample["boxes"], sample["labels"]
    height, width = sample["image"].shape[:2]
    if len(boxes) != len(labels):
        raise DataError(f"{_name(sample)}: {len(boxes)} boxes and {len(labels)} labels; one label a box expected")
    outside = np.flatnonzero((labels < 0) | (labels >= expected.num_classes))
    if len(outside):
        raise DataError(
            f"{_name(sample)}: object {outside[0]} has the label {labels[outside[0]]}, 0 to {expected.num_classes - 1} expected"
        )
    inside = (boxes >= 0).all(axis=1) & (boxes <= (width, height) * 2).all(axis=1)
    # not the other way round: no comparison holds for what is not a number
    wrong = np.flatnonzero(~(inside & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)))
    if len(wrong):
        raise DataError(
            f"{_name(sample)}: object {wrong[0]} has the box {boxes[wrong[0]].tolist()} (left, top, right, bottom), "
            f"one with an area inside of {width} x {height} expected"
        )


def _check_masks(sample: Sample, expected: Expectation) -> None:  # noqa: ARG001 -- one of CHECKS
    if len(sample["masks"]) != len(sample["boxes"]):
        raise DataError(f"{_name(sample)}: {len(sample['masks'])} masks and {len(sample['boxes'])} boxes; one mask a box expected")


def _check_keypoints(sample: Sample, expected: Expectation) -> None:
    wanted = (len(sample["boxes"]), expected.num_keypoints, 3)
    if sample["keypoints"].shape != wanted:
        raise DataError(f"{_name(sample)}: keypoints of shape {sample['keypoints'].shape}, {wanted} expected")


def _check_label_image(sample: Sample, field: str, count: int) -> None:
    labels = sample[field]
    if labels.shape != sample["image"].shape[:2]:
        raise DataError(
            f"{_name(sample)}: the label image is {labels.shape[1]} x {labels.shape[0]} pixels, "
            f"the image {sample['image'].shape[1]} x {sample['image'].shape[0]}"
        )
    found = np.unique(labels)
    outside = found[(found >= count) & (found != IGNORE)]
    if len(outside):
        raise DataError(f"{_name(sample)}: {field} has the label {outside[0]}; 0 to {count - 1} and {IGNORE} (ignored) expected")


CHECKS: dict[str, Callable[[Sample, Expectation], None]] = {
    "boxes": _check_boxes,
    "masks": _check_masks,
    "keypoints": _check_keypoints,
    "semseg": lambda sample, expected: _check_label_image(sample, "semseg", expected.num_semseg_classes),
    "parsing": lambda sample, expected: _check_label_image(sample, "parsing", expected.num_parts),
}


def _name(sample: Sample) -> object:
    return sample["meta"].get("file", sample["meta"])


def _check_not_empty(dataset: LabelledDataset, source: str) -> None:
    if len(dataset) == 0:
        raise DataError(f"{source} are empty")


def _spread(dataset: LabelledDataset, count: int) -> list[int]:
    return [int(index) for index in np.linspace(0, len(dataset) - 1, num=min(count, len(dataset)), dtype=int)]


def _check_classes(dataset: LabelledDataset, num_classes: int, source: str) -> None:
    found = len(dataset.classes)
    # bare numbers say nothing of the last classes where these have no sample
    fits = found <= num_classes if dataset.numbered else found == num_classes
    if not fits:
        names = ", ".join(dataset.classes[:5]) + (", ..." if found > 5 else "")
        raise DataError(
            f"{source} have {found} classes ({names}), the model has {num_classes}: set MODEL.NUM_CLASSES to {found}, "
            "or DATA.CLASSES to the names of all classes"
        )


def _compare(source: str, what: str, names: Sequence[str], count: int, key: str) -> None:
    if len(names) != count:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise DataError(f"{source} have {len(names)} {what} ({shown}), the model has {count}: set {key} to {len(names)}")
