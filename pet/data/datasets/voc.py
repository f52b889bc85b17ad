"""Images with boxes, and some with label images, in the layout of Pascal VOC."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets.voc_layout import find_layout, read_list, report_layout
from pet.data.datasets.voc_records import CORNERS, VOC_CLASSES, VocHeader, read_records
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import read_sized_image
from pet.data.files.label_images import read_checked_labels
from pet.data.targets.dataset import Dataset, DatasetInfo, ImageTruth
from pet.data.targets.kinds import choose_kinds
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

BOXES, SEMSEG = frozenset({"boxes"}), frozenset({"semseg"})


class VocDataset(Dataset):
    """A folder with ``Annotations``, ``JPEGImages`` and ``ImageSets`` (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc).

    Labelling tools write others, or put annotation files next to images, and write no lists, see :func:`find_layout`; all images are the
    split ``train`` or ``trainval`` then.

    Corners in the files are pixels that belong to the object, counted from 1, unless ``corners`` says otherwise; boxes here are edges in
    continuous coordinates: (xmin - 1, ymin - 1, xmax, ymax), clipped to the image. Objects marked as ``difficult`` are in :meth:`truth`,
    as crowd, and not in samples: libraries differ in whether they train on them, and their evaluations ignore them. Images without
    objects stay.

    Semantic labels (``SegmentationClass``, 255 ignored) are given only where ``kinds`` asks for them, because a part of the images has
    them: those of ``ImageSets/Segmentation`` are the samples then, else those of ``ImageSets/Main``.

    Args:
        folder: the folder, e.g. ``VOCdevkit/VOC2012``.
        split: name of the list of images, e.g. ``trainval``.
        annotations: the folder of the annotation files; None: it is looked for.
        classes: names of the classes in the order of their labels; None: the 20 of VOC where no other one occurs, else those that
            occur, sorted.
        pixel_classes: names of the values of label images from 1 on, which are not VOC's; None: ``classes``.
        kinds: kinds of targets of the samples; None: boxes.
        corners: what the corners in the files are: ``pixels_from_1`` as in VOC, ``pixels_from_0``, or ``edges`` of the object; None: as in
            VOC, and a line says where they cannot be that.
        reach: where the ids of a list, which are parts of paths, may lead.

    Raises:
        ConfigError: ``corners`` is none of these.
        DataError: a list or annotation file is missing or wrong, or a requested kind is not there.
    """

    def __init__(
        self,
        *,
        folder: Path,
        split: str,
        annotations: Path | None = None,
        classes: list[str] | None = None,
        pixel_classes: list[str] | None = None,
        kinds: frozenset[str] | None = None,
        corners: str | None = None,
        reach: Reach = INSIDE,
    ) -> None:
        if corners is not None and corners not in CORNERS:
            raise ConfigError(
                f"CatalogEntry.corners: {corners!r} given, {', '.join(CORNERS)} expected{did_you_mean(str(corners), CORNERS)}"
            )
        self.folder = folder
        has_labels = (folder / "SegmentationClass").is_dir() and (folder / "ImageSets" / "Segmentation" / f"{split}.txt").is_file()
        available = BOXES | SEMSEG if has_labels else BOXES
        requested = choose_kinds(folder, available, BOXES if kinds is None else kinds)
        list_kind = "Segmentation" if requested & SEMSEG else "Main"
        self.layout = find_layout(folder, annotations)
        self._records = share_records(lambda: self._read(list_kind, split, reach, classes, corners))
        header = cast("VocHeader", self._records[-1])
        self.info = DatasetInfo(
            kinds=available,
            classes=header.classes,
            semseg_classes=_pixel_classes(pixel_classes or header.classes) if has_labels else [],
            void_is_stated=True,
            skipped=header.skipped,
        )
        readers = {"boxes": self._read_boxes, "semseg": self._read_semseg}
        self._readers = [read for kind, read in readers.items() if kind in requested]

    def _read(
        self, list_kind: str, split: str, reach: Reach, classes: Sequence[str] | None, corners: str | None
    ) -> Iterator[ImageTruth | VocHeader]:
        names = read_list(self.layout, list_kind, split, reach)
        report_layout(self.layout, list_kind, split, names)
        return read_records(self.layout, names, classes, corners)

    def __len__(self) -> int:
        return len(self._records) - 1

    def __getitem__(self, index: int) -> Sample:
        truth = self._record(index)
        size = truth.height, truth.width
        path = self.layout.images / truth.file
        image = read_sized_image(path, size=size, record=str(self.layout.annotation(str(truth.id))))
        sample: Sample = {"image": image, "meta": {"id": truth.id, "file": str(path), "size": size}}
        for read in self._readers:
            read(sample, truth)
        return sample

    def _read_boxes(self, sample: Sample, truth: ImageTruth) -> None:
        chosen = np.flatnonzero(~truth.crowd)
        sample["boxes"] = truth.boxes[chosen]
        sample["labels"] = truth.labels[chosen]

    def _read_semseg(self, sample: Sample, truth: ImageTruth) -> None:
        path = self.folder / "SegmentationClass" / f"{truth.id}.png"
        sample["semseg"] = read_checked_labels(path, size=(truth.height, truth.width), count=len(self.info.semseg_classes))

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        truth = self._record(index)
        return str(self.layout.images / truth.file)

    def truth(self, index: int) -> ImageTruth:
        """Return the objects of an image with the difficult ones."""
        truth = self._record(index)
        return truth._replace(file=str(self.layout.images / truth.file))

    def _record(self, index: int) -> ImageTruth:
        # the header is behind the last image
        return cast("ImageTruth", self._records[range(len(self))[index]])


def _pixel_classes(classes: Sequence[str]) -> list[str]:
    """Return the classes of label images, whose values follow VOC's own order whatever the order of ours is."""
    return ["background", *(VOC_CLASSES if set(classes) == set(VOC_CLASSES) else classes)]


def build_voc(source: Source, *, corners: str | None = None) -> VocDataset:
    """Return the split ``source.split`` of the folder ``source.path``, whose files say the classes of objects.

    Args:
        source: the place.
        corners: what the corners in the files are, see :class:`VocDataset`.
    """
    return VocDataset(
        folder=source.path,
        split=source.split,
        annotations=source.annotations,
        pixel_classes=source.classes,
        kinds=source.kinds,
        corners=corners,
        reach=source.reach,
    )
