"""Names of data sets. Imports nothing slow: settings are derived with it."""

from pathlib import Path
from typing import NamedTuple

from petlib.config import CfgNode, ConfigError
from petlib.suggest import did_you_mean

LIST_SUFFIXES = (".txt", ".csv", ".tsv")
TYPES_OF_FILES = ("cifar10", "cifar100", "image_folder", "list_file", "coco", "voc", "semseg_folder", "ade20k", "cihp", "shapes")
WITH_ANNOTATIONS = ("coco", "semseg_folder")


class CatalogEntry(NamedTuple):
    """What a name stands for: a type of the registry of data sets, and its arguments.

    Attributes:
        type: a name of the registry.
        path: folder or file.
        split: part of the data, for types that have several in one place.
        annotations: file or folder of the targets, for types that have them apart from the images.
    """

    type: str
    path: str = ""
    split: str = "train"
    annotations: str = ""


def _coco(images: str, annotations: str) -> CatalogEntry:
    return CatalogEntry("coco", f"coco/{images}", annotations=f"coco/annotations/{annotations}.json")


BUILTIN = {
    "digits_train": CatalogEntry("digits", split="train"),
    "digits_test": CatalogEntry("digits", split="test"),
    "cifar10_train": CatalogEntry("cifar10", "cifar/cifar-10-batches-py", "train"),
    "cifar10_test": CatalogEntry("cifar10", "cifar/cifar-10-batches-py", "test"),
    "cifar100_train": CatalogEntry("cifar100", "cifar/cifar-100-python", "train"),
    "cifar100_test": CatalogEntry("cifar100", "cifar/cifar-100-python", "test"),
    "imagenet_train": CatalogEntry("image_folder", "imagenet/train", "train"),
    "imagenet_val": CatalogEntry("image_folder", "imagenet/val", "test"),
    "shapes_train": CatalogEntry("shapes", "shapes", "train"),
    "shapes_test": CatalogEntry("shapes", "shapes", "test"),
    "coco_2017_train": _coco("train2017", "instances_train2017"),
    "coco_2017_val": _coco("val2017", "instances_val2017"),
    "keypoints_coco_2017_train": _coco("train2017", "person_keypoints_train2017"),
    "keypoints_coco_2017_val": _coco("val2017", "person_keypoints_val2017"),
    "voc_2007_trainval": CatalogEntry("voc", "VOCdevkit/VOC2007", "trainval"),
    "voc_2007_test": CatalogEntry("voc", "VOCdevkit/VOC2007", "test"),
    "voc_2012_train": CatalogEntry("voc", "VOCdevkit/VOC2012", "train"),
    "voc_2012_trainval": CatalogEntry("voc", "VOCdevkit/VOC2012", "trainval"),
    "voc_2012_val": CatalogEntry("voc", "VOCdevkit/VOC2012", "val"),
    "bccd_train": CatalogEntry("voc", "bccd", "train"),
    "bccd_val": CatalogEntry("voc", "bccd", "val"),
    "bccd_test": CatalogEntry("voc", "bccd", "test"),
    "cihp_train": CatalogEntry("cihp", "CIHP/instance-level_human_parsing", "train"),
    "cihp_val": CatalogEntry("cihp", "CIHP/instance-level_human_parsing", "val"),
    "ade20k_train": CatalogEntry("ade20k", "ADEChallengeData2016", "train"),
    "ade20k_val": CatalogEntry("ade20k", "ADEChallengeData2016", "val"),
}


def find_entry(cfg: CfgNode, name: str) -> CatalogEntry:
    """Return what ``name`` stands for: an entry of ``DATA.CATALOG`` or of Pet, a folder of class folders, or a list file.

    Raises:
        ConfigError: neither, or an entry of ``DATA.CATALOG`` is wrong.
    """
    own = cfg.DATA.CATALOG
    if name in own:
        return _own_entry(name, own[name])
    if name in BUILTIN:
        return BUILTIN[name]
    if name.endswith(LIST_SUFFIXES):
        return CatalogEntry("list_file", name)
    if "/" in name or Path(name).is_dir() or resolve_path(cfg, name).is_dir():
        return CatalogEntry("image_folder", name)
    raise ConfigError(
        f"unknown data set {name!r}{did_you_mean(name, [*own, *BUILTIN])}\n"
        f"  there are: {', '.join([*own, *BUILTIN])}\n"
        "  or give the path of a folder of class folders, or of a list file (.txt, .csv, .tsv) with lines 'image label'"
    )


def resolve_path(cfg: CfgNode, path: str) -> Path:
    """Return a path of the catalogue: absolute, else below ``MISC.DATA_ROOT``, else, where only that exists, as it is."""
    below = Path(cfg.MISC.DATA_ROOT) / path
    return Path(path) if not below.exists() and Path(path).exists() else below


def _own_entry(name: str, given: object) -> CatalogEntry:
    place = f"DATA.CATALOG.{name}"
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise ConfigError(f"{place}: {given!r} given, a mapping like {{type: image_folder, path: flowers/train}} expected")
    unknown = [key for key in given if key not in CatalogEntry._fields]
    if unknown:
        raise ConfigError(f"{place}: unknown entry {unknown[0]!r}{did_you_mean(str(unknown[0]), CatalogEntry._fields)}")
    if given["type"] in TYPES_OF_FILES and not given.get("path"):
        raise ConfigError(f"{place}: {given!r} has no path; say where the {given['type']} is, e.g. path: flowers/train")
    if given["type"] in WITH_ANNOTATIONS and not given.get("annotations"):
        raise ConfigError(f"{place}: {given!r} has no annotations; say where those of the {given['type']} are, below MISC.DATA_ROOT")
    # a key without a value, as YAML allows, is one that is left out
    return CatalogEntry(**{key: str(value) for key, value in given.items() if value is not None})
