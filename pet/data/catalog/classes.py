"""The classes of the data, from their folders. Imports nothing slow: settings are derived with it."""

from pet.data.catalog.entries import find_entry, resolve_path
from pet.data.files.listing import class_folders
from petlib.config import CfgNode, ConfigError


def infer_classes(cfg: CfgNode) -> None:
    """Write the names of the classes of the first training data into ``DATA.CLASSES`` where that is empty.

    So the same label means the same class in all data sets and in later tests. Only image folders show their classes
    without being read.

    Raises:
        ConfigError: the name of the data set is unknown, or a class is named twice.
        DataError: the folder is missing although ``MODEL.NUM_CLASSES`` is 0, or holds no class folders.
    """
    check_classes(cfg)
    if cfg.DATA.CLASSES or not cfg.TRAIN.DATASETS:
        return
    entry = find_entry(cfg, cfg.TRAIN.DATASETS[0])
    folder = resolve_path(cfg, entry.path)
    # a model can be tested where its training data are not; without a number of classes they are needed
    if entry.type == "image_folder" and (folder.is_dir() or cfg.MODEL.NUM_CLASSES == 0):
        cfg.set("DATA.CLASSES", class_folders(folder))


def check_classes(cfg: CfgNode) -> None:
    """Check that ``DATA.CLASSES`` names each class once.

    Raises:
        ConfigError: a name is given twice.
    """
    twice = [name for place, name in enumerate(cfg.DATA.CLASSES) if name in cfg.DATA.CLASSES[:place]]
    if twice:
        raise ConfigError(f"DATA.CLASSES: {twice[0]!r} is given twice; a label would mean two classes")
