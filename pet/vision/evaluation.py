"""Evaluation of the general CNN: every head that is on is measured."""

from typing import cast

import torch

from pet.data.loading.build import build_dataset, build_test_loader, build_vision_dataset
from pet.data.loading.joined import TruthApart
from pet.data.targets.check import check_samples, check_vision_samples, describe_source
from pet.data.targets.kinds import VisionDataset
from pet.evaluation.evaluation import Evaluation
from pet.vision.data import expected_data
from pet.vision.heads.table import build_evaluators
from petlib.config import CfgNode, ConfigError
from petlib.data.protocols import Dataset
from petlib.solver.precision import build_mixed_precision


def build_evaluation(cfg: CfgNode, device: torch.device) -> Evaluation:
    """Return the evaluation on ``TEST.DATASETS``.

    Raises:
        ConfigError: there are no ``TEST.DATASETS``.
        DataError: a data set is missing, cannot be used, or does not fit the model.
    """
    if not cfg.TEST.DATASETS:
        raise ConfigError("TEST.DATASETS: nothing given; name the data to test on")
    dataset, samples = _build_test_data(cfg)
    return Evaluation(
        loader=build_test_loader(cfg, samples, device, expected_data(cfg).kinds),
        build_evaluators=lambda keep_predictions: build_evaluators(cfg, dataset, keep_predictions=keep_predictions),
        autocast=build_mixed_precision(cfg, device).autocast,
    )


def _build_test_data(cfg: CfgNode) -> tuple[VisionDataset, Dataset]:
    """Return the test data as evaluators and as the loader see them."""
    source = describe_source("TEST.DATASETS", cfg.TEST.DATASETS)
    if cfg.MODEL.HAS_CLS:
        labelled = build_dataset(cfg, cfg.TEST.DATASETS)
        check_samples(labelled, cfg.MODEL.NUM_CLASSES, cfg.DATA.CHECK_SAMPLES, source=source)
        return cast("VisionDataset", labelled), labelled
    expected = expected_data(cfg)
    dataset = build_vision_dataset(cfg, cfg.TEST.DATASETS, expected.kinds)
    check_vision_samples(dataset, expected, cfg.DATA.CHECK_SAMPLES, source=source)
    return dataset, TruthApart(dataset, expected.kinds)
