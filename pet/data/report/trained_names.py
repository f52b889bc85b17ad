"""What the numbers of a model mean, for tools that look at test data without building it."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from pet.data.loading.build import build_dataset
from pet.data.targets.names import NO_NAMES, Names, names_of
from pet.typed import PetConfig
from petlib.checkpoint.checkpointer import Checkpointer
from petlib.checkpoint.locate import read_checkpoint
from petlib.errors import CheckpointError, ConfigError, DataError

EXPORTED = ".onnx"

logger = logging.getLogger(__name__)


def find_trained_names(cfg: PetConfig, kinds: Sequence[str]) -> Names:
    """Return the names by which a test gives the test data their numbers: those of the checkpoint, else those of the training data.

    Args:
        cfg: the config; ``TEST.WEIGHTS`` counts where it is a file, else the latest checkpoint of ``MISC.CKPT``.
        kinds: the kinds of targets that are looked at.

    Returns:
        Empty where neither says them.
    """
    try:
        saved = _read_names(cfg)
    except CheckpointError as error:
        logger.warning("the names of the training are not known: %s", error)
        saved = None
    if saved is not None:
        return {kind: names for kind, names in saved.items() if kind in kinds}
    if not cfg.TRAIN.DATASETS:
        return NO_NAMES
    try:
        return names_of(build_dataset(cfg, cfg.TRAIN.DATASETS[:1], kinds).info, kinds)
    except (ConfigError, DataError) as error:
        logger.info("the training data do not say the names: %s", error)
        return NO_NAMES


def _read_names(cfg: PetConfig) -> dict[str, list[str]] | None:
    path = Path(cfg.TEST.WEIGHTS)
    if cfg.TEST.WEIGHTS and path.exists() and path.suffix != EXPORTED:
        saved = read_checkpoint(path).get("names")
    else:
        saved = (Checkpointer(cfg.MISC.CKPT).read_latest() or {}).get("names") if cfg.MISC.CKPT else None
    return {str(kind): list(map(str, names)) for kind, names in saved.items()} if isinstance(saved, Mapping) and saved else None
