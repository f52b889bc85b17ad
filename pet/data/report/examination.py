"""What one sample holds and what is wrong with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pet.data.targets.check import CHECKS, Expectation, check_image
from pet.data.targets.kinds import IGNORE, ImageTruth
from pet.data.targets.labelled import LabelledDataset
from petlib.data.protocols import Sample
from petlib.errors import DataError

UNREADABLE = "a sample cannot be read"
WRONG_IMAGE = "an image is not as it should be"
LABEL_OUTSIDE = "a label lies outside of the classes"
NO_AREA = "a box has no area"
BOX_OUTSIDE = "a box of the files reaches out of its image by more than a pixel"
NO_RASTER = "a mask cannot be rasterised"
EMPTY_MASK = "a mask has no pixel"
POINT_OUTSIDE = "a keypoint lies outside of its image"
ALL_IGNORED = "a label image has no pixel that counts"
DIFFERS = "targets do not fit the image, each other or the model"


Found = tuple[str, str, bool]
"""Kind, detail and whether it is fatal."""

Look = Callable[[], Iterator[Found]]


class Finding(NamedTuple):
    """Something that is wrong with a sample, or odd.

    Attributes:
        kind: what, in words that are the same for all samples.
        place: the file or record.
        detail: what was found there.
        fatal: a training would fail, at the latest when it meets the sample.
    """

    kind: str
    place: str
    detail: str
    fatal: bool


@dataclass
class Observation:
    """What is known of a sample.

    Attributes:
        index: place in the data set.
        id: its own id; None: it could not be read.
        file: its file.
        size: (height, width) of the image, or (0, 0).
        labels: of the image, or of its objects.
        areas: of the objects, in square pixels: of the mask where there is one, else of the box.
        has_objects: the sample has fields for objects.
        pixels: pixels of each label, of ``semseg`` and ``parsing``.
        window: the part of the file that the sample is; None: all.
        findings: what is wrong or odd.
    """

    index: int
    id: int | str | None = None
    file: str = ""
    size: tuple[int, int] = (0, 0)
    labels: list[int] = field(default_factory=list)
    areas: list[float] = field(default_factory=list)
    has_objects: bool = False
    pixels: dict[str, dict[int, int]] = field(default_factory=dict)
    window: tuple[int, ...] | None = None
    findings: list[Finding] = field(default_factory=list)


def examine(dataset: LabelledDataset, index: int, expected: Expectation) -> Observation:
    """Read a sample and look at all that it holds; nothing is raised whatever is wrong with it.

    Args:
        dataset: the data set.
        index: place of the sample there.
        expected: what the model wants of it.
    """
    try:
        sample = dataset[index]
    except Exception as error:  # noqa: BLE001 -- whatever stops a sample from being read would stop a training
        told = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
        return Observation(index, findings=[Finding(UNREADABLE, f"sample {index}", told, True)])
    meta = sample["meta"]
    seen = Observation(index, id=meta.get("id"), file=str(meta.get("file", f"sample {index}")), window=meta.get("window"))
    looks = _Looks(sample, expected, seen)
    for look in (looks.at_image, looks.at_label, looks.at_objects, looks.at_masks, looks.at_keypoints, looks.at_pixels):
        seen.findings += _collect(look, seen.file)
    # what the looks above do not name, such as numbers of fields that differ
    if not any(finding.fatal for finding in seen.findings):
        seen.findings += _collect(looks.as_training_does, seen.file)
    if seen.has_objects and hasattr(dataset, "truth"):
        seen.findings += _collect(lambda: _look_at_truth(dataset.truth(index)), seen.file)
    return seen


def _collect(look: Look, file: str) -> list[Finding]:
    """Return what a look finds; where it fails the targets are of no known form."""
    found: list[Finding] = []
    try:
        found.extend(Finding(kind, file, detail, fatal) for kind, detail, fatal in look())
    except DataError as error:
        found.append(Finding(DIFFERS, file, str(error).removeprefix(f"{file}: "), True))
    except Exception as error:  # noqa: BLE001 -- as above
        found.append(Finding(DIFFERS, file, f"{type(error).__name__}: {error}", True))
    return found


class _Looks:
    """Looks at a sample; what they count goes into ``seen``."""

    def __init__(self, sample: Sample, expected: Expectation, seen: Observation) -> None:
        self.sample = sample
        self.expected = expected
        self.seen = seen

    def at_image(self) -> Iterator[Found]:
        """Look at the pixels."""
        try:
            check_image(self.sample, self.expected)
        except DataError as error:
            yield WRONG_IMAGE, str(error).removeprefix(f"{self.seen.file}: "), True
            return
        self.seen.size = self.sample["image"].shape[0], self.sample["image"].shape[1]

    def at_label(self) -> Iterator[Found]:
        """Look at the class of the image."""
        if "label" not in self.sample:
            return
        label = int(self.sample["label"])
        self.seen.labels = [label]
        if not 0 <= label < self.expected.num_classes:
            yield LABEL_OUTSIDE, f"label {label}, 0 to {self.expected.num_classes - 1} expected", True

    def at_objects(self) -> Iterator[Found]:
        """Look at boxes and their classes."""
        if "boxes" not in self.sample:
            return
        boxes, labels = self.sample["boxes"], self.sample["labels"]
        self.seen.has_objects = True
        self.seen.labels = [int(label) for label in labels]
        self.seen.areas = [float(area) for area in (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])]
        for place in np.flatnonzero(~((boxes[:, 2:] > boxes[:, :2]).all(axis=1))):
            yield NO_AREA, f"object {place}: {boxes[place].tolist()} (left, top, right, bottom)", True
        for place in np.flatnonzero((labels < 0) | (labels >= self.expected.num_classes)):
            yield LABEL_OUTSIDE, f"object {place}: label {labels[place]}, 0 to {self.expected.num_classes - 1} expected", True

    def at_masks(self) -> Iterator[Found]:
        """Draw the masks."""
        if "masks" not in self.sample:
            return
        try:
            areas = self.sample["masks"].areas()
        except Exception as error:  # noqa: BLE001 -- whatever a rasteriser says of a polygon
            yield NO_RASTER, f"{type(error).__name__}: {error}", True
            return
        if len(areas) == len(self.seen.labels):
            self.seen.areas = [float(area) for area in areas]
        for place in np.flatnonzero(areas == 0):
            yield EMPTY_MASK, f"object {place}", False

    def at_keypoints(self) -> Iterator[Found]:
        """Look for points that cannot be seen."""
        if "keypoints" not in self.sample:
            return
        points = self.sample["keypoints"]
        outside = (points[..., :2] < 0).any(axis=-1) | (points[..., :2] > (self.seen.size[1], self.seen.size[0])).any(axis=-1)
        for place in np.flatnonzero(((points[..., 2] > 0) & outside).any(axis=1)):
            yield POINT_OUTSIDE, f"object {place}", False

    def at_pixels(self) -> Iterator[Found]:
        """Count the labels of pixels."""
        for name, count in (("semseg", self.expected.num_semseg_classes), ("parsing", self.expected.num_parts)):
            if name not in self.sample or (name == "semseg" and self.expected.raw_labels):
                continue
            labels, numbers = np.unique(self.sample[name], return_counts=True)
            self.seen.pixels[name] = {int(label): int(number) for label, number in zip(labels, numbers, strict=True)}
            outside = [label for label in self.seen.pixels[name] if label >= count and label != IGNORE]
            if outside:
                yield LABEL_OUTSIDE, f"{name} has {', '.join(map(str, outside[:8]))}; 0 to {count - 1} and {IGNORE} expected", True
            if set(self.seen.pixels[name]) == {IGNORE}:
                yield ALL_IGNORED, name, False

    def as_training_does(self) -> Iterator[Found]:
        """Repeat the first look of a training."""
        for kind in self.expected.kinds:
            if kind in CHECKS:
                CHECKS[kind](self.sample, self.expected)
        yield from ()


def _look_at_truth(truth: ImageTruth) -> Iterator[Found]:
    """Look at the boxes as the files have them; those of samples are clipped."""
    beyond = np.maximum(-truth.boxes[:, :2], truth.boxes[:, 2:] - (truth.width, truth.height)).max(axis=1, initial=0.0)
    for place in np.flatnonzero(beyond > 1.0):
        yield BOX_OUTSIDE, f"object {place}: {truth.boxes[place].tolist()} in {truth.width} x {truth.height}, used up to the border", False
