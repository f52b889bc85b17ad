"""The settings of the general CNN. Imports no torch, so that a mistake in a config is reported at once."""

from pathlib import Path

from pet.config import TASK_SCHEMA
from pet.data.catalog.classes import check_classes, infer_classes
from pet.data.config import FILTER_EMPTY, MIXUP, TRAINED_WINDOWS
from pet.exporting.config import COMPARE_SCORE, check_export
from pet.former_keys import FORMER_KEYS
from pet.models.config import DENSE_MODEL, MODEL, MODEL_SCHEMA, SYNC_BN, TEST_TIME, check_model, check_num_classes, check_test_time
from pet.models.registries import DETECTORS, NEEDS_BACKBONE
from pet.vision.heads.table import HEADS, cannot_look_through_windows, head_name, head_switches, heads_schema
from petlib.config import CfgNode, ConfigError, Key, Schema, Switch, merge_schemas, name_run, used_if

CLASSIFIES = Switch("MODEL.HAS_CLS")
LOOKS_AT_MAPS = Switch("MODEL.HAS_CLS", one_of=(False,))

DROPOUT: Schema = {
    "DROP_RATE": Key(0.0, "Dropout before the classifier; needs a timm network.", minimum=0),
    "DROP_PATH_RATE": Key(
        0.0, "Stochastic depth (https://arxiv.org/abs/1603.09382), the rate of the last block; needs a timm network that has it.", minimum=0
    ),
}


LOSS_WEIGHTING: Schema = {
    "METHOD": Key(
        "fixed",
        "How the losses of several heads are weighed: fixed, as they are, or uncertainty, by numbers s that are learned, (exp(-s) loss + s) / 2 for each head (https://arxiv.org/abs/1705.07115).",
        choices=("fixed", "uncertainty"),
    ),
    "START": Key(
        {},
        "s of each head at the beginning, e.g. {box: -1.85, identity: -1.05}; those left out begin with 0.",
        used_if=(Switch("MODEL.LOSS_WEIGHTING.METHOD", one_of=("uncertainty",)),),
    ),
}


HAS_NORMS = Switch("MODEL.BOX.DETECTOR", none_of=("rfdetr",))
OF_BACKBONE = ("BACKBONE", "BACKBONE_ARGS")


def vision_schema() -> Schema:
    """Return the settings, with the keys of all heads, detectors and necks that are registered now."""
    backbone = {name: key for name, key in MODEL.items() if name in OF_BACKBONE}
    maps = {name: key for name, key in DENSE_MODEL.items() if name != "FROZEN_BN"}
    dense: Schema = {"MODEL": used_if({**DENSE_MODEL, "LOSS_WEIGHTING": LOSS_WEIGHTING}, LOOKS_AT_MAPS)}
    frozen = used_if({"FROZEN_BN": DENSE_MODEL["FROZEN_BN"]}, LOOKS_AT_MAPS)
    norms = used_if({"MODEL": {"SYNC_BN": SYNC_BN, **frozen}}, HAS_NORMS)
    needs_backbone: Schema = {"MODEL": {**backbone, **used_if(maps, LOOKS_AT_MAPS)}, "FINETUNE": DROPOUT}
    labels: Schema = {"MODEL": {"LABEL_SMOOTHING": MODEL["LABEL_SMOOTHING"]}, "TRAIN": {"MIXUP": MIXUP}}
    objects: Schema = {
        "DATA": {"FILTER_EMPTY": FILTER_EMPTY},
        "TRAIN": {"SLIDING": TRAINED_WINDOWS},
        "EXPORT": {"COMPARE_SCORE": COMPARE_SCORE},
    }
    return merge_schemas(
        TASK_SCHEMA,
        MODEL_SCHEMA,
        TEST_TIME,
        dense,
        used_if(needs_backbone, NEEDS_BACKBONE),
        norms,
        used_if(labels, CLASSIFIES),
        used_if(objects, Switch("MODEL.HAS_BOX")),
        heads_schema(),
    )


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(vision_schema(), former_keys=FORMER_KEYS)


def infer_cfg(cfg: CfgNode, cfg_file: str | Path | None = None) -> CfgNode:
    """Find the classes of images or objects where they are not given, and check what no single key can know.

    Args:
        cfg: the config.
        cfg_file: the file that it was read from; the run and its folder are named after it where the config names none.

    Returns:
        ``cfg`` itself.

    Raises:
        ConfigError: no network or no head is chosen, heads do not go together, the number of classes is missing, or ``EXPORT`` is wrong.
        DataError: the training data that are to say the number of classes are missing, or do not say it.
    """
    if cfg_file is not None:
        name_run(cfg, cfg_file)
    check_model(cfg, needs_backbone=not _is_whole(cfg))
    check_export(cfg)
    check_test_time(cfg)
    _check_windows(cfg)
    _check_heads(cfg)
    if cfg.MODEL.HAS_CLS:
        infer_classes(cfg)
        check_num_classes(cfg)
        return cfg
    if cfg.MODEL.HAS_BOX:
        infer_classes(cfg)
    check_classes(cfg)
    if cfg.MODEL.NUM_CLASSES < 1:
        raise ConfigError(f"MODEL.NUM_CLASSES: {cfg.MODEL.NUM_CLASSES} given; set it to the number of classes, without the background")
    return cfg


def _check_windows(cfg: CfgNode) -> None:
    for name in ("BACKGROUND", "MIN_SHARE") if cfg.TRAIN.SLIDING.SIZE else ():
        share = cfg.TRAIN.SLIDING[name]
        if not 0 <= share < 1:
            raise ConfigError(f"TRAIN.SLIDING.{name}: {share:g} given, a share from 0 to below 1 expected")


def _check_heads(cfg: CfgNode) -> None:
    switches = head_switches(cfg)
    if not switches:
        raise ConfigError(f"MODEL: no head is switched on; set {' or '.join(f'MODEL.{switch}' for switch in HEADS)} to True")
    if cfg.MODEL.HAS_CLS and len(switches) > 1:
        raise ConfigError(
            f"MODEL.HAS_CLS and MODEL.{switches[1]} are both True: a classifier of whole images has no feature maps for other heads, "
            "and no data set labels both; set one of them to False"
        )
    other = cannot_look_through_windows(cfg)
    if cfg.TEST.SLIDING.SIZE and other:
        raise ConfigError(
            f"TEST.SLIDING.SIZE: {cfg.TEST.SLIDING.SIZE} given, but MODEL.{other} is True, and only objects, with masks, keypoints, parts and "
            "identities, or pixels of one head alone are looked at through windows; set it to 0"
        )
    if "HAS_DENSITY" in switches and "HAS_DOTS" in switches:
        raise ConfigError("MODEL.HAS_DENSITY and MODEL.HAS_DOTS are both True, and both give the count; set one of them to False")
    unknown = sorted(set(cfg.MODEL.LOSS_WEIGHTING.START) - set(map(head_name, switches)))
    if unknown:
        raise ConfigError(f"MODEL.LOSS_WEIGHTING.START: {unknown[0]} given; the heads are {', '.join(map(head_name, switches))}")
    for switch in switches:
        needed = HEADS.get(switch).needs
        if needed and needed not in switches:
            raise ConfigError(f"MODEL.{switch}: True looks into the boxes that MODEL.{needed} finds; set MODEL.{needed} to True as well")
        detector = DETECTORS.get(cfg.MODEL.BOX.DETECTOR)
        looks_into_regions = needed == "HAS_BOX" and not HEADS.get(switch).any_detector and switch not in detector.gives
        if looks_into_regions and detector.one_stage:
            suited = " or ".join(name for name in DETECTORS if not DETECTORS.get(name).one_stage or switch in DETECTORS.get(name).gives)
            raise ConfigError(
                f"MODEL.{switch}: True needs regions, which MODEL.BOX.DETECTOR {cfg.MODEL.BOX.DETECTOR} does not give; take {suited}"
            )
    if _is_whole(cfg):
        _check_whole(cfg, switches)
    elif cfg.MODEL.HAS_BOX and not cfg.MODEL.NECK:
        neck = DETECTORS.get(cfg.MODEL.BOX.DETECTOR).neck
        raise ConfigError(f"MODEL.NECK: {cfg.MODEL.NECK!r} given; detectors look at the maps of a neck: set it to {neck}")


def _is_whole(cfg: CfgNode) -> bool:
    """Return whether the detector is a network of its own, without backbone and neck."""
    return bool(cfg.MODEL.HAS_BOX) and DETECTORS.get(cfg.MODEL.BOX.DETECTOR).whole


def _check_whole(cfg: CfgNode, switches: list[str]) -> None:
    name = cfg.MODEL.BOX.DETECTOR
    others = [switch for switch in switches if switch not in ("HAS_BOX", *DETECTORS.get(name).gives)]
    if others:
        suited = " or ".join(one for one in DETECTORS if not DETECTORS.get(one).whole)
        raise ConfigError(
            f"MODEL.{others[0]}: True needs the maps of a backbone, which MODEL.BOX.DETECTOR {name} does not give; take {suited}"
        )
