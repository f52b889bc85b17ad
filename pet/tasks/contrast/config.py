"""The settings of learning without labels. Imports no torch, so that a mistake in a config is reported at once."""

from collections.abc import Mapping
from pathlib import Path

from pet.config import TASK_SCHEMA
from pet.models.config import MODEL, check_network
from petlib.config import CfgNode, ConfigError, Effect, Key, Schema, Switch, merge_schemas, name_run, with_effect

METHODS = ("simclr", "moco", "mocov3", "byol", "dino", "barlow_twins")
WITH_TEACHER = ("moco", "mocov3", "byol", "dino")
WITH_PREDICTOR = ("mocov3", "byol")
WITH_TEMPERATURE = ("simclr", "moco", "mocov3", "dino")
COMPARES_BATCH = ("simclr", "mocov3", "barlow_twins")
"""Methods whose negatives, or statistics, are those of the batch: a batch in parts is another one."""


def _of(*methods: str) -> tuple[Switch, ...]:
    return (Switch("CONTRAST.METHOD", one_of=methods),)


CONTRAST: Schema = {
    "METHOD": Key(
        "simclr",
        "How is learned: SimCLR, MoCo v2, MoCo v3, BYOL, DINO or Barlow Twins; see docs/contrast.md.",
        choices=METHODS,
        effect=Effect.REFUSED,
    ),
    "TEMPERATURE": Key(0.2, "Divides the cosines, of DINO the student's.", minimum=0, used_if=_of(*WITH_TEMPERATURE)),
    "PROJECTOR": {
        "LAYERS": Key(2, "Linear layers behind the backbone, which are thrown away afterwards.", minimum=1),
        "HIDDEN": Key(2048, "Width of the layers between.", minimum=1),
        "DIM": Key(128, "Length of the projections; of DINO that of the vectors which are compared with prototypes.", minimum=1),
        "NORM": Key(
            "batch",
            "Norm between the layers, of the predictor too; with layer or none each sample counts by itself.",
            choices=("batch", "layer", "none"),
            used_if=_of("simclr", "moco", "mocov3", "byol", "barlow_twins"),
        ),
        "NORM_AT_END": Key(
            False,
            "A norm without scale and offset behind the last layer too.",
            used_if=_of("simclr", "moco", "mocov3", "byol", "barlow_twins"),
        ),
    },
    "PREDICTOR": {
        "LAYERS": Key(2, "Linear layers of the predictor behind the projector.", minimum=1, used_if=_of(*WITH_PREDICTOR)),
        "HIDDEN": Key(4096, "Width of its layers between.", minimum=1, used_if=_of(*WITH_PREDICTOR)),
    },
    "MOMENTUM": Key(
        [0.99, 1.0],
        "Share of its weights that the teacher keeps in an iteration, in the beginning and at the end, along a cosine.",
        type=list[float],
        used_if=_of(*WITH_TEACHER),
    ),
    "QUEUE": Key(65536, "Keys of earlier batches that are negatives.", minimum=1, used_if=_of("moco"), effect=Effect.REFUSED),
    "BATCH_NORM_GROUPS": Key(
        1,
        "Groups of a batch within which batch norms take their statistics, with keys shuffled among them and all processes, as MoCo has it with the batches of 8 GPUs; 1: the batch of each process, not shuffled.",
        minimum=1,
        used_if=_of("moco"),
    ),
    "DINO": {
        "PROTOTYPES": Key(65536, "Number of prototypes.", minimum=2, used_if=_of("dino")),
        "TEACHER_TEMPERATURE": Key(
            [0.04, 0.07], "Divides the teacher's logits, in the beginning and after WARM_UP_EPOCHS.", type=list[float], used_if=_of("dino")
        ),
        "WARM_UP_EPOCHS": Key(30, "How long the teacher's temperature rises.", unit="epochs", minimum=0, used_if=_of("dino")),
        "CENTRE_MOMENTUM": Key(0.9, "Share of the centre that stays in an iteration.", minimum=0, used_if=_of("dino")),
        "FREEZE_EPOCHS": Key(1, "For so many epochs the prototypes stay as they are.", unit="epochs", minimum=0, used_if=_of("dino")),
    },
    "BARLOW": {
        "OFF_DIAGONAL": Key(0.0051, "Weight of the correlations of different dimensions.", minimum=0, used_if=_of("barlow_twins")),
        "SCALE": Key(1.0, "Factor of the whole loss.", minimum=0, used_if=_of("barlow_twins")),
    },
    "GRADIENT_CACHE": Key(
        False,
        "With SOLVER.ACCUMULATION above 1: compare the whole batch, which is encoded in parts twice. The gradients are those of the whole batch; networks with batch norm are refused.",
    ),
    "WEIGHT_DECAY_END": Key(
        None,
        "The weight decay goes from SOLVER.OPTIMIZER.WEIGHT_DECAY to this along a cosine; empty: it stays.",
        type=float | None,
        minimum=0,
    ),
}

PROBE: Schema = {
    "DATASETS": Key(
        [],
        "Labelled data whose embeddings TEST.DATASETS are compared with; nothing is learned from them. Empty: TRAIN.DATASETS.",
        type=list[str],
    ),
    "NEIGHBOURS": Key([20, 200], "How many nearest neighbours vote.", type=list[int]),
    "TEMPERATURE": Key(0.07, "Weighs the votes: exp(cosine / temperature).", minimum=0),
    "LINEAR": Key(
        False,
        "Also fit a linear classifier to the embeddings of the labelled data. The protocols of the papers, with augmentation, are fine-tunings of a frozen backbone; see docs/contrast.md.",
    ),
}

CONTRAST_SCHEMA: Schema = merge_schemas(
    TASK_SCHEMA,
    {
        "MODEL": {name: MODEL[name] for name in ("BACKBONE", "BACKBONE_ARGS", "SYNC_BN")},
        "CONTRAST": CONTRAST,
        "PROBE": with_effect(Effect.EVALUATIONS, PROBE),
    },
)


def get_base_cfg() -> CfgNode:
    """Return the defaults."""
    return CfgNode(CONTRAST_SCHEMA)


def infer_cfg(cfg: CfgNode, cfg_file: str | Path | None = None) -> CfgNode:
    """Check what no single key can know.

    Args:
        cfg: the config.
        cfg_file: the file that it was read from; the run and its folder are named after it where the config names none.

    Returns:
        ``cfg`` itself.

    Raises:
        ConfigError: no network or no views are given, or settings do not go together.
    """
    if cfg_file is not None:
        name_run(cfg, cfg_file)
    if not cfg.MODEL.BACKBONE:
        raise ConfigError("MODEL.BACKBONE: nothing given; name a network, e.g. resnet18_cifar or timm/resnet50")
    check_network(cfg)
    _check_views(cfg)
    _check_processes(cfg)
    _check_numbers(cfg)
    return cfg


def _check_views(cfg: CfgNode) -> None:
    names = [entry.get("name") if isinstance(entry, Mapping) else entry for entry in cfg.TRAIN.TRANSFORMS]
    if names.count("Views") != 1:
        raise ConfigError(
            f"TRAIN.TRANSFORMS: {names.count('Views')} times Views given; learning without labels compares two views of an image: "
            "write {name: Views, first: [...]} once"
        )


def _check_processes(cfg: CfgNode) -> None:
    method = cfg.CONTRAST.METHOD
    if cfg.TRAIN.PARALLEL in ("fsdp", "dp"):
        raise ConfigError(f"TRAIN.PARALLEL: {cfg.TRAIN.PARALLEL} does not go with CONTRAST.METHOD {method}; take ddp")
    if cfg.SOLVER.ACCUMULATION > 1 and method in COMPARES_BATCH and not cfg.CONTRAST.GRADIENT_CACHE:
        raise ConfigError(
            f"SOLVER.ACCUMULATION: {cfg.SOLVER.ACCUMULATION} given, but {method} compares the samples of a batch with each other, and parts that "
            "are compared by themselves are small batches, not a large one; set CONTRAST.GRADIENT_CACHE to True, which compares the "
            "whole batch, or take moco, byol or dino"
        )
    if cfg.TRAIN.MICRO_BATCH != 0 and (method in COMPARES_BATCH or cfg.CONTRAST.GRADIENT_CACHE or cfg.CONTRAST.BATCH_NORM_GROUPS > 1):
        raise ConfigError(
            f"TRAIN.MICRO_BATCH: {cfg.TRAIN.MICRO_BATCH} given, but samples of a batch count together here (CONTRAST.METHOD {method}, "
            f"CONTRAST.BATCH_NORM_GROUPS {cfg.CONTRAST.BATCH_NORM_GROUPS}); set it to 0, and take SOLVER.ACCUMULATION with "
            "CONTRAST.GRADIENT_CACHE where a batch does not fit"
        )
    if cfg.CONTRAST.GRADIENT_CACHE and cfg.SOLVER.ACCUMULATION == 1:
        raise ConfigError("CONTRAST.GRADIENT_CACHE: True, but the batch has one part; set SOLVER.ACCUMULATION to the number of parts")


def _check_numbers(cfg: CfgNode) -> None:
    options, method = cfg.CONTRAST, cfg.CONTRAST.METHOD
    pairs = {"CONTRAST.MOMENTUM": options.MOMENTUM} if method in WITH_TEACHER else {}
    temperatures = {"PROBE.TEMPERATURE": cfg.PROBE.TEMPERATURE}
    if method in WITH_TEMPERATURE:
        temperatures["CONTRAST.TEMPERATURE"] = options.TEMPERATURE
    if method == "dino":
        pairs["CONTRAST.DINO.TEACHER_TEMPERATURE"] = options.DINO.TEACHER_TEMPERATURE
        temperatures["CONTRAST.DINO.TEACHER_TEMPERATURE"] = min(options.DINO.TEACHER_TEMPERATURE, default=1)
    for key, values in pairs.items():
        if len(values) != 2 or not all(0 <= value <= 1 for value in values):
            raise ConfigError(f"{key}: {list(values)} given, two numbers from 0 to 1 expected: in the beginning and at the end")
    for key, value in temperatures.items():
        if value <= 0:
            raise ConfigError(f"{key}: {value:g} given, a number above 0 expected")
    if not cfg.PROBE.NEIGHBOURS or min(cfg.PROBE.NEIGHBOURS) < 1:
        raise ConfigError(f"PROBE.NEIGHBOURS: {list(cfg.PROBE.NEIGHBOURS)} given, numbers from 1 on expected, e.g. [20, 200]")
    if method == "moco" and options.QUEUE < cfg.TRAIN.BATCH_SIZE:
        raise ConfigError(
            f"CONTRAST.QUEUE: {options.QUEUE} keys given, fewer than TRAIN.BATCH_SIZE, {cfg.TRAIN.BATCH_SIZE}; the queue takes whole batches"
        )
    if method == "moco" and options.BATCH_NORM_GROUPS > 1:
        _check_groups(cfg)
    if options.WEIGHT_DECAY_END is not None and cfg.SOLVER.OPTIMIZER.WEIGHT_DECAY == 0:
        raise ConfigError("CONTRAST.WEIGHT_DECAY_END: given, but SOLVER.OPTIMIZER.WEIGHT_DECAY is 0; set that to where it begins")


def _check_groups(cfg: CfgNode) -> None:
    groups, encoded = cfg.CONTRAST.BATCH_NORM_GROUPS, cfg.TRAIN.BATCH_SIZE // cfg.SOLVER.ACCUMULATION
    if encoded % groups or encoded == groups:
        raise ConfigError(
            f"CONTRAST.BATCH_NORM_GROUPS: {groups} given, but {encoded} samples are encoded at once (TRAIN.BATCH_SIZE / SOLVER.ACCUMULATION); "
            "groups of equal size, of at least 2 samples, expected"
        )
    if cfg.MODEL.SYNC_BN:
        raise ConfigError(
            "CONTRAST.BATCH_NORM_GROUPS: given with MODEL.SYNC_BN True, which makes one group of all samples; set one of them to its default"
        )
