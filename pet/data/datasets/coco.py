"""Images with objects in the format of COCO."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets.coco_objects import CocoRecord
from pet.data.datasets.coco_records import CocoHeader, records_of
from pet.data.datasets.coco_surface import surface_masks, surface_points
from pet.data.datasets.coco_tables import CocoTables, read_tables
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import read_sized_image
from pet.data.targets.dataset import Dataset, ImageTruth, SurfaceSet
from pet.data.targets.left_right import Pair
from pet.structures.masks import InstanceMasks
from pet.structures.surfaces import SurfaceMesh, read_mesh
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import ConfigError


class CocoDataset(Dataset):
    """A folder of images and a COCO file (https://cocodataset.org/#format-data) with boxes, masks and keypoints.

    A file without the list of annotations, as those of public tests, can be predicted on: its samples are images alone.

    Crowd regions (``iscrowd``) are in :meth:`truth` and not in samples. Images without objects stay. An entry ``ignore`` of an
    annotation changes nothing, as in pycocotools. Boxes of samples are clipped to the image; those of :meth:`truth` are as the
    file has them, so that metrics are those of pycocotools. Objects without area, outside of the image or, where masks are requested,
    without a mask are left out everywhere and counted in ``info.skipped``. Semantic and part labels next to the file:
    :func:`pet.data.datasets.coco_extension.read_extension`.

    Args:
        images: the folder that the file names of images start from.
        annotations: the COCO file, or that of another format.
        tables: reads the file of another format; None: it is a COCO file.
        classes: names of the classes in the order of their labels, as far as the file has them; objects of others are left out and
            counted in ``info.left_out``. None: all, by category id.
        kinds: kinds of targets of the samples; None: all that the file has.
        reach: where the names of images and of folders of label images may lead.
        flip_pairs: pairs of keypoints, names or numbers from 0, that change places in a mirrored image; None: as their names say
            (:func:`pet.data.targets.left_right.swap_from_names`).
        mesh: file of the mesh that points of surfaces refer to (:mod:`pet.structures.surfaces`); None: such points are not read.

    Raises:
        DataError: the file cannot be used, is wrong, or lacks a requested kind; the message names the record.
        ConfigError: ``flip_pairs`` does not fit the keypoints.
    """

    def __init__(
        self,
        *,
        images: Path,
        annotations: Path,
        tables: Callable[[], CocoTables] | None = None,
        classes: list[str] | None = None,
        kinds: frozenset[str] | None = None,
        reach: Reach = INSIDE,
        flip_pairs: Sequence[Pair] | None = None,
        mesh: Path | None = None,
    ) -> None:
        self._images = images
        self._mesh = read_mesh(mesh) if mesh else None
        surfaces = describe_surface(mesh, self._mesh) if mesh and self._mesh else None
        self._annotations = annotations

        def read() -> Iterator[CocoRecord | CocoHeader]:
            found = read_tables(annotations, images, reach) if tables is None else tables()
            yield from records_of(found, classes, kinds, reach=reach, flip_pairs=flip_pairs, surface_set=surfaces)

        self._records = share_records(read)
        header = cast("CocoHeader", self._records[-1])
        self._labels, self.info = header.labels, header.info
        readers = {
            "boxes": self._read_boxes,
            "masks": self._read_masks,
            "keypoints": self._read_keypoints,
            "surface": self._read_surface,
            "semseg": self._read_semseg,
            "parsing": self._read_parsing,
        }
        wanted = header.requested if self.info.annotated else header.requested & header.labels.kinds
        self._readers = [read for kind, read in readers.items() if kind in wanted]

    def __len__(self) -> int:
        return len(self._records) - 1

    def __getitem__(self, index: int) -> Sample:
        record = self._record(index)
        truth = record.truth
        size = truth.height, truth.width
        path = self._images / truth.file
        image = read_sized_image(path, size=size, record=f"image {truth.id!r} of {self._annotations}")
        sample: Sample = {"image": image, "meta": {"id": truth.id, "file": str(path), "size": size}}
        chosen = np.flatnonzero(~truth.crowd)
        for read in self._readers:
            read(sample, record, chosen)
        return sample

    def _read_boxes(self, sample: Sample, record: CocoRecord, chosen: np.ndarray) -> None:
        truth = record.truth
        limits = np.array([truth.width, truth.height] * 2, np.float32)
        sample["boxes"] = np.clip(truth.boxes[chosen], 0, limits)
        sample["labels"] = truth.labels[chosen]

    def _read_masks(self, sample: Sample, record: CocoRecord, chosen: np.ndarray) -> None:
        segmentations = record.truth.segmentations
        assert segmentations is not None, "the records were read without masks"
        sample["masks"] = InstanceMasks.from_segmentations([segmentations[place] for place in chosen], sample["meta"]["size"])

    def _read_keypoints(self, sample: Sample, record: CocoRecord, chosen: np.ndarray) -> None:
        keypoints, keypoint_set = record.truth.keypoints, self.info.keypoint_set
        assert keypoints is not None and keypoint_set is not None, "the records were read without keypoints"
        sample["keypoints"] = keypoints[chosen]
        sample["meta"]["keypoint_swap"] = keypoint_set.swap

    def _read_surface(self, sample: Sample, record: CocoRecord, chosen: np.ndarray) -> None:
        surfaces = record.truth.surfaces
        assert surfaces is not None and self._mesh is not None, "the records were read without surfaces"
        own = [surfaces[place] for place in chosen]
        sample["surface"] = surface_points(own, self._mesh)
        sample["surface_masks"] = surface_masks(own, sample["meta"]["size"])

    def _read_semseg(self, sample: Sample, record: CocoRecord, chosen: np.ndarray) -> None:
        sample["semseg"] = self._labels.read_semseg(record.truth.file, sample["meta"]["size"])

    def _read_parsing(self, sample: Sample, record: CocoRecord, chosen: np.ndarray) -> None:
        assert self.info.part_set is not None, "there are no part labels"
        sample["parsing"], sample["instances"] = self._labels.read_parsing(record.truth.file, sample["meta"]["size"])
        sample["instance_ids"] = record.instance_ids[chosen]
        sample["meta"]["part_swap"] = self.info.part_set.swap

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        return str(self._images / self._record(index).truth.file)

    def truth(self, index: int) -> ImageTruth:
        """Return the objects of an image with its crowd regions; masks and keypoints only where they are requested."""
        truth = self._record(index).truth
        return truth._replace(file=str(self._images / truth.file))

    def _record(self, index: int) -> CocoRecord:
        # the header is behind the last image
        return cast("CocoRecord", self._records[range(len(self))[index]])


def describe_surface(path: Path, mesh: SurfaceMesh) -> SurfaceSet:
    """Return what a data set says of a mesh, without its arrays."""
    return SurfaceSet(mesh.names, () if mesh.swap is None else tuple(mesh.swap.tolist()), path)


def build_coco(source: Source) -> CocoDataset:
    """Return the images of ``source.path`` with the COCO file ``source.annotations``.

    Raises:
        ConfigError: the source names no COCO file.
    """
    if source.annotations is None:
        raise ConfigError(f"{source.path}: data of the type coco need annotations: the path of their JSON file")
    return CocoDataset(
        images=source.path,
        annotations=source.annotations,
        classes=source.classes,
        kinds=source.kinds,
        reach=source.reach,
        flip_pairs=source.flip_pairs,
        mesh=source.mesh,
    )
