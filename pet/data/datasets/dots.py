"""Images with dots, of files of dots or the centres of boxes: what counting learns from."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pet.data.catalog.source import Source
from pet.data.datasets.coco import build_coco
from pet.data.datasets.dot_layouts import DottedImage, find_dots
from pet.data.datasets.voc import build_voc
from pet.data.files.allowed_paths import INSIDE, Reach
from pet.data.files.images import read_image
from pet.data.targets.dataset import Dataset, DatasetInfo
from pet.data.targets.kinds import choose_kinds
from petlib.data.protocols import Sample
from petlib.data.records import share_records
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

DOTS = frozenset({"dots"})
DEFAULT_CLASSES = ["object"]

logger = logging.getLogger(__name__)


class DotFiles(Dataset):
    """Images whose dots lie in files; see :func:`pet.data.datasets.dot_layouts.find_dots`.

    Dots outside of the image, which some annotations have, are moved to its edge: the truth is the number of dots in the file.

    Args:
        path: folder, or list of images and dots.
        split: part of the folder.
        classes: what is counted, one name.
        kinds: kinds of targets that are requested: ``dots`` is what there is.
        reach: where the names in lists may lead.

    Raises:
        DataError: files are missing or wrong, or another kind is requested.
    """

    def __init__(
        self, *, path: Path, split: str, classes: list[str] | None = None, kinds: frozenset[str] | None = None, reach: Reach = INSIDE
    ) -> None:
        choose_kinds(path, DOTS, kinds)
        self._records = share_records(lambda: find_dots(path, split, reach))
        if not len(self._records):
            raise DataError(f"{path}: the list names no images; its lines are 'image.jpg dots.txt'")
        self.info = DatasetInfo(kinds=DOTS, classes=(classes or DEFAULT_CLASSES)[:1])

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Sample:
        record: DottedImage = self._records[index]
        image = read_image(record.image)
        size = image.shape[0], image.shape[1]
        dots = np.clip(record.dots, 0, (size[1], size[0])).astype(np.float32)
        return {"image": image, "dots": dots, "meta": {"id": record.image.stem, "file": str(record.image), "size": size}}

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        return str(self._records[index].image)


class _Counted(NamedTuple):
    """The classes that are counted: names, and labels in the data set of boxes."""

    names: list[str]
    labels: list[int]


class BoxCentres(Dataset):
    """The centres of the boxes of a data set of objects; crowd regions and difficult objects are not counted.

    Args:
        dataset: images with boxes.
        classes: names of the classes that are counted; None: all.

    Raises:
        DataError: the data have no such class.
    """

    def __init__(self, dataset: Dataset, classes: list[str] | None = None) -> None:
        self._dataset = dataset
        self._counted = _choose(dataset.info, classes)
        self.info = DatasetInfo(kinds=DOTS, classes=["object" if classes is None else " or ".join(classes)])

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample, truth = self._dataset[index], self._dataset.truth(index)
        assert truth is not None, "data with boxes know the objects of their images"
        boxes = truth.boxes[np.isin(truth.labels, self._counted.labels) & ~truth.crowd]
        return {"image": sample["image"], "dots": (boxes[:, :2] + boxes[:, 2:]) / 2, "meta": sample["meta"]}

    def file_of(self, index: int) -> str:
        """Return the file of a sample's image, without reading it."""
        truth = self._dataset.truth(index)
        return "" if truth is None else truth.file


def _choose(info: DatasetInfo, classes: list[str] | None) -> _Counted:
    names = list(info.classes)
    for name in classes or ():
        if name not in names:
            raise DataError(f"the class {name!r} is to be counted, the boxes are of {', '.join(names)}{did_you_mean(name, names)}")
    chosen = classes or names
    return _Counted(chosen, [names.index(name) for name in chosen])


def build_dots(source: Source, *, corners: str | None = None) -> DotFiles | BoxCentres:
    """Return the images of ``source.path`` with dots, which are centres of boxes where there is ``Annotations`` or a COCO file.

    Args:
        source: the place; its ``classes`` name what is counted; of boxes, the others are left out.
        corners: what the corners in files of VOC are, see :class:`VocDataset`.

    Raises:
        ConfigError: ``corners`` is wrong, or the boxes are not in files of VOC.
        DataError: files are missing or wrong.
    """
    choose_kinds(source.path, DOTS, source.kinds)
    boxes = source._replace(kinds=frozenset({"boxes"}), classes=None)
    is_coco = source.annotations is not None and source.annotations.suffix == ".json"
    if not is_coco and (source.annotations is not None or (source.path / "Annotations").is_dir()):
        return BoxCentres(build_voc(boxes, corners=corners), source.classes)
    if corners is not None:
        raise ConfigError(f"CatalogEntry.corners: {corners!r} given, but {source.path} has no annotation files of VOC; leave it out")
    if is_coco:
        return BoxCentres(build_coco(boxes), source.classes)
    return DotFiles(path=source.path, split=source.split, classes=source.classes, kinds=source.kinds, reach=source.reach)
