"""The settings of detection in space. Imports no torch, so that a mistake in a config is reported at once."""

from typing import Any

from pet.config import TASK_SCHEMA
from pet.data.config import FILTER_EMPTY
from pet.models.config import MODEL
from petlib.config import CfgNode, ConfigError, Effect, Key, Schema, Switch, merge_schemas, with_effect

HEADS = ("center", "anchor")
MOVERS = ("RandomMirrorPoints", "RandomTurnPoints", "RandomScalePoints", "PasteObjects")
ANCHORS = [
    {"size": [3.9, 1.6, 1.56], "bottom": -1.78, "matched": 0.6, "unmatched": 0.45},
    {"size": [0.8, 0.6, 1.73], "bottom": -0.6, "matched": 0.5, "unmatched": 0.35},
    {"size": [1.76, 0.6, 1.73], "bottom": -0.6, "matched": 0.5, "unmatched": 0.35},
]

SPATIAL_MODEL: Schema = {
    "NUM_CLASSES": Key(3, "Classes of objects.", minimum=1),
    "HEAD": Key("center", "How boxes are found: center, as peaks of a heatmap (CenterPoint), or anchor (PointPillars).", choices=HEADS),
    "RANGE": Key(
        [0.0, -39.68, -3.0, 69.12, 39.68, 1.0],
        "Least x, y, z and greatest x, y, z that the network looks at; x ahead, y to the left, z up.",
        type=list[float],
        unit="metres",
    ),
    "PILLAR": Key(0.16, "Edge of a pillar on the ground.", unit="metres", minimum=0),
    "POINT_CHANNELS": Key(4, "Numbers of a point: x, y, z and what else is measured.", minimum=3),
    "WIDTH": Key(64, "Channels of the map of pillars.", minimum=1),
    "BLOCKS": {
        "LAYERS": Key([3, 5, 5], "Convolutions of each block in addition to the first.", type=list[int]),
        "STRIDES": Key([2, 2, 2], "Of the first convolution of each block.", type=list[int]),
        "CHANNELS": Key([64, 128, 256], "Of each block.", type=list[int]),
        "UP_CHANNELS": Key(128, "That each block gives to the joined map.", minimum=1),
    },
    "ANCHORS": Key(
        ANCHORS,
        "Of each class in order: size (length, width, height) and bottom of its typical box in metres, and the overlaps matched and unmatched.",
        type=list[Any],
        used_if=(Switch("MODEL.HEAD", one_of=("anchor",)),),
    ),
    "SYNC_BN": MODEL["SYNC_BN"],
}
TEST: Schema = {
    "SCORE_THRESHOLD": Key(0.1, "Boxes with a lower score are left out.", minimum=0),
    "NMS": Key(0.1, "Of two boxes that overlap by more from above, the weaker one is left out.", minimum=0),
    "MAX_BOXES": Key(100, "Boxes of a frame.", minimum=1),
    "CANDIDATES": Key(512, "Boxes of a frame before suppression.", minimum=1),
}


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    own = {"MODEL": SPATIAL_MODEL, "DATA": {"FILTER_EMPTY": FILTER_EMPTY}, "TEST": with_effect(Effect.EVALUATIONS, TEST)}
    return CfgNode(merge_schemas(TASK_SCHEMA, own))


def infer_cfg(cfg: CfgNode) -> None:
    """Check what no single key can know.

    Raises:
        ConfigError: the range, blocks or anchors do not fit each other, or transforms of a test move the world.
    """
    blocks, low, high = cfg.MODEL.BLOCKS, cfg.MODEL.RANGE[:3], cfg.MODEL.RANGE[3:]
    if len(cfg.MODEL.RANGE) != 6 or not all(first < second for first, second in zip(low, high, strict=True)):
        raise ConfigError(f"MODEL.RANGE: {list(cfg.MODEL.RANGE)} given, least x, y, z and then greater x, y, z expected")
    if not len(blocks.LAYERS) == len(blocks.STRIDES) == len(blocks.CHANNELS) > 0 or min(blocks.STRIDES) < 1:
        raise ConfigError("MODEL.BLOCKS: LAYERS, STRIDES and CHANNELS need one number for each block, strides from 1 on")
    _check_grid(cfg)
    if cfg.MODEL.HEAD == "anchor" and len(cfg.MODEL.ANCHORS) != cfg.MODEL.NUM_CLASSES:
        raise ConfigError(
            f"MODEL.ANCHORS: {len(cfg.MODEL.ANCHORS)} given, one for each of MODEL.NUM_CLASSES {cfg.MODEL.NUM_CLASSES} expected"
        )
    for number, anchor in enumerate(cfg.MODEL.ANCHORS):
        if not isinstance(anchor, dict) or set(anchor) != set(ANCHORS[0]) or len(anchor["size"]) != 3:
            raise ConfigError(f"MODEL.ANCHORS[{number}]: {anchor!r} given, a mapping like {ANCHORS[0]} expected")
    for entry in cfg.TEST.TRANSFORMS:
        name = entry.get("name") if isinstance(entry, dict) else entry
        if name in MOVERS:
            raise ConfigError(f"TEST.TRANSFORMS: {name} moves the world, and figures compare boxes with the files; take it out")


def _check_grid(cfg: CfgNode) -> None:
    stride = 1
    for factor in cfg.MODEL.BLOCKS.STRIDES:
        stride *= factor
    for axis, name in ((0, "x"), (1, "y")):
        pillars = (cfg.MODEL.RANGE[axis + 3] - cfg.MODEL.RANGE[axis]) / max(cfg.MODEL.PILLAR, 1e-9)
        if abs(pillars - round(pillars)) > 1e-3 or round(pillars) % stride:
            raise ConfigError(
                f"MODEL.PILLAR: {cfg.MODEL.PILLAR:g} given; MODEL.RANGE has {pillars:g} pillars along {name}, a multiple of the product of "
                f"MODEL.BLOCKS.STRIDES, {stride}, expected"
            )
