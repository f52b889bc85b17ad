"""Names of data sets. Imports nothing slow: settings are derived with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pet.data.catalog.public_sets import PUBLIC_SETS
from pet.data.catalog.source import WHOLE, Reading
from pet.typed import PetConfig
from petlib.addresses import ANY_STORE, READABLE, address_of, check_address
from petlib.config import ConfigError, keys_in_errors
from petlib.suggest import did_you_mean

PACK_HEAD = "pack.json"
"""The file that is written last into a folder of shards."""
LIST_SUFFIXES = (".txt", ".csv", ".tsv")
PLACES = ("path", "annotations", "images2", "only", "mesh")
"""Keys of an entry that say where files are."""
TYPES_OF_FILES = (
    *(
        "cifar10",
        "cifar100",
        "image_folder",
        "images",
        "list_file",
        "coco",
        "voc",
        "yolo",
        "semseg_folder",
        "ade20k",
        "cihp",
        "shapes",
        "confetti",
    ),
    *("cvat", "labelme", "label_studio", "lip", "mpii", "dots", "mot", "jde", "crowdhuman", "walkers", "mannequins"),
    *("kitti_points", "kitti_images", "streets3d_points", "streets3d_images"),
    *("label_list", "label_records", "public_set", "face_records", "face_templates", "verification_pairs", "verification_bin"),
    *("video_folder", "video_list", "frame_list", "ucf101", "something_something", "kinetics"),
    "shards",
)
BUILTIN_TYPES = ("crowds", "digits", "facets", "motions", *TYPES_OF_FILES)
WITH_ANNOTATIONS = ("coco", "mpii", "jde", "crowdhuman", "semseg_folder", "verification_pairs", "ucf101", "something_something", "kinetics")
WITH_VIDEOS = ("motions", "video_list", "frame_list", "ucf101", "something_something", "kinetics")
"""Types that know the classes of videos without a look at these."""
WITH_OWN_LABELS = ("semseg_folder", "label_list", "label_records")
WITH_READING = ("semseg_folder", "ade20k", "label_list", "label_records", "public_set")
MOT_BENCHMARKS, MOT_SPLITS = ("MOT15", "MOT16", "MOT17", "MOT20"), ("train", "train_half", "val_half", "test")
FURTHER_KEYS = {"mot": ("step",), "walkers": ("step",), "crowdhuman": ("box",), "voc": ("corners",), "dots": ("corners",)}
"""Keys of one type alone, which the function behind it takes as arguments."""
WHOLE_SHARE = (0.0, 1.0)
SURFACE_MESH = "densepose/mesh.npz"
"""What tools/data/convert_surface.py makes of the official files."""


class CatalogEntry(NamedTuple):
    """What a name refers to: a type of the registry of data sets, and its arguments.

    Attributes:
        type: a name of the registry.
        path: folder or file.
        split: part of the data, for types that have several in one place.
        annotations: file or folder of the targets, for types that have them apart from the images.
        images2: folder of the images of a second date, of ``semseg_folder``.
        label_ending: what names of label images have behind those of the images, of ``semseg_folder``, e.g. ``_mask``.
        separator: what separates the fields of a line, of ``label_list``, ``video_list`` and ``frame_list``.
        frame_name: name of the images in folders of frames, of ``frame_list``, with a place for the number; empty: ``img_{:05}.jpg``.
        classes: names of the classes in the order of their numbers; empty: ``DATA.CLASSES``.
        share: the part of the samples between these shares of a random order, e.g. 0 and 0.8 for training and 0.8 and 1 for testing.
        seed: of that order.
        only: text file with the names of the images that are taken, one a line, as paths below ``path``; empty: all.
        flip_pairs: keypoints that change places in a mirrored image, of ``coco``, e.g. ``(("L_Eye", "R_Eye"),)``, or their numbers from 0;
            None: as their names say.
        mesh: file of the mesh that points of surfaces refer to, of ``coco``.
        reading: how label images and the images next to them are read; its fields are keys of the entry.
        options: further keys of a type and their values, which the function behind the type takes as arguments.
    """

    type: str
    path: str = ""
    split: str = "train"
    annotations: str = ""
    images2: str = ""
    label_ending: str = ""
    separator: str = " "
    frame_name: str = ""
    classes: tuple[str, ...] = ()
    share: tuple[float, ...] = WHOLE_SHARE
    seed: int = 0
    only: str = ""
    flip_pairs: tuple[tuple[str | int, str | int], ...] | None = None
    mesh: str = ""
    reading: Reading = WHOLE
    options: tuple[tuple[str, Any], ...] = ()


def _coco(images: str, annotations: str, mesh: str = "") -> CatalogEntry:
    return CatalogEntry("coco", f"coco/{images}", annotations=f"coco/annotations/{annotations}.json", mesh=mesh)


BUILTIN = {
    "digits_train": CatalogEntry("digits", split="train"),
    "digits_test": CatalogEntry("digits", split="test"),
    "crowds_train": CatalogEntry("crowds", split="train"),
    "crowds_test": CatalogEntry("crowds", split="test"),
    **{
        f"shanghaitech_{part}_{split}": CatalogEntry("dots", f"ShanghaiTech/part_{part.upper()}_final", split)
        for part in ("a", "b")
        for split in ("train", "test")
    },
    **{f"qnrf_{split}": CatalogEntry("dots", "UCF-QNRF_ECCV18", split) for split in ("train", "test")},
    **{f"nwpu_{split}": CatalogEntry("dots", "NWPU-Crowd", split) for split in ("train", "val")},
    **{f"jhu_{split}": CatalogEntry("dots", "jhu_crowd_v2.0", split) for split in ("train", "val", "test")},
    "facets_train": CatalogEntry("facets", split="train"),
    "facets_test": CatalogEntry("facets", split="test"),
    "cifar10_train": CatalogEntry("cifar10", "cifar/cifar-10-batches-py", "train"),
    "cifar10_test": CatalogEntry("cifar10", "cifar/cifar-10-batches-py", "test"),
    "cifar100_train": CatalogEntry("cifar100", "cifar/cifar-100-python", "train"),
    "cifar100_test": CatalogEntry("cifar100", "cifar/cifar-100-python", "test"),
    "imagenet_train": CatalogEntry("image_folder", "imagenet/train", "train"),
    "imagenet_val": CatalogEntry("image_folder", "imagenet/val", "test"),
    "motions_train": CatalogEntry("motions", split="train"),
    "motions_test": CatalogEntry("motions", split="test"),
    "shapes_train": CatalogEntry("shapes", "shapes", "train"),
    "shapes_test": CatalogEntry("shapes", "shapes", "test"),
    "confetti_train": CatalogEntry("confetti", "confetti", "train"),
    "confetti_test": CatalogEntry("confetti", "confetti", "test"),
    "coco_2017_train": _coco("train2017", "instances_train2017"),
    "coco_2017_val": _coco("val2017", "instances_val2017"),
    "keypoints_coco_2017_train": _coco("train2017", "person_keypoints_train2017"),
    "keypoints_coco_2017_val": _coco("val2017", "person_keypoints_val2017"),
    "densepose_coco_2014_train": _coco("train2014", "densepose_train2014", SURFACE_MESH),
    "densepose_coco_2014_valminusminival": _coco("val2014", "densepose_valminusminival2014", SURFACE_MESH),
    "densepose_coco_2014_minival": _coco("val2014", "densepose_minival2014", SURFACE_MESH),
    "mannequins_train": CatalogEntry("mannequins", "mannequins", "train"),
    "mannequins_test": CatalogEntry("mannequins", "mannequins", "test"),
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
    "lip_train": CatalogEntry("lip", "LIP", "train"),
    "lip_val": CatalogEntry("lip", "LIP", "val"),
    **{f"{name.lower()}_{split}": CatalogEntry("mot", name, split) for name in MOT_BENCHMARKS for split in MOT_SPLITS},
    "walkers_train": CatalogEntry("walkers", "walkers", "train"),
    "walkers_test": CatalogEntry("walkers", "walkers", "test"),
    "walkers_test_slow": CatalogEntry("walkers", "walkers", "test", options=(("step", 3),)),
    "crowdhuman_train": CatalogEntry("crowdhuman", "CrowdHuman/Images", annotations="CrowdHuman/annotation_train.odgt"),
    "crowdhuman_val": CatalogEntry("crowdhuman", "CrowdHuman/Images", annotations="CrowdHuman/annotation_val.odgt"),
    "mpii_train": CatalogEntry("mpii", "mpii/images", annotations="mpii/annot/train.json"),
    "mpii_valid": CatalogEntry("mpii", "mpii/images", annotations="mpii/annot/valid.json"),
    **{f"kitti_{split}": CatalogEntry("kitti_points", "kitti", split) for split in ("train", "val", "trainval", "test")},
    **{f"kitti_images_{split}": CatalogEntry("kitti_images", "kitti", split) for split in ("train", "val", "trainval", "test")},
    **{f"streets3d_{split}": CatalogEntry("streets3d_points", "streets3d", split) for split in ("train", "test")},
    **{f"streets3d_images_{split}": CatalogEntry("streets3d_images", "streets3d", split) for split in ("train", "test")},
    "ade20k_train": CatalogEntry("ade20k", "ADEChallengeData2016", "train"),
    "ade20k_val": CatalogEntry("ade20k", "ADEChallengeData2016", "val"),
    **{name: CatalogEntry("public_set", public.folder, name) for name, public in PUBLIC_SETS.items()},
}

TEXTS = ("type", "path", "split", "annotations", "images2", "label_ending", "separator", "frame_name", "mesh", "only")
READING_KEYS = Reading._fields
KEYS = (*(name for name in CatalogEntry._fields if name not in ("reading", "options")), *READING_KEYS)
ONLY_OF = {
    "annotations": (
        "coco",
        "voc",
        "cvat",
        "label_studio",
        "dots",
        "jde",
        "crowdhuman",
        "semseg_folder",
        "verification_pairs",
        *WITH_VIDEOS[1:],
    ),
    **dict.fromkeys(("images2", "label_ending"), ("semseg_folder",)),
    "separator": ("label_list", "video_list", "frame_list"),
    "frame_name": ("frame_list",),
    **dict.fromkeys(("flip_pairs", "mesh"), ("coco",)),
    **dict.fromkeys(READING_KEYS, WITH_READING),
    **dict.fromkeys(("ignore_values", "label_colours", "ignore_colours"), WITH_OWN_LABELS),
}
"""Keys that not every type of Pet has, and the types that have them; a type of one's own may have all of them, and further ones."""


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_share(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)
        and 0 <= value[0] < value[1] <= 1
    )


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and (all(map(_is_number, value)) or all(isinstance(item, str) for item in value))


def _is_colour(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(_is_number(item) and item <= 255 for item in value)


def _is_list(accept: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(accept, value))


EXPECTED: dict[str, tuple[Callable[[object], bool], str]] = {
    "classes": (_is_list(lambda item: isinstance(item, str)), "a list of names"),
    "share": (_is_share, "two ascending numbers from 0 to 1, e.g. [0.0, 0.8]"),
    "seed": (_is_number, "a whole number from 0 on"),
    "flip_pairs": (_is_list(_is_pair), "pairs of names of keypoints, [[L_Eye, R_Eye], ...], or of their numbers from 0,"),
    "classes_filter": (_is_list(lambda item: isinstance(item, str)), "a list of names"),
    "label_values": (_is_list(_is_number), "a list of numbers from 0 to 255"),
    "ignore_values": (_is_list(_is_number), "a list of numbers, e.g. [11]"),
    "label_colours": (_is_list(_is_colour), "a colour [R, G, B] for each class, numbers from 0 to 255"),
    "ignore_colours": (_is_list(_is_colour), "a list of colours [R, G, B], numbers from 0 to 255"),
    "raw_labels": (lambda value: isinstance(value, bool), "true or false"),
    "bands": (_is_list(_is_number), "a list of numbers from 1 on"),
    "window": (_is_number, "a number of pixels; 0: whole images"),
    "stride": (_is_number, "a number of pixels; 0: half a window"),
}
"""What the values of keys that are no text have to be."""


def find_entry(cfg: PetConfig, name: str) -> CatalogEntry:
    """Return what ``name`` refers to: an entry of ``DATA.CATALOG`` or of Pet, shards, a folder of class folders, or a list file.

    Raises:
        ConfigError: neither, or an entry of ``DATA.CATALOG`` is wrong.
    """
    own = cfg.DATA.CATALOG
    if name in own:
        with keys_in_errors(cfg):
            return read_entry(f"DATA.CATALOG.{name}", own[name])
    if name in BUILTIN:
        return BUILTIN[name]
    _check_place("data set", name)
    if name.endswith(LIST_SUFFIXES):
        return CatalogEntry("list_file", name)
    if address_of(name) or (resolve_path(cfg, name) / PACK_HEAD).is_file():
        return CatalogEntry("shards", name)
    if "/" in name or Path(name).is_dir() or resolve_path(cfg, name).is_dir():
        return CatalogEntry("image_folder", name)
    raise ConfigError(
        f"unknown data set {name!r}{did_you_mean(name, [*own, *BUILTIN])}\n"
        f"  there are: {', '.join([*own, *BUILTIN])}\n"
        "  or give the path of a folder of class folders, or of a list file (.txt, .csv, .tsv) with lines 'image label'"
    )


def resolve_path(cfg: PetConfig, path: str) -> Path:
    """Return a path of the catalogue: absolute, else below ``MISC.DATA_ROOT``, else, where only that exists, as it is."""
    return below_root(Path(cfg.MISC.DATA_ROOT), path)


def below_root(root: Path, path: str) -> Path:
    """Return a path of the catalogue, see :func:`resolve_path`."""
    if address_of(path):
        return Path(path)
    below = root / path
    return Path(path) if not below.exists() and Path(path).exists() else below


def parse_entry(text: str, what: str) -> dict[str, Any]:
    """Return the names and values of an entry that a tool gets as text, not checked further; ``what`` says in messages what it is.

    Raises:
        ConfigError: it is no mapping.
    """
    try:
        entry = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{text}: {what} expected, e.g. {{type: voc, path: fruit}}: {error}") from error
    if not isinstance(entry, dict):
        raise ConfigError(f"{text}: {what} expected, e.g. {{type: voc, path: fruit}}")
    return entry


def read_entry(place: str, given: object) -> CatalogEntry:
    """Return an entry of the catalogue as it is given in a config.

    Args:
        place: its key, for messages.
        given: names with values.

    Raises:
        ConfigError: it is wrong.
    """
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise ConfigError(f"{place}: {given!r} given, a mapping like {{type: image_folder, path: flowers/train}} expected")
    further = [key for key in given if key not in KEYS]
    is_ours = given["type"] in BUILTIN_TYPES
    known = FURTHER_KEYS.get(given["type"], ())
    unknown = [key for key in further if key not in known]
    if unknown and is_ours:
        raise ConfigError(f"{place}: unknown entry {unknown[0]!r}{did_you_mean(str(unknown[0]), (*KEYS, *known))}")
    # a key without a value, as YAML allows, is one that is left out
    values = {key: _check_value(place, key, value) for key, value in given.items() if value is not None and key in KEYS}
    values["options"] = tuple((str(key), given[key]) for key in further)
    for key in [key for key in PLACES if is_ours and key in values]:
        _check_place(f"{place}.{key}", values[key])
    if values["type"] in TYPES_OF_FILES and not values.get("path"):
        raise ConfigError(f"{place}: {given!r} has no path; say where the {given['type']} is, e.g. path: flowers/train")
    if values["type"] in WITH_ANNOTATIONS and not values.get("annotations"):
        raise ConfigError(f"{place}: {given!r} has no annotations; say where those of the {given['type']} are, below Source.root")
    foreign = [key for key in values if is_ours and values["type"] not in ONLY_OF.get(key, (values["type"],))]
    if foreign:
        raise ConfigError(f"{place}: {values['type']} has no {foreign[0]}; {', '.join(ONLY_OF[foreign[0]])} have")
    reading = Reading(**{key: values.pop(key) for key in READING_KEYS if key in values})
    return CatalogEntry(**values, reading=reading)


def _check_place(place: str, text: str) -> None:
    """Refuse an address that nothing can be read from."""
    check_address(text, place=place, expected=f"a path, or {ANY_STORE}", schemes=READABLE)


def _check_value(place: str, key: str, value: Any) -> Any:
    """Return the value of a key as an entry has it: text, a number, or a tuple."""
    if key in TEXTS:
        return str(value)
    accept, expected = EXPECTED[key]
    if not accept(value):
        raise ConfigError(f"{place}.{key}: {value!r} given, {expected} expected")
    return tuple(tuple(item) if isinstance(item, list) else item for item in value) if isinstance(value, list) else value
