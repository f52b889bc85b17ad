"""From a config: a task's model, or an exported file in its place, and what its numbers are called."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from pet.data.catalog.entries import find_entry, resolve_path
from pet.data.loading.build import build_dataset
from pet.data.targets.kinds import are_whole_image, find_kind
from pet.data.targets.names import NO_NAMES, Names, info_of
from pet.exporting.runtime import find_onnx_weights
from pet.models.pretrained import load_test_weights
from pet.prediction.predictors.samples import build_model_samples, build_onnx_samples
from pet.prediction.whole_clips import WholeClips
from pet.prediction.whole_images import SamplePredictor, WholeImages
from pet.typed import PetConfig
from pet.visual.names import TargetNames
from petlib.config import ConfigError
from petlib.config.nested import read_nested
from petlib.engine.model import prepare_model
from petlib.errors import DataError

logger = logging.getLogger(__name__)


def build_whole_images(
    cfg: PetConfig,
    device: torch.device,
    build_model: Callable[[], nn.Module],
    kinds: Sequence[str],
    *,
    window: int = 0,
    keypoint_labels: frozenset[int] = frozenset(),
    part_labels: frozenset[int] = frozenset(),
    finish: Callable[[nn.Module], nn.Module] = lambda model: model,
) -> WholeImages:
    """Return a model with the weights of ``TEST.WEIGHTS``, or the exported file that it names, ready to predict files.

    Args:
        cfg: the config.
        device: where the model runs; an exported file runs on the CPU.
        build_model: gives the model with random weights.
        kinds: the kinds of targets that it predicts.
        window: has to be 0: the model looks at whole images.
        keypoint_labels: classes that have keypoints; empty: all.
        part_labels: classes that have parts; empty: all.
        finish: makes of the model with its weights what is tested.

    Raises:
        CheckpointError: the weights are missing or do not fit.
        ConfigError: the network is unknown, or a window is given.
    """
    predictor, names = _build_samples(cfg, device, build_model, kinds, window=window, finish=finish)
    return WholeImages(predictor, replace(names, keypoint_labels=keypoint_labels, part_labels=part_labels))


def build_whole_clips(
    cfg: PetConfig, device: torch.device, build_model: Callable[[], nn.Module], kinds: Sequence[str], *, window: int = 0
) -> WholeClips:
    """Return a model with the weights of ``TEST.WEIGHTS``, or the exported file that it names, ready to predict videos.

    The arguments and errors are those of :func:`build_whole_images`.
    """
    return WholeClips(*_build_samples(cfg, device, build_model, kinds, window=window, finish=lambda model: model))


def _build_samples(
    cfg: PetConfig,
    device: torch.device,
    build_model: Callable[[], nn.Module],
    kinds: Sequence[str],
    *,
    window: int,
    finish: Callable[[nn.Module], nn.Module],
) -> tuple[SamplePredictor, TargetNames]:
    """Return what predicts samples, and what its numbers mean."""
    if window:
        raise ConfigError(f"build_predictor.window: {window} given, but this model looks at whole images; leave it out")
    predictor: SamplePredictor
    exported = find_onnx_weights(cfg)
    if exported is not None:
        predictor = onnx = build_onnx_samples(cfg, exported)
        trained = onnx.description.names
        check_kinds(trained, kinds)
    else:
        model = build_model()
        trained = load_test_weights(model, cfg)
        model = finish(prepare_model(model, cfg, device))
        # images of classifiers are not padded, and those of one's own have any shape
        batch_size = 1 if are_whole_image(kinds) else None
        predictor = build_model_samples(cfg, model, device, kinds, batch_size=batch_size)
    return predictor, find_names(cfg, kinds, trained)


def check_kinds(trained: Names, kinds: Sequence[str]) -> None:
    """Check that an exported file predicts what the task of the config does, as far as its names say it.

    Raises:
        ConfigError: it predicts something else.
    """
    if trained and kinds and not set(trained) & set(kinds):
        found, wanted = ", ".join(trained), ", ".join(kinds)
        raise ConfigError(
            f"check_kinds.trained: the exported file predicts {found}, but the model of this config {wanted}; give the config that it was "
            "exported with"
        )


def find_names(cfg: PetConfig, kinds: Sequence[str], trained: Names = NO_NAMES) -> TargetNames:
    """Return the names of classes, parts and keypoints, and the lines between these: those that the weights were trained with.

    Weights that do not say them leave it to ``DATA.CLASSES``, else to the data sets where they are present, else to the config that a
    training left in ``MISC.CKPT``; else predictions show numbers, and a warning says so where there are any.

    Args:
        cfg: the config.
        kinds: the kinds of targets that the model predicts.
        trained: the names that the weights say.
    """
    if trained:
        names = TargetNames.of_info(info_of(trained))
        joined = any(find_kind(kind).has_lines for kind in trained)
        return replace(names, skeleton=_names_of_data(cfg, kinds, trained).skeleton) if joined else names
    names = _names_of_data(cfg, kinds, trained)
    classes = cfg.DATA.CLASSES or names.classes or _classes_of_run(cfg)
    if not classes and any(find_kind(kind).counted for kind in kinds):
        logger.warning(
            "the names of the classes are not known, numbers take their place; give DATA.CLASSES, or the data with MISC.DATA_ROOT"
        )
    return replace(names, classes=tuple(classes))


def _names_of_data(cfg: PetConfig, kinds: Sequence[str], trained: Names) -> TargetNames:
    # test data are smaller, and read sooner
    for name in (*cfg.TEST.DATASETS, *cfg.TRAIN.DATASETS):
        try:
            entry = find_entry(cfg, name)
            places = [resolve_path(cfg, place) for place in (entry.path, entry.annotations) if place]
            # a data set that is absent might be made or searched for
            if all(place.exists() for place in places):
                return TargetNames.of_dataset(build_dataset(cfg, [name], kinds, names=trained))
        except (ConfigError, DataError) as error:
            logger.info("%s does not say the names of the classes: %s", name, error)
    return TargetNames()


def _classes_of_run(cfg: PetConfig) -> list[str]:
    try:
        saved = read_nested(Path(cfg.MISC.CKPT) / "config.yaml")
        return [str(name) for name in saved.get("DATA.CLASSES", [], type=list)]
    except ConfigError as error:
        logger.info("the run does not say the names of the classes: %s", error)
        return []
