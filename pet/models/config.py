"""The settings of a model that every vision task has. Imports no torch."""

from pet.models.registries import NECKS
from petlib.config import CfgNode, ConfigError, Effect, Key, Schema, Switch

MODEL: Schema = {
    "BACKBONE": Key(
        "",
        "The network by name: one of Pet's own (resnet20, resnet32, resnet44, resnet56, resnet110, resnext29_8x64d), timm/NAME, torchvision/NAME, or a bare name, which is looked up in timm, then in torchvision.",
    ),
    "BACKBONE_ARGS": Key({}, "Further arguments of the network by its own names, e.g. {drop_path_rate: 0.1}."),
    "NUM_CLASSES": Key(
        0,
        "Number of classes; labels run from 0 to NUM_CLASSES - 1. 0, for classifiers: as many as DATA.CLASSES names, or else as the first folder of TRAIN.DATASETS has sub-folders.",
        minimum=0,
    ),
    "LABEL_SMOOTHING": Key(
        0.0, "Share of each label's weight that is spread evenly over all classes (https://arxiv.org/abs/1512.00567).", minimum=0
    ),
    "SYNC_BN": Key(False, "Compute batch-norm statistics over the samples of all GPUs instead of those of each; GPUs only."),
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
        0, "Parts of the backbone that do not learn, from its first: 1 the stem, 2 also the first stage, ...; 0: none.", minimum=0
    ),
    "NECK": Key("", "What joins the stages of the backbone to maps of one width; empty: nothing.", choices=NECKS),
}
"""Keys of networks that look at feature maps instead of whole images."""

MODEL_SCHEMA: Schema = {"MODEL": MODEL}

NETWORK_SCHEMA: Schema = {
    "ANALYSER": {
        "SIZE": Key(
            [],
            "Height and width of the image that costs are counted for. Empty: TRAIN.RESIZE.SCALES[0] twice.",
            type=list[int],
            unit="pixels",
            effect=Effect.NONE,
            used_if=(Switch("ANALYSER.ENABLED"),),
        ),
    },
    "MISC": {
        "CONV1_RGB2BGR": Key(
            False,
            "Swap red and blue in the first convolution of the weights that TRAIN.WEIGHTS names, for weights trained on BGR images.",
            effect=Effect.WEIGHTS_OF_CHECKPOINT,
            used_if=(Switch("TRAIN.WEIGHTS"),),
        ),
    },
}
"""Keys of every network: what is counted of it, and how the weights are read that it begins with."""


def check_model(cfg: CfgNode) -> None:
    """Check the ``MODEL`` section.

    Raises:
        ConfigError: no network is named, labels would be smoothed away, or a size has not two numbers.
    """
    if not cfg.MODEL.BACKBONE:
        raise ConfigError("MODEL.BACKBONE: nothing given; name a network, e.g. resnet20 or timm/resnet18")
    if len(cfg.ANALYSER.SIZE) not in (0, 2):
        raise ConfigError(f"ANALYSER.SIZE: {list(cfg.ANALYSER.SIZE)} given, [height, width] expected, e.g. [800, 1333]")
    if cfg.MODEL.LABEL_SMOOTHING >= 1:
        raise ConfigError(f"MODEL.LABEL_SMOOTHING: {cfg.MODEL.LABEL_SMOOTHING:g} given, a share below 1 expected, usually 0.1")


def check_num_classes(cfg: CfgNode) -> None:
    """Check that a classifier has classes.

    Raises:
        ConfigError: it has fewer than two.
    """
    if cfg.MODEL.NUM_CLASSES < 2:
        raise ConfigError(f"MODEL.NUM_CLASSES: {cfg.MODEL.NUM_CLASSES} given; set it to the number of classes of the data, at least 2")
