"""Weights that a model begins with, and weights that are tested."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from pet.models.classifiers import LIBRARIES
from pet.models.detr.published import is_transformers_folder
from pet.models.feature_extractor import timm_key
from pet.models.foreign_names import familiar_names
from pet.models.handed_over import read_handed_over, require_whole
from pet.models.published import DETECTOR_PREFIX, classifier, find_published
from pet.models.torchvision_names import select_coco_classes, torchvision_key
from pet.models.zoo.licences import require_accepted
from pet.models.zoo.sources import HUGGINGFACE
from pet.typed import AnyConfig, PetConfig
from petlib import engine
from petlib.checkpoint.origin import RANDOM, UNRECORDED, Origin
from petlib.checkpoint.restore import LoadReport
from petlib.checkpoint.weights import Translation, load_state, load_weights, read_origin
from petlib.errors import CheckpointError, name_in_errors

BACKBONE = "backbone."
DETECTOR_BODY = "backbone.body."
"""Below this torchvision's detectors have their backbone."""
OUR_HEADS = "heads."
"""Below this our models have their heads, and torchvision's have nothing; timm's extractors are below ``backbone.body.`` in ours too."""
BATCH_COUNT = ".num_batches_tracked"
KEY_PREFIXES = (BACKBONE, f"network.{BACKBONE}", "network.encoder.", "network.")
"""Below these the networks of timm and torchvision are in our models, with their own names, then the encoders of SegFormers, and below
the last the networks of segmenters."""

logger = logging.getLogger(__name__)


def load_pretrained(model: nn.Module, cfg: AnyConfig, *, backbone: str | None = None) -> Origin:
    """Load what ``TRAIN.WEIGHTS`` names into ``model`` and log which keys fit; nothing where it is empty or a run is continued.

    A layer whose shape differs, such as a classifier for another number of classes, stays random and is reported; a backbone that was
    handed over by a pre-training has to fit as a whole. Every process calls it.

    Args:
        model: the model.
        cfg: the config.
        backbone: name of the network whose published weights ``timm`` and ``torchvision`` mean; None: ``MODEL.BACKBONE``.

    Returns:
        What the model begins with, and its licence, for the state of the run.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network, or published weights cannot be had.
        ConfigError: weights of a library that the network does not come from, or under a licence that has to be accepted; a rule of
            ``TRAIN.WEIGHTS_MAP`` that finds nothing.
    """
    source, accepted = cfg.TRAIN.WEIGHTS, cfg.MISC.ACCEPTED_LICENCES
    if engine.continues(cfg) or not source:
        return RANDOM
    name = backbone or (cfg.MODEL.BACKBONE if source in LIBRARIES else "")
    published = find_published(source, cfg, backbone=name)
    options: dict[str, Any] = {
        "key_prefixes": KEY_PREFIXES,
        "translate": weight_translation(cfg),
        "rename": cfg.TRAIN.WEIGHTS_MAP,
        "convert_conv1": cfg.MISC.CONV1_RGB2BGR,
    }
    if published is not None:
        report = load_state(model, published.state(accepted), f"the published weights {published.weights.name}", **options)
        logger.info(report.summary())
        return published.origin
    report = load_weights(model, source, prefer_ema=True, **options)
    logger.info(report.summary())
    handed_over = read_handed_over(Path(source))
    origin = report.origin or (handed_over.origin if handed_over else None) or UNRECORDED._replace(weights=source)
    require_accepted(source, origin.licence, accepted)
    if handed_over:
        require_whole(report, model, network=handed_over.network)
    return origin


def load_published(model: nn.Module, name: str, *, library: str, accepted: Sequence[str] = ()) -> LoadReport:
    """Load what a library publishes for a network into a model that holds it.

    Args:
        model: the model, or the network alone.
        name: of the network, as :func:`pet.models.published.classifier` takes it.
        library: ``timm`` or ``torchvision``.
        accepted: licences that the user accepts.

    Raises:
        CheckpointError: the weights cannot be had, or none fits.
        ConfigError: the network does not come from that library, or the licence has to be accepted.
    """
    published = classifier(name, library=library)
    source = f"the published weights {published.weights.name}"
    return load_state(model, published.state(accepted), source, key_prefixes=KEY_PREFIXES, translate=as_extractor_names)


def load_test_weights(model: nn.Module, cfg: AnyConfig) -> Mapping[str, Sequence[str]]:
    """Load what ``TEST.WEIGHTS`` names: a file, ``latest`` or ``best`` of ``MISC.CKPT``; empty: best where there is one, else latest.

    Returns:
        What the numbers of the model are called, by kind of target, as its training knew them; empty: not known.

    Raises:
        CheckpointError: there is no such file, it cannot be read or was exported, or it does not fit the model in every name and shape.
    """
    if cfg.TEST.WEIGHTS.lower().endswith(".onnx"):
        raise CheckpointError(
            f"TEST.WEIGHTS: {cfg.TEST.WEIGHTS} is an exported file, a checkpoint expected: a test measures checkpoints, and an export is "
            "compared with its checkpoint when it is written; tools/inference.py takes exported files"
        )
    source = find_test_weights(cfg)
    published = find_published(source, cfg)
    options: dict[str, Any] = {
        "key_prefixes": KEY_PREFIXES,
        "translate": _without_training_parts(model, weight_translation(cfg)),
        "rename": cfg.TEST.WEIGHTS_MAP,
    }
    with name_in_errors(engine.TEST_MAP):
        if published is None:
            report = load_weights(model, source, prefer_ema=cfg.TEST.USE_EMA, **options)
        else:
            report = load_state(model, published.state(cfg.MISC.ACCEPTED_LICENCES), source, **options)
        report.require_complete()
    logger.info("the weights are those of %s", source)
    if report.names is None:
        logger.info("%s does not say the names of its classes: they are not compared with those of the data", source)
    return report.names or {}


@runtime_checkable
class HasTrainingParts(Protocol):
    """A model that a test builds without what only a training needs, such as the centres of its classes.

    Attributes:
        training_only: beginnings of the names that weights of these parts have in a checkpoint.
    """

    training_only: tuple[str, ...]


def _without_training_parts(model: nn.Module, translate: Translation) -> Translation:
    """Return what leaves out of the weights of a training what the model does not have in a test."""
    if not isinstance(model, HasTrainingParts):
        return translate
    beginnings = model.training_only

    def leave_out(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value for name, value in translate(state, own).items() if name in own or not name.startswith(beginnings)}

    return leave_out


def find_test_weights(cfg: PetConfig) -> str:
    """Return the file that ``TEST.WEIGHTS`` means, or the name of weights that are published.

    Raises:
        CheckpointError: there is no such file, or the output folder has no such checkpoint.
    """
    named = cfg.TEST.WEIGHTS.startswith((DETECTOR_PREFIX, HUGGINGFACE)) or is_transformers_folder(Path(cfg.TEST.WEIGHTS))
    return cfg.TEST.WEIGHTS if named else str(engine.find_test_weights(cfg))


def origin_of_test_weights(cfg: PetConfig) -> Origin:
    """Return what the weights of ``TEST.WEIGHTS``, a checkpoint or published ones, began with."""
    source = find_test_weights(cfg)
    published = find_published(source, cfg)
    return read_origin(Path(source)) if published is None else published.origin


def weight_translation(cfg: AnyConfig) -> Translation:
    """Return what gives weights of other libraries and projects the names that they have in our models."""
    finds_boxes = "BOX" in cfg.MODEL
    detector = cfg.MODEL.BOX.DETECTOR if finds_boxes else ""

    def translate(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        names = familiar_names(state, own)
        state = {new: state[name] for name, new in names.items()}
        if finds_boxes and any(name.startswith(DETECTOR_BODY) for name in state) and not any(name.startswith(OUR_HEADS) for name in state):
            state = select_coco_classes(state, num_classes=cfg.MODEL.NUM_CLASSES)
            state = {torchvision_key(name, detector): value for name, value in state.items()}
            # frozen batch norms count no batches, and no result depends on the counts
            counts = {name: value for name, value in own.items() if name.endswith(BATCH_COUNT)}
            return {**counts, **{name: value for name, value in state.items() if not name.endswith(BATCH_COUNT)}}
        return as_extractor_names(state, own)

    return translate


def as_extractor_names(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of a network of timm under the names of our extractors, where the model has one and they fit better so."""
    for prefix in ("", *KEY_PREFIXES):
        bodies = frozenset(name.removeprefix(prefix) for name in own if name.startswith(f"{prefix}body."))
        renamed = {timm_key(name, bodies): value for name, value in state.items()} if bodies else {}
        if _num_matches(renamed, own) > _num_matches(state, own):
            return renamed
    return state


def _num_matches(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> int:
    """Return how many names a model has, below the prefix that fits best."""
    return max(sum(f"{prefix}{name}" in own for name in state) for prefix in ("", *KEY_PREFIXES))
