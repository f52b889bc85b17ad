"""The first look at data, before a training is spent on them."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from pet.data.targets.dataset import Dataset, DatasetInfo, Expectation, sample_name
from pet.data.targets.image import IMAGE_TYPES
from pet.data.targets.kind import Kind
from pet.data.targets.kinds import find_kind, kinds_in
from pet.data.targets.left_right import describe_swap
from pet.data.targets.observation import Found, Observation
from pet.data.targets.pixel_types import PixelTypes
from pet.data.targets.plausibility import ObjectLook, truth_of_sample
from petlib.data.protocols import Sample
from petlib.data.reader import name_sample
from petlib.errors import DataError

MOST_IMAGES = 500
MOST_SECONDS = 1.0
"""Images whose objects are looked at without reading the image, and how long that may take."""

logger = logging.getLogger(__name__)


def check_samples(
    dataset: Dataset,
    expected: Expectation,
    count: int,
    *,
    source: str = "the data",
    read: Callable[[int], Sample] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    scales_by_type: bool = False,
) -> None:
    """Read ``count`` samples, spread evenly, and compare what data have with what a model wants.

    What can be read and is implausible is a warning, with the likely cause: label images of one class, and what
    :class:`~pet.data.targets.plausibility.ObjectLook` finds in the objects of up to 500 images, for which no image is read. Label images
    of 0 and 255 alone, where nothing says what 255 means, are an error when up to 500 of them are so.

    Args:
        dataset: the data set.
        expected: what the model wants of it.
        count: number of samples; 0: none.
        source: what the data are called in messages about all of them, see :func:`describe_source`.
        read: gives a sample as the model sees it, where transforms turn raw labels into classes; None: as the data set has it.
        on_error: ``skip`` lets samples pass that cannot be read, unless none of them can.
        scales_by_type: pixels are divided by the greatest value of their type, so that values far from it are worth a warning.

    Raises:
        DataError: the data set is empty, its classes, keypoints or parts do not fit, or a sample is not as it should be (with its file), or
            has pixels of another type than others; no label image has a class but the first, and 255 may be one.
    """
    if len(dataset) == 0:
        raise DataError(f"{source} are empty")
    check_info(dataset, expected, source=source)
    expected = expectation_of(dataset.info, expected, raw_labels=read is None and dataset.info.raw_labels)
    expected = expected if dataset.info.annotated else replace(expected, kinds=())
    types, seen, objects = PixelTypes(), list[Observation](), _look_at_objects(dataset, expected) if count else ObjectLook()
    # before the samples: what is wrong with one of them may be the same for all
    _warn(source, objects.findings())
    given, of_samples = objects.images > 0, ObjectLook()
    for sample in _read_some(dataset, count, read or dataset.__getitem__, on_error):
        check_pixels(sample, expected)
        for kind in expected.kinds:
            find_kind(kind).check(sample, expected)
        seen.append(_observe(sample, expected, len(seen)))
        if seen[-1].has_objects and not given:
            of_samples.add(truth_of_sample(sample))
        types.add([sample[kind.name] for kind in kinds_in(sample).pixels if kind.has_colours], str(sample_name(sample)))
    mixture = types.mixture()
    if mixture is not None:
        raise DataError(f"{source} have {mixture}")
    summary = _summarise(expected, seen)
    if any(map(_is_fatal, summary)):
        summary = _summarise(expected, list(_look_further(dataset, expected, read or dataset.__getitem__, on_error)))
    for found in filter(_is_fatal, summary):
        raise DataError(f"{source}: {found[0]}: {found[1]}")
    _warn(source, [*summary, *of_samples.findings()])
    unused = types.unused_range() if scales_by_type else None
    if unused is not None:
        logger.warning("%s have %s", source, unused)


def expectation_of(info: DatasetInfo, expected: Expectation, *, raw_labels: bool) -> Expectation:
    """Return what is expected of data that say so much of their label images."""
    return replace(expected, raw_labels=raw_labels, void_is_stated=info.void_is_stated)


def _is_fatal(found: Found) -> bool:
    return found[2]


def _summarise(expected: Expectation, seen: Sequence[Observation]) -> list[Found]:
    return [found for kind in map(find_kind, (*expected.inputs, *expected.kinds)) for found in kind.summarise(seen)]


def _look_further(
    dataset: Dataset, expected: Expectation, read: Callable[[int], Sample], on_error: Literal["raise", "skip"]
) -> Iterator[Observation]:
    """Look at more samples, where those of the first look would end a training."""
    for number, sample in enumerate(_read_some(dataset, MOST_IMAGES, read, on_error)):
        yield _observe(sample, expected, number)


def _warn(source: str, findings: Iterable[Found]) -> None:
    for found in findings:
        logger.warning("%s: %s: %s", source, found[0], found[1])


def _look_at_objects(dataset: Dataset, expected: Expectation) -> ObjectLook:
    """Look at the objects of some images, as far as the data set knows them; a large or slow one is not worth more than a second."""
    look, deadline = ObjectLook(), time.monotonic() + MOST_SECONDS
    if any(find_kind(kind).objects == "boxes" for kind in expected.kinds):
        places = np.unique(np.linspace(0, len(dataset) - 1, num=min(MOST_IMAGES, len(dataset)), dtype=int))
        # so that those that time allows come from everywhere
        for index in np.random.default_rng(0).permutation(places).tolist():
            truth = dataset.truth(index)
            if truth is None or time.monotonic() > deadline:
                break
            look.add(truth)
    return look


def _observe(sample: Sample, expected: Expectation, index: int) -> Observation:
    """Return what the kinds see that say something of all samples together; what is wrong with one is checked before."""
    seen = Observation(index, file=str(sample_name(sample)), has_objects="boxes" in sample)
    for kind in map(find_kind, (*expected.inputs, *expected.kinds)):
        if type(kind).summarise is not Kind.summarise:
            deque(kind.examine(sample, expected, seen), maxlen=0)
    return seen


def check_info(dataset: Dataset, expected: Expectation, *, source: str = "the data") -> None:
    """Compare classes, keypoints and parts, without a look at samples.

    Raises:
        DataError: they do not fit.
    """
    for kind in map(find_kind, expected.kinds):
        if dataset.info.annotated or kind.count(dataset.info):
            kind.check_info(dataset.info, expected, source)


def report_sides(info: DatasetInfo, kinds: Sequence[str], *, source: str) -> None:
    """Say once which keypoints and parts change places in mirrored images, and warn where no keypoint does.

    Args:
        info: what a data set says of itself.
        kinds: the kinds of targets that are learned.
        source: the setting that mirrors images.
    """
    for kind in map(find_kind, kinds):
        sides = kind.sides(info)
        if sides is None:
            continue
        said = describe_swap(kind.names(info), sides.swap)
        if sides.known:
            logger.info("%s mirrors images: of the %s %s", source, kind.counted, said)
        else:
            logger.warning(
                "%s mirrors images: of the %s %s. Where some have sides, mirrored images teach wrong places: name the pairs by "
                "flip_pairs: [[..., ...]] of CatalogEntry, or do not mirror; flip_pairs: [] says that none has sides",
                *(source, kind.counted, said),
            )


def describe_source(key: str, names: Sequence[str]) -> str:
    """Return what data are called in messages, e.g. ``TRAIN.DATASETS (coco_2017_train): the data``."""
    return f"{key} ({', '.join(names)}): the data"


def check_pixels(sample: Sample, expected: Expectation) -> None:
    """Check the images of a sample.

    Raises:
        DataError: one is no uint8 array (height, width, channels), or with label images alone uint16 or float32; or they are not
            the images that the model takes, of one size and type.
    """
    kinds = kinds_in(sample).pixels
    takes_any = bool(expected.kinds) and all(find_kind(kind).takes_any_image for kind in expected.kinds)
    for kind in kinds:
        kind.check_pixels(sample, expected, IMAGE_TYPES if takes_any else IMAGE_TYPES[:1])
    if {kind.name for kind in kinds} != set(expected.inputs):
        found = f"{len(kinds)} image(s)" if len(kinds) != len(expected.inputs) else ", ".join(kind.name for kind in kinds)
        taken = f"{len(expected.inputs)}" if len(kinds) != len(expected.inputs) else ", ".join(expected.inputs)
        way_out = ", or set Expectation.num_images" if len(kinds) != len(expected.inputs) else ""
        raise DataError(f"{sample_name(sample)}: the sample has {found}, the model takes {taken}; choose other data{way_out}")
    images = [sample[kind.name] for kind in kinds]
    if len(images) > 1 and any(image.shape != images[0].shape or image.dtype != images[0].dtype for image in images):
        described = " and ".join(f"{image.dtype} {image.shape}" for image in images)
        raise DataError(f"{sample_name(sample)}: the images of both dates are {described}; one size and type expected")


def _read_some(dataset: Dataset, count: int, read: Callable[[int], Sample], on_error: Literal["raise", "skip"]) -> Iterator[Sample]:
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
            logger.warning("a sample of the first look cannot be read; check_samples.on_error is skip: %s", error)
        else:
            yield sample
