"""The settings of counting: those of the general CNN. Imports no torch, so that a mistake in a config is reported at once."""

from pathlib import Path

from pet.former_keys import FORMER_KEYS
from pet.vision.config import infer_cfg as infer_vision_cfg
from pet.vision.config import vision_schema
from petlib.config import CfgNode, ConfigError, with_defaults

HEADS = ("HAS_DENSITY", "HAS_DOTS")
DEFAULTS = {"MODEL.NUM_CLASSES": 1, "EVAL.BEST_METRIC": "count/MAE", "EVAL.BEST_RULE": "less"}


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(with_defaults(vision_schema(), DEFAULTS), former_keys=FORMER_KEYS)


def infer_cfg(cfg: CfgNode, cfg_file: str | Path | None = None) -> CfgNode:
    """Check what no single key can know; see :func:`pet.vision.config.infer_cfg`.

    Raises:
        ConfigError: nothing counts, or the intervals are to hold all counts or none.
    """
    if not any(cfg.MODEL[switch] for switch in HEADS):
        raise ConfigError(f"MODEL: no head counts; set {' or '.join(f'MODEL.{switch}' for switch in HEADS)} to True")
    if not 0 < cfg.TEST.INTERVAL.SHARE < 1:
        raise ConfigError(f"TEST.INTERVAL.SHARE: {cfg.TEST.INTERVAL.SHARE:g} given, a share between 0 and 1 expected, e.g. 0.9")
    return infer_vision_cfg(cfg, cfg_file)
