"""The settings that the segmentation projects share. Imports no torch, so that a mistake in a config is reported at once."""

from pathlib import Path

from pet.config import TASK_SCHEMA
from pet.data.catalog.classes import check_classes
from pet.data.targets.dataset import IGNORE
from pet.exporting.config import check_export
from pet.former_keys import FORMER_KEYS
from pet.models.config import LOSSES, NUM_CLASSES, SYNC_BN, TEST_TIME, check_network, check_test_time
from petlib.config import CfgNode, ConfigError, Key, Schema, Switch, merge_schemas, name_run

MODEL: Schema = {
    "NETWORK": Key(
        "",
        "The network by name, e.g. unet, segformer_b2, fcn_hrnet_w18 or siamese_resnet18_unet; docs/segmentation.md lists them.",
        arguments=("build_network.name",),
    ),
    "NETWORK_ARGS": Key({}, "Further arguments of the network by its own names, e.g. {encoder: timm/resnet34}."),
    "NUM_CLASSES": NUM_CLASSES,
    "BINARY": Key(False, "One channel with a sigmoid says where the foreground is, instead of one channel for each of two classes."),
    "THRESHOLD": Key(
        0.5, "Probability from which a pixel is foreground, of networks with one channel.", minimum=0, used_if=(Switch("MODEL.BINARY"),)
    ),
    "IN_CHANNELS": Key(3, "Channels of the images.", minimum=1, arguments=("Source.channels",)),
    "SYNC_BN": SYNC_BN,
    "LOSSES": LOSSES,
    "OUTPUT_WEIGHTS": Key(
        [],
        "Weight of the loss of each output of the network, the main one first, e.g. [1.0, 0.4] for OCRNet. Empty: 1 and 0.4 for each further one.",
        type=list[float],
    ),
}

SEGMENTATION_SCHEMA: Schema = merge_schemas(
    TASK_SCHEMA,
    TEST_TIME,
    {
        "MODEL": MODEL,
        "DATA": {
            "NUM_IMAGES": Key(1, "Images of a sample: 2 for pairs of dates.", minimum=1, arguments=("Expectation.num_images",)),
        },
        "EVAL": {
            "BEST_METRIC": Key("", "The metric that chooses model_best.pth. Empty: semseg/mIoU, of two classes semseg/foreground_IoU."),
        },
    },
)


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(SEGMENTATION_SCHEMA, former_keys=FORMER_KEYS)


def infer_cfg(cfg: CfgNode, cfg_file: str | Path | None = None) -> CfgNode:
    """Derive the number of classes and the best metric, and check what no single key can know.

    Args:
        cfg: the config.
        cfg_file: the file that it was read from; the run and its folder are named after it where the config names none.

    Returns:
        ``cfg`` itself.

    Raises:
        ConfigError: no network is chosen, or the numbers of classes, images or sizes do not go together.
    """
    if cfg_file is not None:
        name_run(cfg, cfg_file)
    check_classes(cfg)
    if not cfg.MODEL.NETWORK:
        raise ConfigError("MODEL.NETWORK: nothing given; name a network, e.g. unet or segformer_b2")
    if cfg.MODEL.NUM_CLASSES == 0:
        cfg.set("MODEL.NUM_CLASSES", len(cfg.DATA.CLASSES))
    _check_classes(cfg)
    if cfg.DATA.NUM_IMAGES > 2:
        raise ConfigError(f"DATA.NUM_IMAGES: {cfg.DATA.NUM_IMAGES} given, 1, or 2 for pairs of dates, expected")
    if not cfg.MODEL.LOSSES:
        raise ConfigError("MODEL.LOSSES: nothing given; name what the network learns from, e.g. [cross_entropy]")
    check_network(cfg)
    check_test_time(cfg)
    check_export(cfg)
    if not cfg.EVAL.BEST_METRIC:
        cfg.set("EVAL.BEST_METRIC", "semseg/foreground_IoU" if cfg.MODEL.NUM_CLASSES == 2 else "semseg/mIoU")
    return cfg


def _check_classes(cfg: CfgNode) -> None:
    count, names = cfg.MODEL.NUM_CLASSES, cfg.DATA.CLASSES
    if not 2 <= count <= IGNORE:
        raise ConfigError(
            f"MODEL.NUM_CLASSES: {count} classes (0 there means as many as DATA.CLASSES names), 2 to {IGNORE} with the background expected"
        )
    if names and len(names) != count:
        raise ConfigError(f"MODEL.NUM_CLASSES: {count} given, but DATA.CLASSES names {len(names)}; set it to {len(names)} or to 0")
    if cfg.MODEL.BINARY and count != 2:
        raise ConfigError(f"MODEL.BINARY: True separates foreground from background; there are {count} classes: set it to False")
    if not 0.0 < cfg.MODEL.THRESHOLD < 1.0:
        raise ConfigError(f"MODEL.THRESHOLD: {cfg.MODEL.THRESHOLD:g} given, a probability above 0 and below 1 expected")
