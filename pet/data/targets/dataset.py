"""What data sets say of themselves in addition to their samples, and what a model wants of them. Imports no torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from pet.structures.objects3d import Objects3D
from petlib.data.protocols import Sample
from petlib.errors import DataError

IGNORE = 255
"""The value of a label image whose pixels count neither in a loss nor in a metric."""


@dataclass(frozen=True)
class KeypointSet:
    """What the keypoints of a data set are.

    Attributes:
        names: the K names, in the order of the coordinates.
        swap: K places: keypoint i of a mirrored image is keypoint ``swap[i]`` of the image (left and right change).
        skeleton: pairs of places that a picture joins by a line.
        sigmas: K spreads of the object keypoint similarity, as fractions of the object's scale (pycocotools' ``kpt_oks_sigmas``).
        swap_given: ``swap`` was given, not taken from the names.
    """

    names: tuple[str, ...]
    swap: tuple[int, ...]
    skeleton: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    swap_given: bool = False


@dataclass(frozen=True)
class PartSet:
    """What the part labels of a parsing data set are.

    Attributes:
        names: the P names, with the background first.
        swap: P labels: label i of a mirrored image is label ``swap[i]`` of the image (left and right change).
    """

    names: tuple[str, ...]
    swap: tuple[int, ...]


@dataclass(frozen=True)
class SurfaceSet:
    """What the points of surfaces are.

    Attributes:
        names: of the P parts.
        swap: P + 1 parts: part i of a mirrored image is part ``swap[i]`` of the image; part 0 is the background. Empty: not known.
        mesh: the file of the mesh, see :mod:`pet.structures.surfaces`.
    """

    names: tuple[str, ...]
    swap: tuple[int, ...]
    mesh: Path


class SurfaceTruth(NamedTuple):
    """The marked points of an object's surface, as a file in the format of DensePose-COCO has them.

    Attributes:
        box: x, y, width, height, pixels.
        points: float64 (P, 5): x and y in 256ths of the box, part, u, v.
        mask: compressed COCO RLE of 256 x 256 pixels over the box, where the object is; None: not known.
    """

    box: tuple[float, float, float, float]
    points: np.ndarray
    mask: dict[str, Any] | None


class ImageTruth(NamedTuple):
    """Everything that a data set knows of the objects of an image, in the coordinates of the image file, for evaluation and checks.

    Unlike samples it holds crowd regions (COCO's ``iscrowd``, and VOC's ``difficult``), which evaluations ignore.

    Attributes:
        id: the image's own id in its data set, written into result files.
        file: path of the image.
        height: rows of the image, pixels.
        width: columns of the image, pixels.
        boxes: float32 (M, 4), XYXY, absolute pixels; pixel i covers [i, i + 1).
        labels: int64 (M,), classes from 0.
        crowd: bool (M,).
        areas: float32 (M,), square pixels; of the mask where there is one (COCO's ``area``), else of the box.
        segmentations: M times polygons (lists of x, y, x, y, ...), a COCO RLE, or None where an object has no mask; None: the data set
            has no masks.
        keypoints: float32 (M, K, 3): x, y, visibility (0 absent, 1 hidden, 2 visible); None: the data set has none.
        head_lengths: float32 (M,), 0.6 of the diagonal of the box around each head, pixels, MPII's unit of length; None: not known.
        identities: int64 (M,), the same number in all images that show an object, from 0 on, -1: none; None: the data set has none.
        sequence: the sequence that the image is a frame of; empty: none.
        frame: its number there, from 1 on.
        time: seconds since the first frame.
        objects3d: all that is annotated in space, of any class, by name; None: the data set has no such objects.
        surfaces: for each object its marked points, None where it has none; None: the data set has none.
    """

    id: int | str
    file: str
    height: int
    width: int
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    segmentations: list[Any] | None = None
    keypoints: np.ndarray | None = None
    head_lengths: np.ndarray | None = None
    identities: np.ndarray | None = None
    sequence: str = ""
    frame: int = 0
    time: float = 0.0
    objects3d: Objects3D | None = None
    surfaces: list[SurfaceTruth | None] | None = None

    def select(self, kept: np.ndarray) -> "ImageTruth":
        """Return the objects for which ``kept``, bool (M,), is true."""
        arrays = {name: getattr(self, name)[kept] for name in ("boxes", "labels", "crowd", "areas")}
        outlines, points, heads, identities = self.segmentations, self.keypoints, self.head_lengths, self.identities
        places = np.flatnonzero(kept)
        return self._replace(
            **arrays,
            segmentations=None if outlines is None else [outlines[place] for place in places],
            keypoints=None if points is None else points[kept],
            head_lengths=None if heads is None else heads[kept],
            identities=None if identities is None else identities[kept],
            surfaces=None if self.surfaces is None else [self.surfaces[place] for place in places],
        )

    @classmethod
    def without_objects(cls, *, image_id: int | str, file: str, size: tuple[int, int]) -> "ImageTruth":
        """Return what is known of an image of ``size`` (height, width) in which nothing is annotated as an object."""
        return cls(
            id=image_id,
            file=file,
            height=size[0],
            width=size[1],
            boxes=np.zeros((0, 4), np.float32),
            labels=np.zeros(0, np.int64),
            crowd=np.zeros(0, bool),
            areas=np.zeros(0, np.float32),
        )


@dataclass(frozen=True)
class DatasetInfo:
    """What holds for all samples of a data set.

    Attributes:
        kinds: the kinds of targets that the files have, names of :data:`pet.data.targets.kinds.KINDS`.
        classes: names of the classes of images or objects in the order of their labels.
        num_classes: their number; 0: as many as have names. Data with very many classes may leave the names out.
        numbered: the labels are bare numbers, so that ``classes`` ends with the greatest one that occurs.
        first_label: the least label that occurs, where labels are bare numbers.
        category_ids: the data set's own number of each class (COCO's category ids), written into result files; empty: 1, 2, ...
        semseg_classes: names of the classes of ``semseg``; empty where there is none.
        keypoint_set: what the keypoints are; None where there are none.
        part_set: what the part labels are; None where there are none.
        surface_set: what the points of surfaces are; None where there are none.
        raw_labels: label images are as in the files and become classes in a transform: their values say nothing before.
        void_is_stated: the format or the catalogue says which pixels of label images do not count; else 255 may be a class as well.
        groups: number of the image, or sequence, that each sample is part of, int64 (len,): splits keep a group on one side. None: each
            sample is a group of its own.
        skipped: what was left out while the files were read, reason -> how often; to be printed.
        parts: names and lengths of the data sets that this one joins; empty: it is one.
        annotated: the files say what there is in the images; without that these can be predicted on, but not learned from or measured on.
        lacking: a file that would have said it, where it is known; for messages.
        num_identities: how many identities occur; they are numbered from 0 on.
        sided_classes: the names of classes may say directions, as those of actions: left and right change places in a mirrored clip.
        left_out: classes of the files that are none of those that the reader was asked for -> their objects, which it left out.
    """

    kinds: frozenset[str]
    classes: Sequence[str] = ()
    num_classes: int = 0
    numbered: bool = False
    first_label: int = 0
    category_ids: Sequence[int] = ()
    semseg_classes: Sequence[str] = ()
    keypoint_set: KeypointSet | None = None
    part_set: PartSet | None = None
    surface_set: SurfaceSet | None = None
    raw_labels: bool = False
    void_is_stated: bool = False
    groups: np.ndarray | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    parts: Sequence[tuple[str, int]] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    annotated: bool = True
    lacking: str = ""
    sided_classes: bool = False
    num_identities: int = 0

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "classes", list(self.classes))
        set_field(self, "num_classes", self.num_classes or len(self.classes))
        set_field(self, "category_ids", self.category_ids or range(1, self.num_classes + 1))
        set_field(self, "semseg_classes", list(self.semseg_classes))
        assert not self.classes or len(self.classes) == self.num_classes, f"{len(self.classes)} names of {self.num_classes} classes"


class Dataset(Protocol):
    """Samples with an image, or two, and any kinds of targets. Derive a class from it and give it ``info``.

    A method ``file_of(index)`` may return the file of a sample without reading it; messages name it then.

    Attributes:
        info: what holds for all of them.
    """

    info: DatasetInfo

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...

    def truth(self, index: int, /) -> ImageTruth | None:
        """Return size and objects of an image without reading the image; None: the data set does not know them."""
        return None

    def labels_of(self, index: int, /) -> np.ndarray | None:
        """Return the class of an image, int64 (1,), or those of its objects, without reading the image; None: they are not known."""
        truth = self.truth(index)
        return None if truth is None else truth.labels

    def shard_starts(self) -> np.ndarray | None:
        """Return the first sample of each shard, int64, ascending from 0; None: the data do not lie in shards."""
        return None

    def fetch_ahead(self, index: int, /) -> None:
        """Begin to fetch what the samples of a shard need, one of which is ``index``, without waiting for it."""
        return


def read_truths(dataset: Dataset) -> Iterator[ImageTruth]:
    """Yield the size and the objects of each image.

    Raises:
        DataError: the data set does not know them.
    """
    for index in range(len(dataset)):
        truth = dataset.truth(index)
        if truth is None:
            raise DataError("these data do not say which objects an image has; choose data with objects")
        yield truth


@dataclass(frozen=True)
class Expectation:
    """What a model wants of its data.

    Attributes:
        kinds: the kinds of targets, names of :data:`pet.data.targets.kinds.KINDS`.
        counts: kind -> how many classes, keypoints or parts the model knows; a kind that is left out may have any number.
        inputs: the kinds of pixels: ``image``, and for pairs of dates ``image2``.
        channels: channels of an image.
        settings: kind -> the setting that says its count, for messages.
        raw_labels: label images are as in the files and become classes later: their values say nothing yet.
        void_is_stated: see :class:`DatasetInfo`.
        extent: the least x, y, z and the greatest that a model of points looks at, metres; empty: it is none, or looks everywhere.
    """

    kinds: tuple[str, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[str, ...] = ("image",)
    channels: int = 3
    settings: Mapping[str, str] = field(default_factory=dict)
    raw_labels: bool = False
    void_is_stated: bool = False
    extent: tuple[float, ...] = ()


def sample_name(sample: Sample) -> object:
    """Return what a message calls a sample: its file, or what else is known."""
    return sample["meta"].get("file", sample["meta"])
