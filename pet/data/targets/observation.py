"""What is seen of a sample when all of a data set is looked at."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from pet.data.targets.dataset import ImageTruth
from pet.data.targets.pixel_types import PixelTypes

LABEL_OUTSIDE = "a label lies outside of the classes"

Found = tuple[str, str, bool]
"""Kind of finding, detail, and whether it is fatal."""


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
        identities: of the objects, -1: none; None: the sample has no field for them.
        pixels: pixels of each label, of each kind of label image.
        void_is_stated: 255 is known to mean pixels that do not count, see :class:`pet.data.targets.dataset.DatasetInfo`.
        window: the part of the file that the sample is; None: all.
        types: of the pixels of its images.
        rate: frames a second of a video; 0: not known.
        group: what it was cut from together with others, as the clips of one video; empty: not known.
        digest: of the pixels of an image that has a label as a whole or no target, or of a clip, so that equal ones are found; 0: none was
            made.
        identity: name of the person that an image without a label shows; empty: not known.
        decoded: frames of a video that were decoded for a look at it.
        seconds: how long that took.
        truth: its objects as the files have them; None: there are none.
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
    digest: int = 0
    identity: str = ""
    decoded: int = 0
    seconds: float = 0.0
    truth: ImageTruth | None = None
    findings: list[Finding] = field(default_factory=list)


def findings_at(place: str, found: Iterable[Found]) -> list[Finding]:
    """Return what was found at a place."""
    return [Finding(kind, place, detail, fatal) for kind, detail, fatal in found]
