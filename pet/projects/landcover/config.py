"""The settings of land cover. Imports no torch, so that a mistake in a config is reported at once."""

from pathlib import Path
from typing import Any

from pet.former_keys import FORMER_KEYS
from pet.segmentation.config import SEGMENTATION_SCHEMA
from pet.segmentation.config import infer_cfg as infer_segmentation_cfg
from petlib.config import CfgNode, ConfigError, Key, Schema, Switch, merge_schemas, used_if

SEMI: Schema = {
    "ENABLED": Key(
        False,
        "Learn from unlabelled images too, by mutual knowledge distillation (https://arxiv.org/abs/2208.11499); see docs/segmentation.md.",
    ),
    "DATASETS": Key(
        [],
        "The unlabelled images: folders of images, or names of the catalogue, whose labels are not used.",
        type=list[str],
        arguments=("UnlabelledImages.folders",),
    ),
    "WINDOW": Key(0, "Read larger images of such folders in windows of so many pixels; 0: whole images.", unit="pixels", minimum=0),
    "TRANSFORMS": Key(
        [{"name": "RandomScale", "ratio": [0.5, 2.0]}, "RandomCrop", "RandomHorizontalFlip", "RandomVerticalFlip"],
        "What is done to an unlabelled image before two views of it are made, written as TRAIN.TRANSFORMS; the sizes are TRAIN.RESIZE.SCALES.",
        type=list[Any],
        arguments=(
            "build_views.common",
            "NormalizeViews.views",
        ),
    ),
    "WEAK": Key(
        ["PhotometricDistortion"],
        "The weak view, which the teachers label: transforms of pixels, one after another.",
        type=list[Any],
        arguments=("build_views.weak",),
    ),
    "STRONG": Key(
        [
            {"name": "ColorJitter", "brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.25, "weight": 0.3},
            {"name": "RandomBlur", "probability": 1.0, "kernel": [3, 7], "weight": 0.5},
            {"name": "Equalize", "weight": 0.1},
            {"name": "Solarize", "weight": 0.1},
            {"name": "RandomGrayscale", "probability": 1.0, "weight": 0.5},
        ],
        "The strong view, which the students see: one of these transforms of pixels is drawn for an image, as often as its weight says.",
        type=list[Any],
        arguments=(
            "build_views.strong",
            "OneOf.weights",
        ),
    ),
    "CUTMIX": {
        "BOXES": Key(3, "Boxes of each strong view of a batch that are put into that of another image; 0: nothing is mixed.", minimum=0),
        "SHARE": Key(
            [0.25, 0.5],
            "Least and greatest area of all boxes together as a share of the image's.",
            type=list[float],
            used_if=(Switch("SEMI.CUTMIX.BOXES"),),
        ),
    },
    "MOMENTUM": Key(0.4, "Share of its weights that a teacher keeps in an iteration, in the end; it begins at 0.", minimum=0),
    "TEACHER_WEIGHT": Key(1.5, "Weight of what a student learns from the other student's teacher.", minimum=0),
    "STUDENT_WEIGHT": Key(1.0, "Weight of what a student learns from the other student.", minimum=0),
    "THRESHOLD": Key(0.0, "Probability of a teacher's label from which it is taught; 0: every label is.", minimum=0),
}

ENABLED = SEMI["ENABLED"]
SETTINGS: Schema = {name: entry for name, entry in SEMI.items() if name != "ENABLED"}
LANDCOVER_SCHEMA: Schema = merge_schemas(SEGMENTATION_SCHEMA, {"SEMI": {"ENABLED": ENABLED, **used_if(SETTINGS, Switch("SEMI.ENABLED"))}})


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(LANDCOVER_SCHEMA, former_keys=FORMER_KEYS)


def infer_cfg(cfg: CfgNode, cfg_file: str | Path | None = None) -> CfgNode:
    """Derive what the segmentation projects derive, and check ``SEMI``.

    Args:
        cfg: the config.
        cfg_file: the file that it was read from; the run and its folder are named after it where the config names none.

    Returns:
        ``cfg`` itself.

    Raises:
        ConfigError: settings are wrong or do not go together.
    """
    infer_segmentation_cfg(cfg, cfg_file)
    if cfg.SEMI.ENABLED:
        _check_semi(cfg)
    return cfg


def _check_semi(cfg: CfgNode) -> None:
    semi = cfg.SEMI
    if cfg.DATA.NUM_IMAGES != 1:
        raise ConfigError(f"SEMI.ENABLED: it learns from single images, but DATA.NUM_IMAGES is {cfg.DATA.NUM_IMAGES}; switch it off")
    if cfg.TRAIN.PARALLEL == "fsdp":
        raise ConfigError("SEMI.ENABLED: the teachers are not kept for sharded models; use TRAIN.PARALLEL ddp or switch it off")
    if semi.MOMENTUM >= 1.0:
        raise ConfigError(f"SEMI.MOMENTUM: {semi.MOMENTUM:g} given, a share from 0 to below 1 expected")
    if semi.THRESHOLD >= 1.0:
        raise ConfigError(f"SEMI.THRESHOLD: {semi.THRESHOLD:g} given, a probability from 0 to below 1 expected")
    share = list(semi.CUTMIX.SHARE)
    if len(share) != 2 or not 0.0 < share[0] <= share[1] <= 1.0:
        raise ConfigError(f"SEMI.CUTMIX.SHARE: {share} given, two ascending shares above 0 and up to 1 expected, e.g. [0.25, 0.5]")
    if not semi.STRONG:
        raise ConfigError("SEMI.STRONG: nothing given; name at least one transform of pixels, e.g. [{name: RandomBlur, probability: 1.0}]")
