"""The classes of the data, from their folders or files. Imports nothing slow: settings are derived with it."""

from pathlib import Path

from pet.data import datasets
from pet.data.catalog.entries import WITH_VIDEOS, CatalogEntry, find_entry, resolve_path
from pet.data.catalog.source import Source
from pet.data.files.allowed_paths import Reach
from pet.data.files.listing import class_folders, class_folders_of_videos
from pet.typed import AnyConfig, PetConfig
from petlib.config import ConfigError


def infer_classes(cfg: AnyConfig) -> None:
    """Write the names of the classes of the first training data into ``DATA.CLASSES`` where that is empty, and their number.

    Image folders show their classes at once; COCO and VOC files and lists are read where ``MODEL.NUM_CLASSES`` is 0, which means as many
    as there are.

    Raises:
        ConfigError: the name of the data set is unknown, or a class is named twice.
        DataError: folder or file are missing although ``MODEL.NUM_CLASSES`` is 0, or have no classes.
    """
    check_classes(cfg)
    if not cfg.DATA.CLASSES and cfg.TRAIN.DATASETS:
        entry = find_entry(cfg, cfg.TRAIN.DATASETS[0])
        folder = resolve_path(cfg, entry.path)
        # a model can be tested where its training data are not; without a number of classes they are needed
        if entry.type in ("image_folder", "video_folder") and (folder.is_dir() or cfg.MODEL.NUM_CLASSES == 0):
            find = class_folders_of_videos if entry.type == "video_folder" else class_folders
            cfg.set("DATA.CLASSES", find(folder))
        elif cfg.MODEL.NUM_CLASSES == 0:
            found = _names_in_files(cfg, entry, folder)
            cfg.set(*(("MODEL.NUM_CLASSES", found) if isinstance(found, int) else ("DATA.CLASSES", found)))
    if cfg.MODEL.NUM_CLASSES == 0:
        cfg.set("MODEL.NUM_CLASSES", len(cfg.DATA.CLASSES))


def _names_in_files(cfg: PetConfig, entry: CatalogEntry, path: Path) -> list[str] | int:
    """Return the names of the classes, or only their number; none for a type whose files do not say them."""
    reach = Reach(root=Path(cfg.MISC.DATA_ROOT), anywhere=cfg.DATA.ALLOW_OUTSIDE)
    if entry.classes:
        return list(entry.classes)
    if entry.type == "coco":
        return datasets.category_names(resolve_path(cfg, entry.annotations))
    if entry.type in WITH_VIDEOS:
        annotations = resolve_path(cfg, entry.annotations) if entry.annotations else None
        source = Source(path, entry.split, None, annotations=annotations, separator=entry.separator, reach=reach)
        return datasets.video_class_names(source, entry.type)
    if entry.type == "voc":
        return datasets.object_names(path, resolve_path(cfg, entry.annotations) if entry.annotations else None, entry.split, reach)
    if entry.type == "yolo":
        return datasets.yolo_classes(path, reach)
    return datasets.names_in_list(path, reach) if entry.type == "list_file" and path.is_file() else []


def check_classes(cfg: PetConfig) -> None:
    """Check that ``DATA.CLASSES`` names each class once.

    Raises:
        ConfigError: a name is given twice.
    """
    twice = [name for place, name in enumerate(cfg.DATA.CLASSES) if name in cfg.DATA.CLASSES[:place]]
    if twice:
        raise ConfigError(f"DATA.CLASSES: {twice[0]!r} is given twice; a label would mean two classes")
