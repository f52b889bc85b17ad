"""The first look at data, before a training is spent on them."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pet.data.targets.kinds import IGNORE, IMAGE_FIELDS, VisionDataset
from pet.data.targets.labelled import LabelledDataset
from petlib.data.protocols import Sample
from petlib.data.reader import name_sample
from petlib.errors import DataError


@dataclass(frozen=True)
class Expectation:
    """What a model wants of its data.

    Attributes:
        kinds: the kinds of targets, keys of :data:`pet.data.targets.kinds.TARGET_FIELDS`.
        num_classes: number of classes of images or objects.
        num_semseg_classes: number of classes of pixels.
        num_keypoints: number of keypoints of an object.
        num_parts: number of part labels, with the background.
        num_images: images of a sample: 2 for pairs of dates.
        channels: channels of an image.
        pixel_classes_key: the setting of the number of classes of pixels, for messages.
        raw_labels: label images are as in the files and become classes later: their values say nothing yet.
    """

    kinds: tuple[str, ...]
    num_classes: int
    num_semseg_classes: int = 0
    num_keypoints: int = 0
    num_parts: int = 0
    num_images: int = 1
    channels: int = 3
    pixel_classes_key: str = "MODEL.SEMSEG.NUM_CLASSES"
    raw_labels: bool = False


IMAGE_TYPES = ("uint8", "uint16", "float32")
ONE_RGB_IMAGE = Expectation(("label",), num_classes=0)

logger = logging.getLogger(__name__)


def check_samples(
    dataset: LabelledDataset,
    num_classes: int,
    count: int,
    *,
    source: str = "the data",
    on_error: Literal["raise", "skip"] = "raise",
) -> None:
    """Read ``count`` samples, spread evenly, and compare the classes of the data with those of the model.

    A label outside of the classes would end a training on a GPU in an unreadable assertion.

    Args:
        dataset: the data set.
        num_classes: number of classes of the model.
        count: number of samples; 0: none.
        source: what the data are called in messages about all of them, see :func:`describe_source`.
        on_error: ``skip`` lets samples pass that cannot be read, unless none of them can.

    Raises:
        DataError: the data set is empty, its classes do not fit, or a sample is not as it should be (with its file).
    """
    _check_not_empty(dataset, source)
    _check_classes(dataset, num_classes, source)
    for sample in _read_some(dataset, count, dataset.__getitem__, on_error):
        check_image(sample)
        if not 0 <= int(sample["label"]) < num_classes:
            raise DataError(
                f"{_name(sample)}: the label {sample['label']} lies outside of 0 to {num_classes - 1}; "
                "set MODEL.NUM_CLASSES or mend the label"
            )


def check_vision_samples(
    dataset: VisionDataset,
    expected: Expectation,
    count: int,
    *,
    source: str = "the data",
    read: Callable[[int], Sample] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> None:
    """Do the same for data with targets of other kinds.

    Args:
        dataset: the data set.
        expected: what the model wants of it.
        count: number of samples; 0: none.
        source: what the data are called in messages about all of them.
        read: gives a sample as the model sees it, where transforms turn raw labels into classes; None: as the data set has it.
        on_error: ``skip`` lets samples pass that cannot be read, unless none of them can.

    Raises:
        DataError: the data set is empty, its classes, keypoints or parts do not fit, or a sample is not as it should be.
    """
    _check_not_empty(dataset, source)
    if "boxes" in expected.kinds:
        _check_classes(dataset, expected.num_classes, source)
    if "semseg" in expected.kinds:
        _compare(source, "classes of pixels", dataset.semseg_classes, expected.num_semseg_classes, expected.pixel_classes_key)
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
    expected = replace(expected, raw_labels=read is None and getattr(dataset, "raw_labels", False))
    for sample in _read_some(dataset, count, read or dataset.__getitem__, on_error):
        check_image(sample, expected)
        for kind in expected.kinds:
            CHECKS[kind](sample, expected)


def describe_source(key: str, names: Sequence[str]) -> str:
    """Return what data are called in messages, e.g. ``TRAIN.DATASETS (coco_2017_train): the data``."""
    return f"{key} ({', '.join(names)}): the data"


def check_image(sample: Sample, expected: Expectation = ONE_RGB_IMAGE) -> None:
    """Check the images of a sample.

    Raises:
        DataError: one is no uint8 array (height, width, channels), or with label images alone uint16 or float32; or there are not as
            many images as the model takes, of one size and type.
    """
    images = [sample[field] for field in IMAGE_FIELDS if field in sample]
    types = IMAGE_TYPES if expected.kinds == ("semseg",) else IMAGE_TYPES[:1]
    for image in images:
        if not isinstance(image, np.ndarray) or image.dtype not in types or image.ndim != 3 or image.shape[2] != expected.channels:
            given = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise DataError(
                f"{_name(sample)}: the image is {given}, a {' or '.join(types)} array (height, width, {expected.channels}) expected"
            )
    if len(images) != expected.num_images:
        raise DataError(
            f"{_name(sample)}: the sample has {len(images)} image(s), the model takes {expected.num_images}; "
            "choose other data, or set DATA.NUM_IMAGES"
        )
    if any(image.shape != images[0].shape or image.dtype != images[0].dtype for image in images):
        described = " and ".join(f"{image.dtype} {image.shape}" for image in images)
        raise DataError(f"{_name(sample)}: the images of both dates are {described}; one size and type expected")


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
    if labels.shape[:2] != sample["image"].shape[:2]:
        raise DataError(
            f"{_name(sample)}: the label image is {labels.shape[1]} x {labels.shape[0]} pixels, "
            f"the image {sample['image'].shape[1]} x {sample['image'].shape[0]}"
        )
    if labels.ndim != 2:
        raise DataError(
            f"{_name(sample)}: {field} has {labels.shape[2]} channels, one number a pixel expected; take one channel with InitMask"
        )
    found = np.unique(labels)
    outside = found[(found >= count) & (found != IGNORE)]
    if len(outside):
        shown = ", ".join(map(str, found[:20])) + (", ..." if len(found) > 20 else "")
        raise DataError(
            f"{_name(sample)}: {field} has the label {outside[0]}; 0 to {count - 1} and {IGNORE} (ignored) expected; the values are {shown}"
        )


def _check_semseg(sample: Sample, expected: Expectation) -> None:
    if not expected.raw_labels:
        _check_label_image(sample, "semseg", expected.num_semseg_classes)


CHECKS: dict[str, Callable[[Sample, Expectation], None]] = {
    "boxes": _check_boxes,
    "masks": _check_masks,
    "keypoints": _check_keypoints,
    "semseg": _check_semseg,
    "parsing": lambda sample, expected: _check_label_image(sample, "parsing", expected.num_parts),
}


def _name(sample: Sample) -> object:
    return sample["meta"].get("file", sample["meta"])


def _check_not_empty(dataset: LabelledDataset, source: str) -> None:
    if len(dataset) == 0:
        raise DataError(f"{source} are empty")


def _read_some(dataset: LabelledDataset, count: int, read: Callable[[int], Sample], on_error: Literal["raise", "skip"]) -> Iterator[Sample]:
    """Yield samples that lie evenly over the data set."""
    places = [int(index) for index in np.linspace(0, len(dataset) - 1, num=min(count, len(dataset)), dtype=int)]
    unreadable = 0
    for index in places:
        try:
            sample = read(index)
        except (DataError, OSError) as error:
            if isinstance(error, DataError):
                name_sample(error, index, dataset)
            unreadable += 1
            if on_error == "raise" or unreadable == len(places):
                raise
            logger.warning("a sample of the first look cannot be read; DATA.ON_ERROR is skip: %s", error)
        else:
            yield sample


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
