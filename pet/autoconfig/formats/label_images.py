"""Images with label images: in two folders, or next to each other; with a second folder of images, pairs of dates."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pet.autoconfig.formats.found import Entry, FoundData, below, first_files, folders_in, folders_of_parts
from pet.autoconfig.formats.label_classes import describe_classes
from pet.data.datasets.paired_files import LABEL_SUFFIXES
from pet.data.files.listing import SUFFIXES

IMAGES = ("images", "image", "imgs", "img", "jpegimages", "photos", "rgb", "input", "inputs", "a", "images1", "im1", "t1", "before", "pre")
SECOND = ("b", "images2", "im2", "t2", "after", "post")
LABELS = (
    *("labels", "label", "masks", "mask", "annotations", "annotation", "gt", "ground_truth", "segmentation", "segmentations"),
    *("segmentationclass", "seg", "targets", "target", "ann", "ann_dir", "output"),
)
"""Usual names of the folders, in small letters."""
ENDINGS = ("", "_mask", "-mask", "_label", "-label", "_labels", "_gt", "_seg", "_segmentation", "_L")
"""What names of label images have behind those of the images."""
MOST_FILES = 100_000


class Layout(NamedTuple):
    """Where the files of a part lie: two folders, or one with a difference in names, and the folder of a second date."""

    images: Path
    labels: Path
    ending: str
    images2: Path | None


def find(folder: Path) -> FoundData | None:
    """Return the images and label images of a folder; None: there are none that belong together."""
    layouts = _parts(folder)
    if "train" not in layouts:
        return None
    keys = describe_classes(folder, {part: _label_files(layout) for part, layout in layouts.items()})
    entries = {part: {**_entry(layout, folder), **keys} for part, layout in layouts.items()}
    first = layouts["train"]
    name = "pairs of images with label images of what changed" if first.images2 else "images with label images"
    return FoundData(name, entries, f"{below(first.images, folder)} and {below(first.labels, folder)}")


def _parts(folder: Path) -> dict[str, Layout]:
    """Return the layout of each part: in folders of the part, or the parts in folders of images and label images, or all in one."""
    inside = {part: layout for part, path in folders_of_parts(folder).items() if (layout := _layout(path)) is not None}
    if inside:
        return inside
    whole = _two_folders(folder)
    if whole is None:
        layout = _one_folder(folder)
        return {} if layout is None else {"train": layout}
    images, labels = folders_of_parts(whole.images), folders_of_parts(whole.labels)
    seconds = folders_of_parts(whole.images2) if whole.images2 else {}
    found = {part: _paired(images[part], labels[part], seconds.get(part)) for part in images if part in labels}
    return {part: layout for part, layout in found.items() if layout is not None} or {"train": whole}


def _layout(folder: Path) -> Layout | None:
    return _two_folders(folder) or _one_folder(folder)


def _two_folders(folder: Path) -> Layout | None:
    named = {path.name.lower(): path for path in folders_in(folder)}
    images, labels, second = (next((named[name] for name in names if name in named), None) for names in (IMAGES, LABELS, SECOND))
    return None if images is None or labels is None else _paired(images, labels, second)


def _one_folder(folder: Path) -> Layout | None:
    """Return the layout of a folder whose label images are next to the images, directly in it."""
    files = [path for path in folder.iterdir() if path.is_file()]
    stems = {path.stem for path in files if path.suffix.lower() in SUFFIXES and path.suffix.lower() not in LABEL_SUFFIXES}
    labels = {path.stem for path in files if path.suffix.lower() in LABEL_SUFFIXES}
    if stems and stems <= labels:
        return Layout(folder, folder, "", None)
    all_stems = stems | labels
    for ending in ENDINGS[1:]:
        named = {stem for stem in labels if stem.endswith(ending)}
        if named and all_stems - named == {stem.removesuffix(ending) for stem in named}:
            return Layout(folder, folder, ending, None)
    return None


def _paired(images: Path, labels: Path, images2: Path | None) -> Layout | None:
    """Return the layout of two folders whose files belong together by name; None: they do not."""
    stems, own = set(_stems(images, SUFFIXES)), set(_stems(labels, LABEL_SUFFIXES))
    fits = next((ending for ending in ENDINGS if stems and all(f"{stem}{ending}" in own for stem in stems)), None)
    if fits is None:
        return None
    return Layout(images, labels, fits, images2)


def _stems(folder: Path, suffixes: Sequence[str]) -> Iterator[str]:
    return (path.relative_to(folder).with_suffix("").as_posix() for path in first_files(folder, suffixes, MOST_FILES))


def _label_files(layout: Layout) -> list[Path]:
    files = first_files(layout.labels, LABEL_SUFFIXES, MOST_FILES)
    return [file for file in files if file.stem.endswith(layout.ending)]


def _entry(layout: Layout, folder: Path) -> Entry:
    return {
        "type": "semseg_folder",
        "path": below(layout.images, folder),
        **({"images2": below(layout.images2, folder)} if layout.images2 else {}),
        "annotations": below(layout.labels, folder),
        **({"label_ending": layout.ending} if layout.ending else {}),
    }
