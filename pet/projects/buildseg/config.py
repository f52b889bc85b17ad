"""The settings of building segmentation. Imports no torch, so that a mistake in a config is reported at once."""

from pet.former_keys import FORMER_KEYS
from pet.segmentation.config import SEGMENTATION_SCHEMA, infer_cfg
from petlib.config import CfgNode, Schema, with_defaults

__all__ = ["BUILDSEG_SCHEMA", "get_base_cfg", "infer_cfg"]

BUILDSEG_SCHEMA: Schema = with_defaults(SEGMENTATION_SCHEMA, {"DATA.CLASSES": ["background", "building"]})


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(BUILDSEG_SCHEMA, former_keys=FORMER_KEYS)
