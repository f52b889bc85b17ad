"""The settings of target extraction: one kind of object against the rest. Imports no torch, so that a mistake in a config is reported at once."""

from pet.former_keys import FORMER_KEYS
from pet.segmentation.config import SEGMENTATION_SCHEMA, infer_cfg
from petlib.config import CfgNode, Schema, with_defaults

__all__ = ["TARGET_EXTRACTION_SCHEMA", "get_base_cfg", "infer_cfg"]

TARGET_EXTRACTION_SCHEMA: Schema = with_defaults(
    SEGMENTATION_SCHEMA,
    {
        "DATA.CLASSES": ["background", "target"],
        "MODEL.BINARY": True,
        "MODEL.LOSSES": ["bce", "soft_iou"],
    },
)


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(TARGET_EXTRACTION_SCHEMA, former_keys=FORMER_KEYS)
