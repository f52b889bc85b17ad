"""The settings of a model that every vision task has. Imports no torch."""

from typing import Any

from pet.models.registries import NECKS
from pet.typed import AnyConfig
from petlib.checkpoint.rename_rules import check_rules
from petlib.config import CfgNode, ConfigError, Effect, Key, Schema, Switch, with_effect
from petlib.errors import name_in_errors

NUM_CLASSES = Key(
    0,
    "Number of classes; labels run from 0 to NUM_CLASSES - 1, in label images with the background. 0: as many as DATA.CLASSES names, or else, for classifiers and detectors, as the first of TRAIN.DATASETS has: sub-folders, categories of a COCO file, names of objects in VOC files, labels of a list.",
    minimum=0,
    arguments=("build_classifier.num_classes",),
)
SYNC_BN = Key(False, "Compute batch-norm statistics over the samples of all GPUs instead of those of each; GPUs only.")
LOSSES = Key(
    ["cross_entropy"],
    "What label images are learned from: names or mappings {name: dice, weight: 2.0, ...its arguments}, which are added. There are bce, cross_entropy, dice, focal, lovasz_hinge, lovasz_softmax, ohem and soft_iou, and those that a module of MISC.IMPORTS registers in pet.losses.pixels.PIXEL_LOSSES.",
    type=list[Any],
)

SMALLEST_VIEW, LARGEST_VIEW = 0.1, 10.0
"""Factors of the size of an image, between which a view shows more than noise and fits into memory."""

MODEL: Schema = {
    "BACKBONE": Key(
        "",
        "The network by name: one of Pet's own (resnet9, resnet20, resnet32, resnet44, resnet56, resnet110, resnet18_cifar, resnext29_8x64d; for faces iresnet18, iresnet34, iresnet50, iresnet100, iresnet200, mobilefacenet), timm/NAME, torchvision/NAME, or a bare name, which is looked up in timm, then in torchvision.",
        arguments=(
            "find_classifier.name",
            "create_feature_extractor.name",
            "build_decoder.info",
            "classifier.name",
        ),
    ),
    "BACKBONE_ARGS": Key(
        {}, "Further arguments of the network by its own names, e.g. {drop_path_rate: 0.1}.", arguments=("construct.args",)
    ),
    "NUM_CLASSES": NUM_CLASSES,
    "LABEL_SMOOTHING": Key(
        0.0, "Share of each label's weight that is spread evenly over all classes (https://arxiv.org/abs/1512.00567).", minimum=0
    ),
    "SYNC_BN": SYNC_BN,
}

DENSE_MODEL: Schema = {
    "FROZEN_BN": Key(
        False,
        "Keep the statistics and scales of all batch norms of the backbone as the weights give them, as detectors that begin with published weights do.",
    ),
    "FROZEN_BN_EPS": Key(
        1e-5,
        "Added to the variances of frozen batch norms. 0 for the weights that torchvision publishes as COCO_V1 of Faster, Mask and Keypoint R-CNN and of RetinaNet, which were trained so.",
        minimum=0,
        used_if=(Switch("MODEL.FROZEN_BN"),),
    ),
    "FREEZE_AT": Key(
        0,
        "Parts of the backbone that do not learn, from its first: 1 the stem, 2 also the first stage, ...; 0: none.",
        minimum=0,
        arguments=("freeze_parts.count",),
    ),
    "NECK": Key(
        "", "What joins the stages of the backbone to maps of one width; empty: nothing.", choices=NECKS, arguments=("build_neck.name",)
    ),
}
"""Keys of networks that look at feature maps instead of whole images."""

ANALYSER: Schema = {
    "SIZE": Key(
        [],
        "Height and width of the image that costs are counted for. Empty: TRAIN.RESIZE.SCALES[0] twice.",
        type=list[int],
        unit="pixels",
        effect=Effect.NONE,
        used_if=(Switch("ANALYSER.ENABLED"),),
    ),
}

FLIP = Key(False, "Look at each test image also mirrored.")
VIEWS_AND_WINDOWS: Schema = {
    "VIEWS": {
        "SCALES": Key(
            [],
            "Sizes at which each test image is looked at, as factors, e.g. [0.75, 1.0, 1.25]; the results are averaged. Empty: one.",
            type=list[float],
        ),
        "FLIP": FLIP,
    },
    "SLIDING": {
        "SIZE": Key(
            0,
            "Look at test images through overlapping windows of so many pixels, at each in all views; 0: at whole images. Pixels are blended, objects are joined where windows cut them.",
            unit="pixels",
            minimum=0,
        ),
        "OVERLAP": Key(
            0.25,
            "Share of a window that its neighbour sees too; also of the windows of an inference. Objects that are shorter are always whole in some window.",
            minimum=0,
        ),
    },
}
TEST_TIME: Schema = {"TEST": with_effect(Effect.EVALUATIONS, VIEWS_AND_WINDOWS)}
"""How a trained model looks at images."""

MODEL_SCHEMA: Schema = {"MODEL": MODEL}

NETWORK_SCHEMA: Schema = {
    "ANALYSER": ANALYSER,
    "MISC": {
        "ACCEPTED_LICENCES": Key(
            [],
            "Licences of published weights that you have read and accept, e.g. [dinov3-license]; weights under other than permissive licences are only taken with them.",
            type=list[str],
            effect=Effect.NONE,
            arguments=("require_accepted.accepted",),
        ),
        "CONV1_RGB2BGR": Key(
            False,
            "Swap red and blue in the first convolution of the weights that TRAIN.WEIGHTS names, for weights trained on BGR images.",
            effect=Effect.WEIGHTS_OF_CHECKPOINT,
            used_if=(Switch("TRAIN.WEIGHTS"),),
            arguments=("load_weights.convert_conv1",),
        ),
    },
}
"""Keys of every network: what is counted of it, and how the weights are read that it begins with."""


def check_model(cfg: CfgNode, *, needs_backbone: bool = True) -> None:
    """Check the ``MODEL`` section.

    Args:
        cfg: the config.
        needs_backbone: whether a network has to be named.

    Raises:
        ConfigError: no network is named, labels would be smoothed away, or a size has not two numbers.
    """
    if needs_backbone and not cfg.MODEL.BACKBONE:
        raise ConfigError("MODEL.BACKBONE: nothing given; name a network, e.g. resnet20 or timm/resnet18")
    check_network(cfg)
    if cfg.MODEL.LABEL_SMOOTHING >= 1:
        raise ConfigError(f"MODEL.LABEL_SMOOTHING: {cfg.MODEL.LABEL_SMOOTHING:g} given, a share below 1 expected, usually 0.1")


def check_network(cfg: CfgNode) -> None:
    """Check ``ANALYSER.SIZE`` and the rules of ``TRAIN.WEIGHTS_MAP`` and ``TEST.WEIGHTS_MAP``.

    Raises:
        ConfigError: the size is neither empty nor two lengths, or a rule is no expression with its replacement.
    """
    for section in ("TRAIN", "TEST"):
        with name_in_errors({"load_weights.rename": f"{section}.WEIGHTS_MAP"}):
            check_rules(cfg[section].WEIGHTS_MAP)
    size = list(cfg.ANALYSER.SIZE)
    if len(size) not in (0, 2) or min(size, default=1) < 1:
        raise ConfigError(f"ANALYSER.SIZE: {size} given, [height, width] expected, e.g. [800, 1333]")


def check_test_time(cfg: CfgNode) -> None:
    """Check ``TEST.VIEWS`` and ``TEST.SLIDING``.

    Raises:
        ConfigError: a scale makes images tiny or huge, or windows would overlap altogether.
    """
    scales = list(cfg.TEST.VIEWS.SCALES)
    if not all(SMALLEST_VIEW <= scale <= LARGEST_VIEW for scale in scales):
        raise ConfigError(
            f"TEST.VIEWS.SCALES: {scales} given, factors from {SMALLEST_VIEW:g} to {LARGEST_VIEW:g} expected, e.g. [0.75, 1.0, 1.25]"
        )
    if not 0.0 <= cfg.TEST.SLIDING.OVERLAP < 1.0:
        raise ConfigError(f"TEST.SLIDING.OVERLAP: {cfg.TEST.SLIDING.OVERLAP:g} given, a share from 0 to below 1 expected")


def has_views(cfg: AnyConfig) -> bool:
    """Return whether ``TEST.VIEWS`` asks for more than the image as it is."""
    views = cfg.TEST.VIEWS
    return bool(views.FLIP) or ("SCALES" in views and list(views.SCALES) not in ([], [1.0]))


def check_num_classes(cfg: CfgNode) -> None:
    """Check that a classifier has classes.

    Raises:
        ConfigError: it has fewer than two.
    """
    if not cfg.MODEL.NUM_CLASSES:
        raise ConfigError("MODEL.NUM_CLASSES: 0 given; set it to the number of classes of the data, or name all of them in DATA.CLASSES")
    if cfg.MODEL.NUM_CLASSES < 2:
        classes = f" ({', '.join(map(str, cfg.DATA.CLASSES))})" if cfg.DATA.CLASSES else ""
        raise ConfigError(
            f"MODEL.NUM_CLASSES: {cfg.MODEL.NUM_CLASSES} given, or found in the data{classes}; a classifier needs at least 2: "
            "set it to their number, name all of them in DATA.CLASSES, or add images of another class"
        )
