"""What the numbers in a model's predictions are called."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pet.data.catalog.entries import find_entry, resolve_path
from pet.data.loading.build import build_dataset
from pet.visual.names import TargetNames
from petlib.config import CfgNode, ConfigError
from petlib.config.nested import read_nested
from petlib.errors import DataError

logger = logging.getLogger(__name__)


def find_names(cfg: CfgNode, kinds: Sequence[str]) -> TargetNames:
    """Return the names of classes, parts and keypoints: of ``DATA.CLASSES``, else of the data sets where they are present.

    Where neither says the classes, the config that a training left in ``MISC.CKPT`` may; else numbers stand for them.

    Args:
        cfg: the config.
        kinds: the kinds of targets that the model predicts.
    """
    names = _names_of_data(cfg, kinds)
    classes = cfg.DATA.CLASSES or names.classes or _classes_of_run(cfg)
    if not classes:
        logger.warning("the names of the classes are not known, numbers stand for them; give DATA.CLASSES, or the data with MISC.DATA_ROOT")
    return replace(names, classes=tuple(classes))


def _names_of_data(cfg: CfgNode, kinds: Sequence[str]) -> TargetNames:
    # test data are smaller, and read sooner
    for name in (*cfg.TEST.DATASETS, *cfg.TRAIN.DATASETS):
        try:
            entry = find_entry(cfg, name)
            places = [resolve_path(cfg, place) for place in (entry.path, entry.annotations) if place]
            # a data set that is absent might be made or searched for
            if all(place.exists() for place in places):
                return TargetNames.of_dataset(build_dataset(cfg, [name], kinds))
        except (ConfigError, DataError) as error:
            logger.info("%s does not say the names of the classes: %s", name, error)
    return TargetNames()


def _classes_of_run(cfg: CfgNode) -> list[str]:
    try:
        saved = read_nested(Path(cfg.MISC.CKPT) / "config.yaml")
        return [str(name) for name in saved.get("DATA.CLASSES", [], type=list)]
    except ConfigError as error:
        logger.info("the run does not say the names of the classes: %s", error)
        return []
