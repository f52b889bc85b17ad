"""What is seen of a sample when all of a data set is looked at."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pet.data.targets.dataset import ImageTruth
from pet.data.targets.perceptual_hash import PerceptualHash
from pet.data.targets.pixel_types import PixelTypes

LABEL_OUTSIDE = "a label lies outside of the classes"

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, pixels."""


class Evidence(NamedTuple):
    """What a picture of a finding shows.

    Attributes:
        files: of the samples that it is about; empty: the sample that is looked at, or none.
        box: the doubtful place in the first of them; None: all of it.
    """

    files: tuple[str, ...] = ()
    box: Box | None = None


Found = tuple[str, str, bool] | tuple[str, str, bool, Evidence]
"""Kind of finding, detail, whether it is fatal, and what a picture of it shows."""

NO_EVIDENCE = Evidence()


class SamplePlace(NamedTuple):
    """Where a sample is: the name of its data set, and its number there, from 0 on."""

    dataset: str
    number: int


class Finding(NamedTuple):
    """Something that is wrong with a sample, or odd.

    Attributes:
        kind: what, in words that are the same for all samples.
        place: the file or record.
        detail: what was found there.
        fatal: a training would fail, at the latest when it meets the sample.
        evidence: what a picture of it shows.
        samples: the samples that it is about, where they are known.
    """

    kind: str
    place: str
    detail: str
    fatal: bool
    evidence: Evidence = NO_EVIDENCE
    samples: tuple[SamplePlace, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return what ``report.json`` holds."""
        shown: dict[str, Any] = {"kind": self.kind, "place": self.place, "detail": self.detail, "fatal": self.fatal}
        if self.samples:
            shown["samples"] = [sample._asdict() for sample in self.samples]
        if self.evidence.box is not None:
            shown["box"] = list(self.evidence.box)
        return shown


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
        identities: of the objects, -1: none; None: the sample has no field for them.
        pixels: pixels of each label, of each kind of label image.
        void_is_stated: 255 is known to mean pixels that do not count, see :class:`pet.data.targets.dataset.DatasetInfo`.
        window: the part of the file that the sample is; None: all.
        types: of the pixels of its images.
        rate: frames a second of a video; 0: not known.
        sequence: the sequence that it is a frame of; empty: none.
        group: what it was cut from together with others, as the clips of one video; empty: not known.
        digest: of the pixels of an image that has a label as a whole or no target, or of a clip, so that equal ones are found; 0: none was
            made.
        identity: name of the person that an image without a label shows; empty: not known.
        decoded: frames of a video that were decoded for a look at it.
        seconds: how long that took.
        truth: its objects as the files have them; None: there are none.
        hashed: by which images that are nearly the same find each other; None: none was made.
        findings: what is wrong or odd.
    """

    index: int
    id: int | str | None = None
    file: str = ""
    size: tuple[int, int] = (0, 0)
    labels: list[int] = field(default_factory=list)
    areas: list[float] = field(default_factory=list)
    has_objects: bool = False
    identities: list[int] | None = None
    pixels: dict[str, dict[int, int]] = field(default_factory=dict)
    void_is_stated: bool = False
    window: tuple[int, ...] | None = None
    types: PixelTypes = field(default_factory=PixelTypes)
    rate: float = 0.0
    group: str = ""
    sequence: str = ""
    digest: int = 0
    identity: str = ""
    decoded: int = 0
    seconds: float = 0.0
    truth: ImageTruth | None = None
    hashed: PerceptualHash | None = None
    findings: list[Finding] = field(default_factory=list)


def findings_at(place: str, found: Iterable[Found]) -> list[Finding]:
    """Return what was found at a place."""
    return [Finding(one[0], place, one[1], one[2], one[3] if len(one) == 4 else NO_EVIDENCE) for one in found]


def evidence_of_box(box: np.ndarray) -> Evidence:
    """Return what shows an object, by its box (4,), XYXY."""
    left, top, right, bottom = (float(value) for value in box)
    return Evidence(box=(left, top, right, bottom))
