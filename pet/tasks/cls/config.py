"""The settings of fine-tuning a classifier on one's own images: those of the general CNN, as a classifier. Imports no torch."""

from pet.former_keys import FORMER_KEYS
from pet.vision.config import infer_cfg, vision_schema
from petlib.config import CfgNode, with_defaults

__all__ = ["get_base_cfg", "infer_cfg"]


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(with_defaults(vision_schema(), {"MODEL.HAS_CLS": True}), former_keys=FORMER_KEYS)
