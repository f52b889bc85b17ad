"""Which format the data of a folder have."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pet.autoconfig.formats import class_folders, coco, label_images, labelling_tools, voc, yolo
from pet.autoconfig.formats.found import FoundData, files_named, folders_in
from petlib.errors import DataError
from petlib.files import not_a_folder, reading_errors

FORMATS: tuple[tuple[Callable[[Path], FoundData | None], str], ...] = (
    (yolo.find, "YOLO: a data.yaml, a classes.txt or neither next to images and labels/*.txt with boxes, outlines or keypoints"),
    (coco.find, "COCO: JSON files with images, annotations and categories, and the images"),
    (labelling_tools.find_label_studio, "Label Studio: its JSON export and the images"),
    (labelling_tools.find_labelme, "labelme: a JSON file for each image"),
    (labelling_tools.find_cvat, "CVAT: its XML file for images, and the images"),
    (voc.find, "Pascal VOC: an XML file for each image, in Annotations or next to it"),
    (
        label_images.find,
        "label images: in folders images and labels (or masks), or next to the images as a_mask.png; pairs of dates in A, B and label",
    ),
    (class_folders.find, "classes: a folder of images for each, also below train and val"),
)
"""What finds the data of each format, the most special first, and what it looks like."""
MOST_SHOWN = 8
LISTS = (".txt", ".csv", ".tsv", ".lst")
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")


def recognise(folder: Path) -> tuple[Path, FoundData]:
    """Return the folder of the data and what it has: ``folder`` itself, or the only folder in it.

    Raises:
        DataError: there is no such folder, no format is recognised (the message says what is there and what is expected), or a file of
            the format is wrong, or something below the folder cannot be read.
    """
    with reading_errors():
        return _recognise(folder)


def _recognise(folder: Path) -> tuple[Path, FoundData]:
    if folder.suffix.lower() in ARCHIVES and folder.is_file():
        raise DataError(f"{folder}: an archive given, its folder expected; unpack it first")
    if not folder.is_dir():
        raise DataError(f"{folder}: {not_a_folder(folder)}{_of_list(folder)}")
    place = folder
    while True:
        for find, _ in FORMATS:
            found = find(place)
            if found is not None:
                return place, found
        inner = folders_in(place)
        if len(inner) != 1:
            raise DataError(_describe_unknown(folder))
        place = inner[0]


def _of_list(path: Path) -> str:
    """Return how one trains on a list file; empty where it is none."""
    if path.suffix.lower() not in LISTS or not path.is_file():
        return ""
    return (
        f"; a list of images and labels is trained on with a config that has "
        f"DATA.CATALOG {{mine: {{type: list_file, path: {path.absolute()}}}}} and "
        "TRAIN.DATASETS and TEST.DATASETS [mine], see docs/data.md"
    )


def _describe_unknown(folder: Path) -> str:
    kinds = Counter(file.suffix.lower() or "no suffix" for file in files_named(folder, depth=3))
    files = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common(MOST_SHOWN)) or "no files"
    names = [path.name for path in folders_in(folder)]
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    folders = f"the folders {', '.join(names[:MOST_SHOWN])}{more}" if names else "no folders"
    expected = "\n".join(f"  {text}" for _, text in FORMATS)
    single = class_folders.single_class(folder)
    one_class = f" As folders of classes it has one class only, {single}, and at least two are needed." if single else ""
    return f"{folder}: no format of data is recognised; it has {folders}, and {files}.{one_class} One of these is expected:\n{expected}"
