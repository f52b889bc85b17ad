"""The settings of dense poses: those of the general CNN, with boxes and surfaces. Imports no torch, so that a mistake is reported at once."""

from pet.former_keys import FORMER_KEYS
from pet.vision.config import infer_cfg, vision_schema
from petlib.config import CfgNode, Schema, with_defaults

__all__ = ["densepose_schema", "get_base_cfg", "infer_cfg"]


def densepose_schema() -> Schema:
    """Return the settings, with the keys of all heads, detectors and necks that are registered now."""
    return with_defaults(
        vision_schema(),
        {
            "MODEL.HAS_BOX": True,
            "MODEL.HAS_SURFACE": True,
            "MODEL.NECK": "fpn",
            "MODEL.NUM_CLASSES": 1,
            "TEST.DETECTIONS_PER_IMAGE": 20,
            "EVAL.BEST_METRIC": "gps/AP",
        },
    )


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(densepose_schema(), former_keys=FORMER_KEYS)
