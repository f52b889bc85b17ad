"""The settings of FairMOT: those of the general CNN with boxes, identities and learned weights of losses. Imports no torch."""

from pet.former_keys import FORMER_KEYS
from pet.vision.config import infer_cfg, vision_schema
from petlib.config import CfgNode, with_defaults

__all__ = ["get_base_cfg", "infer_cfg"]

DEFAULTS = {
    "MODEL.HAS_BOX": True,
    "MODEL.HAS_IDENTITY": True,
    "MODEL.NECK": "dla_up",
    "MODEL.BOX.DETECTOR": "centernet",
    "MODEL.BOX.CENTERNET.EDGES": True,
    "MODEL.LOSS_WEIGHTING.METHOD": "uncertainty",
    "MODEL.LOSS_WEIGHTING.START": {"box": -1.85, "identity": -1.05},
    # frames without objects are ordinary
    "DATA.FILTER_EMPTY": False,
}


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(with_defaults(vision_schema(), DEFAULTS), former_keys=FORMER_KEYS)
