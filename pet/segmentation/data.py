"""The data of the segmentation projects, from a config or from data sets that a program brings."""

import torch

from pet.data.loading.build import build_test_loader, build_train_loader, build_vision_dataset
from pet.data.loading.joined import TruthApart
from pet.data.targets.check import Expectation, check_vision_samples, describe_source
from pet.data.targets.kinds import VisionDataset
from pet.evaluation.evaluation import Evaluation
from pet.evaluation.evaluator import Evaluator
from pet.evaluation.segmentation import SegmentationEvaluator
from petlib.config import CfgNode, ConfigError
from petlib.data.train_loader import TrainLoader
from petlib.solver.precision import build_mixed_precision

KINDS = ("semseg",)


def expected_data(cfg: CfgNode) -> Expectation:
    """Return what the model wants of its data."""
    return Expectation(
        kinds=KINDS,
        num_classes=cfg.MODEL.NUM_CLASSES,
        num_semseg_classes=cfg.MODEL.NUM_CLASSES,
        num_images=cfg.DATA.NUM_IMAGES,
        channels=cfg.MODEL.IN_CHANNELS,
        pixel_classes_key="MODEL.NUM_CLASSES",
    )


def build_training_data(cfg: CfgNode, device: torch.device, dataset: VisionDataset | None = None) -> TrainLoader:
    """Return the batches of a training, after a first look at the samples.

    Args:
        cfg: the config.
        device: where batches go.
        dataset: the data; None: ``TRAIN.DATASETS``.

    Raises:
        ConfigError: a name is unknown or a setting wrong.
        DataError: the data are missing, wrong, or do not fit the model.
    """
    source = "the training data" if dataset is not None else describe_source("TRAIN.DATASETS", cfg.TRAIN.DATASETS)
    dataset = dataset if dataset is not None else build_vision_dataset(cfg, cfg.TRAIN.DATASETS, KINDS)
    check_vision_samples(dataset, expected_data(cfg), cfg.DATA.CHECK_SAMPLES, source=source, on_error=cfg.DATA.ON_ERROR)
    return build_train_loader(cfg, dataset, device, KINDS)


def build_evaluation(cfg: CfgNode, device: torch.device, dataset: VisionDataset | None = None) -> Evaluation:
    """Return the evaluation on ``dataset``, or where that is None on ``TEST.DATASETS``.

    Raises:
        ConfigError: there is neither.
        DataError: the data are missing, wrong, or do not fit the model.
    """
    if dataset is None and not cfg.TEST.DATASETS:
        raise ConfigError("TEST.DATASETS: nothing given; name the data to test on")
    source = "the test data" if dataset is not None else describe_source("TEST.DATASETS", cfg.TEST.DATASETS)
    dataset = dataset if dataset is not None else build_vision_dataset(cfg, cfg.TEST.DATASETS, KINDS)
    check_vision_samples(dataset, expected_data(cfg), cfg.DATA.CHECK_SAMPLES, source=source)
    classes = list(dataset.semseg_classes)

    def build_evaluators(keep_predictions: bool) -> list[Evaluator]:
        return [
            SegmentationEvaluator(classes=classes, keep_predictions=keep_predictions, foreground=len(classes) == 2, report=True),
        ]

    return Evaluation(
        loader=build_test_loader(cfg, TruthApart(dataset, KINDS), device, KINDS),
        build_evaluators=build_evaluators,
        autocast=build_mixed_precision(cfg, device).autocast,
    )
