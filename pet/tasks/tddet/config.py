"""The settings of detection in space. Imports no torch, so that a mistake in a config is reported at once."""

from typing import Any

from pet.config import TASK_SCHEMA
from pet.data.config import FILTER_EMPTY
from pet.exporting.config import COMPARE_SCORE
from pet.models.config import DENSE_MODEL, MODEL, check_network
from pet.models.registries import DLA_UP
from petlib.config import CfgNode, ConfigError, Effect, Key, Schema, Switch, merge_schemas, used_if, with_effect

POINT_HEADS = ("center", "anchor")
CAMERA = "camera"
HEADS = (*POINT_HEADS, CAMERA)
MOVERS = ("RandomMirrorPoints", "RandomTurnPoints", "RandomScalePoints", "PasteObjects")
ANCHORS = [
    {"size": [3.9, 1.6, 1.56], "bottom": -1.78, "matched": 0.6, "unmatched": 0.45},
    {"size": [0.8, 0.6, 1.73], "bottom": -0.6, "matched": 0.5, "unmatched": 0.35},
    {"size": [1.76, 0.6, 1.73], "bottom": -0.6, "matched": 0.5, "unmatched": 0.35},
]

SPATIAL_MODEL: Schema = {
    "NUM_CLASSES": Key(3, "Classes of objects.", minimum=1),
    "HEAD": Key(
        "center",
        "How boxes are found: in points as peaks of a heatmap from above (center: CenterPoint) or by anchors (anchor: PointPillars), or in one image of a camera as peaks of their projected centres (camera: SMOKE, MonoFlex).",
        choices=HEADS,
    ),
    "SYNC_BN": MODEL["SYNC_BN"],
}
POINT_MODEL: Schema = {
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
    "HEAD_CHANNELS": Key(
        64, "Of the branches of the head.", minimum=1, used_if=(Switch("MODEL.HEAD", one_of=("center",)),), arguments=("CenterHead.width",)
    ),
    "ANCHORS": Key(
        ANCHORS,
        "Of each class in order: size (length, width, height) and bottom of its typical box in metres, and the overlaps matched and unmatched.",
        type=list[Any],
        used_if=(Switch("MODEL.HEAD", one_of=("anchor",)),),
    ),
}
MEAN_SIZES = [[3.88, 1.63, 1.53], [0.88, 0.67, 1.73], [1.78, 0.58, 1.70]]
CAMERA_HEAD: Schema = {
    "FOCAL": Key(
        721.5377,
        "Focal length that depths are learned for, pixels of the network's input: that of the usual camera after resizing. An image of another camera is known by its calibration.",
        unit="pixels",
        minimum=1,
    ),
    "DEPTH": Key(
        "direct",
        "direct: one number (SMOKE); log: its logarithm, which learns from its own error too, a share of the depth; ensemble: one number and three depths from the heights of upright lines of the box, weighted by learned uncertainties (MonoFlex).",
        choices=("direct", "log", "ensemble"),
    ),
    "DEPTH_MEAN": Key(
        28.01, "Mean depth of the training data.", unit="metres", used_if=(Switch("MODEL.CAMERA.DEPTH", one_of=("direct", "log")),)
    ),
    "DEPTH_DEVIATION": Key(
        16.32, "Its standard deviation.", unit="metres", minimum=0, used_if=(Switch("MODEL.CAMERA.DEPTH", one_of=("direct", "log")),)
    ),
    "ANGLE": Key(
        "vector",
        "Direction relative to the line of sight: vector, as sine and cosine (SMOKE), or bins, four parts of the circle with a rest each (MonoFlex).",
        choices=("vector", "bins"),
    ),
    "ANGLE_WEIGHT": Key(
        0.0,
        "Weight of the error of sine and cosine, in addition to that of the corners; 0, as SMOKE: none.",
        minimum=0,
        used_if=(Switch("MODEL.CAMERA.ANGLE", one_of=("vector",)),),
        arguments=("VectorAngle.weight",),
    ),
    "ROWS": Key(
        False,
        "Depths, sizes and directions are read from the map and the row of each cell: the row where a box meets flat ground says how far away it is. False, as published: from the map alone.",
    ),
    "REACH": Key(0, "Cells around a centre, in each direction, that learn the box too; 0, as published: none.", minimum=0),
    "MEAN_SIZES": Key(
        MEAN_SIZES, "Mean length, width and height of each class in order, metres; sizes are learned relative to them.", type=list[Any]
    ),
    "EDGE_CENTERS": Key(
        False, "Boxes whose centre lies outside of the image are peaks at its edge (MonoFlex); False: they are left out (SMOKE)."
    ),
    "EDGE_FUSION": Key(
        False,
        "Convolutions along the border of the image add to the heatmap and to the places of centres there (MonoFlex).",
        used_if=(Switch("MODEL.CAMERA.EDGE_CENTERS"),),
    ),
    "HIDDEN": Key(256, "Channels of the two branches of the head.", minimum=1),
    "CORNER_WEIGHT": Key(
        1.0, "Weight of the mean distance of the corners of boxes in metres, which direction, size and place learn from.", minimum=0
    ),
    "OFFSET_WEIGHT": Key(0.5, "Weight of the error of the projected centre in cells.", minimum=0),
}
CAMERA_MODEL: Schema = {
    "BACKBONE": MODEL["BACKBONE"],
    "BACKBONE_ARGS": MODEL["BACKBONE_ARGS"],
    **{name: key for name, key in DENSE_MODEL.items() if name != "NECK"},
    "DLA_UP": DLA_UP,
    "CAMERA": CAMERA_HEAD,
}
TEST: Schema = {
    "SCORE_THRESHOLD": Key(0.1, "Boxes with a lower score are left out.", minimum=0),
    "NMS": Key(0.1, "Of two boxes that overlap by more from above, the weaker one is left out.", minimum=0),
    "MAX_BOXES": Key(100, "Boxes of a frame.", minimum=1),
    "CANDIDATES": Key(512, "Boxes of a frame before suppression.", minimum=1),
    "CALIBRATION": Key(
        "",
        "File with P2, as in KITTI's calib folder, or with its 12 numbers alone, of the camera that took the images of inference.py. Empty: each image has its own, calib/NAME.txt next to the folder of images.",
        used_if=(Switch("MODEL.HEAD", one_of=(CAMERA,)),),
        arguments=("build_camera_predictor.calibration",),
    ),
}


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    of_points, of_camera = (Switch("MODEL.HEAD", one_of=heads) for heads in (POINT_HEADS, (CAMERA,)))
    model: Schema = {**SPATIAL_MODEL, **used_if(POINT_MODEL, of_points), **used_if(CAMERA_MODEL, of_camera)}
    compared: Schema = {"COMPARE_SCORE": COMPARE_SCORE}
    own: Schema = {
        "MODEL": model,
        "DATA": {"FILTER_EMPTY": FILTER_EMPTY},
        "EXPORT": compared,
        "TEST": with_effect(Effect.EVALUATIONS, TEST),
    }
    return CfgNode(merge_schemas(TASK_SCHEMA, own))


def infer_cfg(cfg: CfgNode) -> None:
    """Check what no single key can know.

    Raises:
        ConfigError: the range, blocks or anchors do not fit each other, transforms of a test move the world, or a network of images has
            no backbone or no size of a class.
    """
    if cfg.MODEL.HEAD == CAMERA:
        _check_camera(cfg)
    else:
        _check_points(cfg)


def _check_camera(cfg: CfgNode) -> None:
    check_network(cfg)
    if not cfg.MODEL.BACKBONE:
        raise ConfigError("MODEL.BACKBONE: nothing given; name a network with stages of the strides 4, 8, 16, 32, e.g. timm/dla34")
    sizes = cfg.MODEL.CAMERA.MEAN_SIZES
    if len(sizes) != cfg.MODEL.NUM_CLASSES or not all(isinstance(size, list) and len(size) == 3 and min(size) > 0 for size in sizes):
        raise ConfigError(
            f"MODEL.CAMERA.MEAN_SIZES: {sizes} given, [length, width, height] in metres for each of MODEL.NUM_CLASSES "
            f"{cfg.MODEL.NUM_CLASSES} expected"
        )


def _check_points(cfg: CfgNode) -> None:
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
