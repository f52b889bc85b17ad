"""The settings of networks that look at one object at a time. Imports no torch, so that a mistake in a config is reported at once."""

from pathlib import Path
from typing import Any

from pet.config import TASK_SCHEMA
from pet.data.catalog.classes import check_classes
from pet.exporting.config import check_export
from pet.models.config import FLIP, MODEL, check_network
from pet.structures.pixel_conventions import CONVENTIONS
from petlib.config import CfgNode, ConfigError, Effect, Key, Schema, Switch, merge_schemas, name_run, used_if, with_effect

SWITCHES = ("HAS_KEYPOINTS", "HAS_MASK", "HAS_PARSING")
CROPS = ("CropObject", "RandomCropObject")
DIVISOR = 32
"""Of the lengths of a crop: the stride of the coarsest maps of the usual networks, and of the padding of batches."""


def _head(meaning: str, channels: list[int]) -> Schema:
    """Return the keys that all heads have; ``meaning`` says what a map is."""
    return {
        "CHANNELS": Key(
            channels,
            f"Channels of the 3 x 3 convolutions before {meaning}. Empty: none, as published networks of poses have it.",
            type=list[int],
        ),
        "KERNEL": Key(1, "Kernel of the last convolution, 1 or 3.", choices=(1, 3)),
        "LOSS_WEIGHT": Key(1.0, "Weight of the loss of the maps.", minimum=0),
        "QUALITY": Key(False, "Learn to estimate how good the maps of an object are, and rank objects by it."),
        "QUALITY_LOSS_WEIGHT": Key(1.0, "Weight of the loss of the estimate.", minimum=0),
    }


GAUSSIANS = Switch("MODEL.KEYPOINTS.TARGET", one_of=("gaussian",))
KEYPOINTS: Schema = {
    "NUM_KEYPOINTS": Key(17, "Number of keypoints of an object.", minimum=1),
    "TARGET": Key(
        "gaussian",
        "What the maps of a keypoint learn: gaussian, a Gaussian around it; offsets, a disc around it and two maps of the ways from its pixels to the keypoint (section 4.2 of https://arxiv.org/abs/1911.07524, CombinedTarget of mmpose).",
        choices=("gaussian", "offsets"),
    ),
    "SIGMA": Key(
        2.0,
        "Standard deviation of the Gaussians that are learned, pixels of the heatmap: 2 at a quarter of 256 x 192, 3 of 384 x 288.",
        used_if=(GAUSSIANS,),
    ),
    "RADIUS": Key(
        3.5,
        "Radius of the discs that are learned, pixels of the map: 3.5 at a quarter of 256 x 192, 5.25 of 384 x 288.",
        minimum=1,
        used_if=(Switch("MODEL.KEYPOINTS.TARGET", one_of=("offsets",)),),
    ),
    "CONVENTION": Key(
        "pet",
        "How pixels are counted in crops and heatmaps, the same as of CropObject: msra as in SimpleBaseline and HRNet, udp as in UDP, mmpose's udp and ViTPose, for weights that were trained so (https://arxiv.org/abs/1911.07524).",
        choices=tuple(CONVENTIONS),
    ),
    **_head("the heatmaps", []),
}
PARSING: Schema = {"NUM_PARTS": Key(20, "Number of part labels, with the background.", minimum=2), **_head("the part maps", [256, 256])}

NETWORK: Schema = {
    "BACKBONE": Key(
        "",
        "The network by name: timm/hrnet_w32 and other HRNets, timm/vit_small_patch16_224 and other plain vision transformers, or any of timm or torchvision that gives maps of several strides, e.g. timm/resnet50.",
        arguments=("find_classifier.name", "create_feature_extractor.name", "classifier.name", "build_upsampling.stride"),
    ),
    "BACKBONE_ARGS": MODEL["BACKBONE_ARGS"],
    "SYNC_BN": MODEL["SYNC_BN"],
    "UPSAMPLING": {
        "METHOD": Key(
            "deconvolution",
            "What brings the last map of a network to a quarter of the crop: transposed convolutions, or bilinear, which stretches it. An HRNet has such a map.",
            choices=("deconvolution", "bilinear"),
        ),
        "CHANNELS": Key(
            256,
            "Channels of the transposed convolutions.",
            minimum=1,
            used_if=(Switch("MODEL.UPSAMPLING.METHOD", one_of=("deconvolution",)),),
        ),
    },
    "HAS_KEYPOINTS": Key(False, "Find the keypoints of the object."),
    "HAS_MASK": Key(False, "Outline the object."),
    "HAS_PARSING": Key(False, "Find the parts of the object."),
    "KEYPOINTS": used_if(KEYPOINTS, Switch("MODEL.HAS_KEYPOINTS")),
    "MASK": used_if(_head("the mask", [256, 256]), Switch("MODEL.HAS_MASK")),
    "PARSING": used_if(PARSING, Switch("MODEL.HAS_PARSING")),
}

TEST: Schema = {
    "BOXES": Key(
        "",
        "A detector's bbox.json of the test data. Its boxes are measured in addition to those of the data. Empty: those of the data alone.",
        arguments=("read_detections.path",),
    ),
    "BOX_SCORE": Key(0.0, "Boxes of a detector with a lower score are left out.", minimum=0),
    "DECODING": Key(
        "dark",
        "How a heatmap becomes a place: plain, its greatest pixel; quarter, that and a quarter of a pixel towards the greater neighbour; dark, the top of the Gaussian around it (https://arxiv.org/abs/1910.06278).",
        choices=("plain", "quarter", "dark"),
        used_if=(Switch("MODEL.HAS_KEYPOINTS"), GAUSSIANS),
    ),
    "OKS_NMS": Key(
        0.9,
        "Object keypoint similarity from which the weaker of two poses of an image is dropped; 1: none is.",
        minimum=0,
        used_if=(Switch("MODEL.HAS_KEYPOINTS"),),
    ),
    "PARSING_THRESHOLD": Key(
        0.3,
        "Objects with a lower score are left out of an image's label image of parts.",
        minimum=0,
        used_if=(Switch("MODEL.HAS_PARSING"),),
    ),
    "VIEWS": {"FLIP": FLIP},
    "DETECTOR": {
        "CFG": Key(
            "",
            "The config of a detector that finds the boxes in images and videos of an inference. Empty: the object is the whole image.",
            arguments=("build_predictor.detector",),
        ),
        "WEIGHTS": Key("", "Its weights; empty: as its own TEST.WEIGHTS says.", used_if=(Switch("TEST.DETECTOR.CFG"),)),
        "SCORE": Key(0.5, "Score from which its boxes are looked at.", minimum=0, used_if=(Switch("TEST.DETECTOR.CFG"),)),
    },
}

PCK = Key(
    [0.1],
    "Distances up to which a keypoint is right, as shares of the longer edge of the box.",
    type=list[float],
    effect=Effect.EVALUATIONS,
    used_if=(Switch("MODEL.HAS_KEYPOINTS"),),
)

INSTANCE_SCHEMA: Schema = merge_schemas(
    TASK_SCHEMA, {"MODEL": NETWORK, "EVAL": {"PCK": PCK}, "TEST": with_effect(Effect.EVALUATIONS, TEST)}
)


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(INSTANCE_SCHEMA)


def infer_cfg(cfg: CfgNode, cfg_file: str | Path | None = None) -> CfgNode:
    """Check what no single key can know.

    Args:
        cfg: the config.
        cfg_file: the file that it was read from; the run and its folder are named after it where the config names none.

    Returns:
        ``cfg`` itself.

    Raises:
        ConfigError: no network or no head is chosen, or transforms give crops that the network cannot take.
    """
    if cfg_file is not None:
        name_run(cfg, cfg_file)
    if not cfg.MODEL.BACKBONE:
        raise ConfigError("MODEL.BACKBONE: nothing given; name a network, e.g. timm/hrnet_w32 or timm/resnet50")
    if not any(cfg.MODEL[switch] for switch in SWITCHES):
        raise ConfigError(f"MODEL: no head is switched on; set {' or '.join(f'MODEL.{switch}' for switch in SWITCHES)} to True")
    check_classes(cfg)
    check_network(cfg)
    check_export(cfg)
    for key in ("TRAIN", "TEST"):
        _check_crops(cfg, f"{key}.TRANSFORMS", cfg[key].TRANSFORMS)
    if cfg.MODEL.KEYPOINTS.TARGET == "offsets" and CONVENTIONS[cfg.MODEL.KEYPOINTS.CONVENTION].rounds:
        raise ConfigError(
            f"MODEL.KEYPOINTS.CONVENTION: {cfg.MODEL.KEYPOINTS.CONVENTION} given, which rounds places to pixels, but offsets (MODEL.KEYPOINTS.TARGET) "
            "say what is lost by that; take pet or udp"
        )
    wrong = [share for share in cfg.EVAL.PCK if not 0 < share <= 1]
    if wrong:
        raise ConfigError(f"EVAL.PCK: {wrong[0]:g} given, shares of the edge of a box above 0 and up to 1 expected, e.g. [0.05, 0.1]")
    return cfg


def _check_crops(cfg: CfgNode, key: str, entries: list[Any]) -> None:
    crops = [entry for entry in entries if (entry.get("name") if isinstance(entry, dict) else entry) in CROPS]
    if entries and not crops:
        raise ConfigError(
            f"{key}: no {' or '.join(CROPS)} in it; a network of single objects sees crops, e.g. {{name: {CROPS[0]}, size: [256, 192]}}"
        )
    size = crops[0].get("size") if crops and isinstance(crops[0], dict) else None
    lengths = size if isinstance(size, list) else [size] if isinstance(size, int) else []
    if any(isinstance(length, int) and length % DIVISOR for length in lengths):
        raise ConfigError(f"{key}: the size {size} of {crops[0]['name']} given, multiples of {DIVISOR} expected, e.g. [256, 192]")
    own = [crop.get("convention", "pet") if isinstance(crop, dict) else "pet" for crop in crops]
    convention = cfg.MODEL.KEYPOINTS.CONVENTION
    if cfg.MODEL.HAS_KEYPOINTS and own and own[0] != convention:
        raise ConfigError(
            f"{key}: a crop with the convention {own[0]} given, but MODEL.KEYPOINTS.CONVENTION is {convention}: set both to the same, or "
            "keypoints lie off what is seen"
        )
