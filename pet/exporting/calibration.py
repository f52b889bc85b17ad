"""Samples of the training as inputs of an exported file, from which the ranges of its values in int8 are taken."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from torch import nn

from pet.data.loading.build import as_it_is, build_dataset
from pet.data.loading.joined import EvaluationSamples
from pet.data.targets.dataset import Dataset
from pet.exporting.rewriting import normalization_alone
from pet.exporting.runtime import ExportedFile
from pet.exporting.samples import TestImages, as_inputs, read_images
from pet.exporting.task import find_normalize
from pet.typed import PetConfig
from petlib.errors import ConfigError, DataError

Calibration = Callable[[ExportedFile], list[dict[str, np.ndarray]]]
"""From a file to inputs of it."""


def read_calibration(cfg: PetConfig, kinds: Sequence[str], *, prepare: Callable[[Dataset], Dataset] = as_it_is) -> Calibration:
    """Return what makes inputs of a file from ``EXPORT.CALIBRATION`` samples of ``TRAIN.DATASETS``, after ``TEST.TRANSFORMS``.

    Args:
        cfg: the config.
        kinds: the kinds of targets that the data have, whose images transforms may move.
        prepare: makes of the data what samples are taken from.

    Raises:
        ConfigError: a setting is wrong.
        DataError: the samples cannot be read.
    """
    names = list(cfg.TRAIN.DATASETS)
    with calibrating(cfg):
        dataset = EvaluationSamples(prepare(build_dataset(cfg, names, kinds)), kinds)
        images = read_images(cfg, dataset, names=names, count=cfg.EXPORT.CALIBRATION)
    return partial(_inputs, cfg, images)


@contextmanager
def calibrating(cfg: PetConfig) -> Iterator[None]:
    """Say of errors that samples of ``TRAIN.DATASETS`` are needed, and what for.

    Raises:
        ConfigError: ``TRAIN.DATASETS`` is empty.
        DataError: the samples cannot be read.
    """
    if not cfg.TRAIN.DATASETS:
        raise ConfigError("TRAIN.DATASETS: nothing given; int8 (EXPORT.FORMATS) is calibrated on samples of it: name the training's data")
    try:
        yield
    except DataError as error:
        raise DataError(f"EXPORT.FORMATS: int8 is calibrated on samples of TRAIN.DATASETS, which cannot be read: {error}") from error


def _inputs(cfg: PetConfig, images: TestImages, exported: ExportedFile) -> list[dict[str, np.ndarray]]:
    names, shape = list(exported.inputs), next(iter(exported.inputs.values()))
    batch, height, width = (length if isinstance(length, int) else None for length in (shape[0], *shape[-2:]))
    normalize = find_normalize(cfg)
    finish = nn.Identity() if cfg.EXPORT.NORMALIZE or images.normalised else normalization_alone(normalize)
    size = (height, width) if height is not None and width is not None else None
    inputs = [as_inputs(sample, names, size=size, batch=batch or 1, finish=finish) for sample in images.in_range(normalize)]
    return [{name: tensor.numpy() for name, tensor in sample.items()} for sample in inputs]
