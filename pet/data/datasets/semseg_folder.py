"""Folders of images and of label images whose pixels are numbers of classes."""

from pathlib import Path

from pet.data.catalog.source import WHOLE, Reading, Source
from pet.data.datasets.ade20k_classes import ADE20K_CLASSES
from pet.data.datasets.labelled_images import Folders, LabelledImages, coding_of
from pet.data.datasets.paired_files import pair_files
from pet.data.targets.label_coding import LabelCoding, check_named
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

LIST_SUFFIX = ".txt"
ADE20K_SPLITS = {"train": "training", "val": "validation"}


class SemsegFolder(LabelledImages):
    """Images below one folder and label images below another, paired by their names without suffix, at any depth.

    Pixels of the value 255 count nowhere. Label images that have no image are left out and counted in ``info.skipped``, as are images of
    a second date.

    Args:
        images: the folder of the images.
        labels: the folder of the label images.
        images2: the folder of the images of a second date; None: samples are single images.
        classes: names of the classes in the order of their numbers.
        first: the number of the first class in the files; what is below it does not count.
        names: text file of the images to take, one name a line, with or without a suffix; None: all.
        label_ending: what names of label images have behind those of the images, before the suffix.
        coding: what the pixels of the label images mean; None: numbers of classes, see ``first``.
        reading: how the files are read.
        channels: channels that every image has to have; None: any number.
        kinds: kinds of targets that are requested: ``semseg`` is what there is.

    Raises:
        ConfigError: ``reading`` does not fit the classes.
        DataError: a folder is missing or has no images, an image has no partner, or another kind is requested.
    """

    def __init__(
        self,
        *,
        images: Path,
        labels: Path,
        images2: Path | None = None,
        classes: list[str],
        first: int = 0,
        names: Path | None = None,
        label_ending: str = "",
        coding: LabelCoding | None = None,
        reading: Reading = WHOLE,
        channels: int | None = None,
        kinds: frozenset[str] | None = None,
    ) -> None:
        folders = Folders(images, labels, images2 or images)
        super().__init__(
            files=lambda: pair_files(folders, has_pairs=images2 is not None, names=names, label_ending=label_ending),
            folders=folders,
            coding=coding or coding_of(classes, reading, first=first),
            reading=reading,
            channels=channels,
            kinds=kinds,
            void_is_stated=coding is not None or first > 0,
        )


def build_semseg_folder(source: Source) -> SemsegFolder:
    """Return the images of ``source.path`` with the label images of ``source.annotations``, and with ``source.images2`` as pairs.

    All images are taken, unless ``source.split`` is the name of a list, e.g. ``train.txt``, next to the folder of images or in it.

    Raises:
        ConfigError: the source has no folder of label images.
        DataError: it has no classes, or files are missing.
    """
    if source.annotations is None:
        raise ConfigError(f"{source.path}: data of the type semseg_folder need annotations: the folder of their label images")
    names = None
    if source.split.endswith(LIST_SUFFIX):
        inside = source.path / source.split
        names = inside if inside.is_file() else source.path.parent / source.split
    return SemsegFolder(
        images=source.path,
        labels=source.annotations,
        images2=source.images2,
        classes=check_named(source.classes, source.path, source.annotations),
        names=names,
        label_ending=source.label_ending,
        reading=source.reading,
        channels=source.channels,
        kinds=source.kinds,
    )


def build_ade20k(source: Source) -> SemsegFolder:
    """Return a split, ``train`` or ``val``, of the scene parsing benchmark on ADE20K (http://sceneparsing.csail.mit.edu).

    ``source.path`` is the folder ``ADEChallengeData2016``. Its number 0, what is none of the 150 classes, does not count.

    Raises:
        ConfigError: there is no such split.
        DataError: files are missing.
    """
    if source.split not in ADE20K_SPLITS:
        raise ConfigError(f"ade20k: the split {source.split!r} given, train or val expected{did_you_mean(source.split, ADE20K_SPLITS)}")
    name = ADE20K_SPLITS[source.split]
    return SemsegFolder(
        images=source.path / "images" / name,
        labels=source.path / "annotations" / name,
        classes=list(ADE20K_CLASSES),
        first=1,
        reading=source.reading,
        channels=source.channels,
        kinds=source.kinds,
    )
