"""Weights that a model begins with, and weights that are tested."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from pet.models.classifiers import LIBRARIES, find_classifier
from pet.models.detr import published
from pet.models.feature_extractor import timm_key
from pet.models.foreign_names import familiar_names
from pet.models.handed_over import handed_over_network, require_whole
from pet.models.torchvision_names import select_coco_classes, torchvision_key
from pet.models.video.build import LIBRARY, is_video_network, published_video_weights
from pet.typed import AnyConfig, PetConfig
from petlib import engine
from petlib.checkpoint.restore import LoadReport
from petlib.checkpoint.weights import Translation, load_state, load_weights
from petlib.distributed.collectives import broadcast_object
from petlib.distributed.process_group import is_main_process
from petlib.errors import CheckpointError, ConfigError, name_in_errors
from petlib.suggest import did_you_mean

BACKBONE = "backbone."
DETECTOR_BODY = "backbone.body."
"""Below this torchvision's detectors have their backbone."""
OUR_HEADS = "heads."
"""Below this our models have their heads, and torchvision's have nothing; timm's extractors are below ``backbone.body.`` in ours too."""
DETECTOR_PREFIX = "torchvision/"
BATCH_COUNT = ".num_batches_tracked"
KEY_PREFIXES = (BACKBONE, f"network.{BACKBONE}", "network.encoder.", "network.")
"""Below these the networks of timm and torchvision are in our models, with their own names, then the encoders of SegFormers, and below
the last the networks of segmenters."""

logger = logging.getLogger(__name__)


def load_pretrained(model: nn.Module, cfg: AnyConfig, *, backbone: str | None = None) -> None:
    """Load what ``TRAIN.WEIGHTS`` names into ``model`` and log which keys fit; nothing where it is empty or a run is continued.

    A layer whose shape differs, such as a classifier for another number of classes, stays random and is reported; a backbone that was
    handed over by a pre-training has to fit as a whole. Every process calls it.

    Args:
        model: the model.
        cfg: the config.
        backbone: name of the network whose published weights ``timm`` and ``torchvision`` mean; None: ``MODEL.BACKBONE``.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network, or published weights cannot be had.
        ConfigError: weights of a library that the network does not come from; a rule of ``TRAIN.WEIGHTS_MAP`` that finds nothing.
    """
    source = cfg.TRAIN.WEIGHTS
    if engine.continues(cfg):
        return
    if source in LIBRARIES:
        name = cfg.MODEL.BACKBONE if backbone is None else backbone
        report = load_published(model, name, library=source, translate=weight_translation(cfg), convert_conv1=cfg.MISC.CONV1_RGB2BGR)
        logger.info(report.summary())
    elif source:
        if source == published.LIBRARY:
            source = published.published_source(cfg)
        with weights_file(source, num_classes=cfg.MODEL.NUM_CLASSES if "NUM_CLASSES" in cfg.MODEL else 0) as path:
            _load(model, str(path), cfg)


def load_published(
    model: nn.Module, name: str, *, library: str, translate: Translation | None = None, convert_conv1: bool = False
) -> LoadReport:
    """Load what a library publishes for a network into a model that holds it.

    Args:
        model: the model, or the network alone.
        name: of the network, as :func:`published_weights` takes it.
        library: ``timm`` or ``torchvision``.
        translate: see :func:`petlib.checkpoint.weights.load_weights`; None: names of timm's extractors become those of ours.
        convert_conv1: likewise.

    Raises:
        CheckpointError: the weights cannot be had, or none fits.
        ConfigError: the network does not come from that library.
    """
    state = _fetch_once(lambda: published_weights(name, library=library))
    source = f"the weights that {library} publishes for {name}"
    return load_state(
        model, state, source, key_prefixes=KEY_PREFIXES, translate=translate or as_extractor_names, convert_conv1=convert_conv1
    )


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
    with weights_file(source, num_classes=cfg.MODEL.NUM_CLASSES if "NUM_CLASSES" in cfg.MODEL else 0) as path:
        translate = weight_translation(cfg)
        with name_in_errors(engine.TEST_MAP):
            report = load_weights(
                model,
                path,
                prefer_ema=cfg.TEST.USE_EMA,
                key_prefixes=KEY_PREFIXES,
                translate=_without_training_parts(model, translate),
                rename=cfg.TEST.WEIGHTS_MAP,
            )
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
    is_named = cfg.TEST.WEIGHTS.startswith(DETECTOR_PREFIX) or published.is_transformers_weights(cfg.TEST.WEIGHTS)
    return cfg.TEST.WEIGHTS if is_named else str(engine.find_test_weights(cfg))


@contextmanager
def weights_file(source: str, *, num_classes: int = 0) -> Iterator[Path]:
    """Give the file of some weights: ``source`` itself, or of what is published: ``torchvision/NAME`` the weights of that detector,
    ``huggingface/OWNER/NAME``, or a folder with the files of such a repository, those of D-FINE and RF-DETR.

    Raises:
        CheckpointError: there are no such weights, or they are neither in the cache nor to be had over the network.
        ConfigError: transformers is not installed.
    """
    if published.is_transformers_weights(source):
        with _as_file(_fetch_once(lambda: published.published_state(source, num_classes=num_classes))) as path:
            yield path
        return
    if not source.startswith(DETECTOR_PREFIX) or Path(source).exists():
        yield Path(source)
        return
    with _as_file(_fetch_once(lambda: published_detector(source.removeprefix(DETECTOR_PREFIX)))) as path:
        yield path


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


def published_weights(name: str, *, library: str) -> dict[str, Tensor]:
    """Return the state dict that ``library`` publishes for a network: those of the tag in timm's name, else its default ones.

    Of torchvision its networks of clips too.

    Raises:
        CheckpointError: there are none, or they are neither in the cache of the library nor to be had over the network.
        ConfigError: the network does not come from that library.
    """
    if library == LIBRARY and is_video_network(name):
        return published_video_weights(name)
    found, own_name = find_classifier(name)
    if found != library:
        raise ConfigError(
            f"published_weights.library: {library}: the network {name} is {'of ' + found if found else 'not from a library'}; "
            f"name it as published_weights.name {library}/NAME, or give a file"
        )
    try:
        return _fetch(own_name, library)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"published_weights.library: {library}: the published weights of {own_name} cannot be had: {reason}\n"
            "  they come over the network; without one, set published_weights.library to a file with them, or leave it empty for random "
            "weights"
        ) from error


def _fetch(name: str, library: str) -> dict[str, Tensor]:
    if library == "timm":
        import timm  # slow to import, and only needed for its weights

        return cast("dict[str, Tensor]", timm.create_model(name, pretrained=True).state_dict())
    from torchvision import models  # slow to import, and only needed for its weights

    if name in ("googlenet", "inception_v3"):
        logger.warning("%s was trained with construct.args {transform_input: True}; without it the colours differ", name)
    return cast("dict[str, Tensor]", models.get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True))


def published_detector(name: str) -> dict[str, Tensor]:
    """Return the weights that torchvision publishes for one of its detectors, e.g. ``fasterrcnn_resnet50_fpn``.

    Raises:
        CheckpointError: there are none, or they are neither in the cache of the library nor to be had over the network.
    """
    from torchvision import models  # slow to import, and only needed for its weights

    names = models.list_models(module=models.detection)
    if name not in names:
        raise CheckpointError(
            f"{DETECTOR_PREFIX}{name}: torchvision has no such detector{did_you_mean(name, names)}\n  it has {', '.join(names)}"
        )
    try:
        return cast("dict[str, Tensor]", models.get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"{DETECTOR_PREFIX}{name}: the published weights cannot be had: {str(error).partition(chr(10))[0]}\n"
            "  they come over the network; without one, give a file with them"
        ) from error


def _fetch_once(fetch: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Let the main process fetch weights and give them to the others; an error reaches all of them."""
    outcome: dict[str, Tensor] | CheckpointError | ConfigError | None = None
    if is_main_process():
        try:
            outcome = fetch()
        except (CheckpointError, ConfigError) as error:
            outcome = error
    outcome = broadcast_object(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    assert outcome is not None, "the main process sends weights or an error"
    return outcome


@contextmanager
def _as_file(state: dict[str, Tensor]) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "published.pth"
        torch.save(state, path)
        yield path


def _load(model: nn.Module, source: str, cfg: AnyConfig) -> None:
    report = load_weights(
        model,
        source,
        prefer_ema=True,
        key_prefixes=KEY_PREFIXES,
        translate=weight_translation(cfg),
        rename=cfg.TRAIN.WEIGHTS_MAP,
        convert_conv1=cfg.MISC.CONV1_RGB2BGR,
    )
    logger.info(report.summary())
    network = handed_over_network(Path(source))
    if network:
        require_whole(report, model, network=network)
