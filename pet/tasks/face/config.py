"""The settings of face recognition. Imports no torch, so that a mistake in a config is reported at once."""

from pathlib import Path

from pet.config import TASK_SCHEMA
from pet.data import datasets
from pet.data.catalog.entries import find_entry, resolve_path
from pet.data.files.allowed_paths import Reach
from pet.data.files.listing import class_folders
from pet.exporting.config import check_export
from pet.models.config import MODEL, check_network
from pet.typed import FaceConfig
from petlib.config import CfgNode, ConfigError, Effect, Key, Schema, merge_schemas, name_run, with_effect

MARGIN: Schema = {
    "SCALE": Key(64.0, "Factor of the cosines before the softmax (s); less for few identities, e.g. 16 for some dozens."),
    "FACTOR": Key(1.0, "Factor of the angle between an embedding and the centre of its identity (m1)."),
    "ANGLE": Key(
        0.5, "Added to that angle (m2): ArcFace (https://arxiv.org/abs/1801.07698), usually 0.5; 0: none.", unit="radians", minimum=0
    ),
    "COSINE": Key(0.0, "Taken from its cosine (m3): CosFace (https://arxiv.org/abs/1801.09414), usually 0.4; 0: none.", minimum=0),
    "STRAIGHT_THROUGH": Key(
        False,
        "Take the gradient of InsightFace's code, which passes the margin by, in place of that of the formula; for the reproduction of its figures.",
    ),
    "WARM_UP_EPOCHS": Key(
        0, "The margin grows from 0 to its size in so many epochs; a few help small data and small networks.", unit="epochs", minimum=0
    ),
}

FACE: Schema = {
    "MODEL": {
        "BACKBONE": MODEL["BACKBONE"],
        "BACKBONE_ARGS": MODEL["BACKBONE_ARGS"],
        "SYNC_BN": MODEL["SYNC_BN"],
        "EMBEDDING": Key(512, "Length of an embedding.", minimum=1),
        "NUM_CLASSES": Key(
            0,
            "Number of identities of the training; labels run from 0 to NUM_CLASSES - 1. 0: as many as the first of TRAIN.DATASETS has.",
            minimum=0,
        ),
        "MARGIN": MARGIN,
        "SAMPLE_RATE": Key(
            1.0,
            "Share of the identities whose centres an iteration looks at, in addition to those of its batch (https://arxiv.org/abs/2203.15565), e.g. 0.1 for a million; 1: all.",
        ),
    },
    "TEST": with_effect(Effect.EVALUATIONS, {"FLIP": Key(True, "Add the embedding of the mirrored image to that of each image.")}),
    "EVAL": with_effect(
        Effect.EVALUATIONS,
        {
            "FALSE_ACCEPTS": Key(
                [1e-1, 1e-2, 1e-3],
                "Rates of false accepts at which the share of true accepts is measured; a list has to have enough pairs for them.",
                type=list[float],
            ),
            "FALSE_POSITIVES": Key(
                [1e-1, 1e-2],
                "Rates of false positive identifications at which the share of true ones is measured, where the data have galleries (IJB-C).",
                type=list[float],
            ),
        },
    ),
}


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(merge_schemas(TASK_SCHEMA, FACE))


def infer_cfg(cfg: CfgNode, cfg_file: str | Path | None = None) -> CfgNode:
    """Count the identities where their number is not given, and check what no single key can know.

    Raises:
        ConfigError: no network is named, a number is out of range, or the number of identities is not known.
        DataError: the training data that are to say it are missing, or do not say it.
    """
    if cfg_file is not None:
        name_run(cfg, cfg_file)
    check_network(cfg)
    check_export(cfg)
    if not cfg.MODEL.BACKBONE:
        raise ConfigError("MODEL.BACKBONE: nothing given; name a network, e.g. iresnet50, mobilefacenet or timm/resnet18")
    if not 0 < cfg.MODEL.SAMPLE_RATE <= 1:
        raise ConfigError(f"MODEL.SAMPLE_RATE: {cfg.MODEL.SAMPLE_RATE:g} given, a share above 0 and at most 1 expected")
    for key in ("SCALE", "FACTOR"):
        if not cfg.MODEL.MARGIN[key] > 0:
            raise ConfigError(f"MODEL.MARGIN.{key}: {cfg.MODEL.MARGIN[key]:g} given, a number greater than 0 expected")
    for key in ("FALSE_ACCEPTS", "FALSE_POSITIVES"):
        if not all(0 < rate <= 1 for rate in cfg.EVAL[key]):
            raise ConfigError(f"EVAL.{key}: {list(cfg.EVAL[key])} given, rates above 0 and at most 1 expected, e.g. [0.001]")
    if cfg.MODEL.NUM_CLASSES == 0 and cfg.TRAIN.DATASETS:
        cfg.set("MODEL.NUM_CLASSES", count_identities(cfg, cfg.TRAIN.DATASETS[0]))
    return cfg


def count_identities(cfg: FaceConfig, name: str) -> int:
    """Return how many identities a data set has: what its folders, its list or its records say.

    Raises:
        ConfigError: its type does not say it.
        DataError: it is missing or wrong.
    """
    entry = find_entry(cfg, name)
    path = resolve_path(cfg, entry.path)
    reach = Reach(root=Path(cfg.MISC.DATA_ROOT), anywhere=cfg.DATA.ALLOW_OUTSIDE)
    if cfg.DATA.CLASSES or entry.classes:
        return len(entry.classes or cfg.DATA.CLASSES)
    if entry.type == "image_folder":
        return len(class_folders(path))
    if entry.type == "list_file":
        found = datasets.names_in_list(path, reach)
        return found if isinstance(found, int) else len(found)
    if entry.type == "face_records":
        return datasets.FaceRecords(path=path).info.num_classes
    if entry.type == "facets":
        return datasets.TRAIN_IDENTITIES
    raise ConfigError(f"MODEL.NUM_CLASSES: 0 given, and {name} ({entry.type}) does not say how many identities it has; set their number")
