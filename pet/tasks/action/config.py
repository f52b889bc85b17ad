"""The settings of action recognition. Imports no torch, so that a mistake in a config is reported at once."""

from typing import Any

from pet.config import TASK_SCHEMA
from pet.data.catalog.classes import infer_classes
from pet.data.config import MIXUP, TRANSFORMS_MEANING
from pet.exporting.config import check_export
from pet.models.config import MODEL, check_network, check_num_classes
from petlib.config import CfgNode, ConfigError, Effect, Key, Schema, Switch, merge_schemas, used_if, with_effect

OVER_IMAGES = ("tsn", "tsm")
"""Networks that look at each frame with a classifier of images."""
SAMPLERS = ("RandomSegments", "CentralSegments", "RandomClip", "EvenClips")
"""Transforms that choose the frames of a clip."""
LIBRARIES = ("timm", "torchvision")

ONE_CLASS = Switch("MODEL.MULTI_LABEL", one_of=(False,))

VIDEO_MODEL: Schema = {
    "NETWORK": Key(
        "",
        "What looks at a clip: tsn or tsm, a classifier of images (MODEL.BACKBONE) on each frame, with TSM's shift of features between them; slowfast_r50, slowonly_r50; torchvision/NAME, e.g. torchvision/mvit_v2_s; or what a module of MISC.IMPORTS registers in pet.models.video.build.VIDEO_NETWORKS.",
        arguments=("build_video_network.name",),
    ),
    "BACKBONE": MODEL["BACKBONE"],
    "BACKBONE_ARGS": MODEL["BACKBONE_ARGS"],
    "FRAMES": Key(
        8,
        "Frames of a clip; also of RandomSegments, CentralSegments, RandomClip and EvenClips that do not say it.",
        unit="frames",
        minimum=1,
        arguments=("SlowFast.frames",),
    ),
    "NUM_CLASSES": MODEL["NUM_CLASSES"],
    "MULTI_LABEL": Key(False, "A video may have several classes, each of them or not: binary cross entropy and mean average precision."),
    "SYNC_BN": MODEL["SYNC_BN"],
}
FOR_ONE_CLASS: Schema = {"MODEL": {"LABEL_SMOOTHING": MODEL["LABEL_SMOOTHING"]}, "TRAIN": {"MIXUP": MIXUP}}
VIEW_TRANSFORMS: Schema = {
    "VIEW_TRANSFORMS": Key(
        [],
        f"Preparation of test videos for a second test, with several clips and crops whose probabilities are averaged, e.g. EvenClips with clips: 10 and CropViews: {TRANSFORMS_MEANING} Empty: there is no second one.",
        type=list[Any],
    )
}


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(
        merge_schemas(
            TASK_SCHEMA, {"MODEL": VIDEO_MODEL, "TEST": with_effect(Effect.EVALUATIONS, VIEW_TRANSFORMS)}, used_if(FOR_ONE_CLASS, ONE_CLASS)
        )
    )


def infer_cfg(cfg: CfgNode) -> None:
    """Write the frames of a clip into the transforms, find the classes where they are not given, and check what no single key can know.

    Raises:
        ConfigError: no network is named, the classes are missing, settings do not go together, or ``EXPORT`` is wrong.
        DataError: the training data that are to say the number of classes are missing, or do not say it.
    """
    _check_network(cfg)
    check_network(cfg)
    check_export(cfg)
    _check_labels(cfg)
    for key in ("TRAIN.TRANSFORMS", "TEST.TRANSFORMS", "TEST.VIEW_TRANSFORMS"):
        section, _, name = key.partition(".")
        cfg.set(key, [_with_frames(cfg, key, entry) for entry in cfg[section][name]])
    # at the end: a dry run goes on without the data
    infer_classes(cfg)
    check_num_classes(cfg)


def _check_network(cfg: CfgNode) -> None:
    name, weights = cfg.MODEL.NETWORK, cfg.TRAIN.WEIGHTS
    if not name:
        raise ConfigError("MODEL.NETWORK: nothing given; name what looks at clips, e.g. tsm, slowfast_r50 or torchvision/mvit_v2_s")
    if name in OVER_IMAGES and not cfg.MODEL.BACKBONE:
        raise ConfigError(
            f"MODEL.BACKBONE: nothing given; {name} looks at frames with a classifier of images: name one, e.g. timm/resnet50"
        )
    if name not in OVER_IMAGES and cfg.MODEL.BACKBONE:
        raise ConfigError(f"MODEL.BACKBONE: {cfg.MODEL.BACKBONE} given, but {name} has no classifier of images; leave it empty")
    published = name in OVER_IMAGES or name.startswith("torchvision/")
    if weights in LIBRARIES and not published:
        raise ConfigError(f"TRAIN.WEIGHTS: {weights} given, but no library publishes weights for {name}; give a file, or leave it empty")


def _check_labels(cfg: CfgNode) -> None:
    if cfg.MODEL.LABEL_SMOOTHING >= 1:
        raise ConfigError(f"MODEL.LABEL_SMOOTHING: {cfg.MODEL.LABEL_SMOOTHING:g} given, a share below 1 expected, usually 0.1")
    mixup = cfg.TRAIN.MIXUP
    if cfg.MODEL.MULTI_LABEL and (cfg.MODEL.LABEL_SMOOTHING or mixup.MIXUP_ALPHA or mixup.CUTMIX_ALPHA):
        raise ConfigError("MODEL.MULTI_LABEL: True, but LABEL_SMOOTHING, mixup and CutMix are for videos of one class; set them to 0")


def _with_frames(cfg: CfgNode, key: str, entry: Any) -> Any:
    """Return an entry of ``TRANSFORMS``; what chooses frames has to take as many as the network.

    Raises:
        ConfigError: it takes another number.
    """
    name, frames = entry.get("name") if isinstance(entry, dict) else entry, cfg.MODEL.FRAMES
    if name not in SAMPLERS:
        return entry
    given = {"name": name, "frames": frames, **(entry if isinstance(entry, dict) else {})}
    if given["frames"] != frames:
        raise ConfigError(f"{key}: {name} has {given['frames']} frames, and MODEL.FRAMES is {frames}; leave frames out")
    return given
