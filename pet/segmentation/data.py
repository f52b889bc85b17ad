"""The data of the segmentation projects, from a config or from data sets that a program brings."""

import torch

from pet.data.loading.build import build_training_data as build_shared_training_data
from pet.data.targets.dataset import Dataset, Expectation
from pet.data.targets.image import IMAGES
from pet.evaluation.evaluation import Evaluation
from pet.evaluation.evaluation import build_evaluation as build_shared_evaluation
from pet.evaluation.evaluator import Evaluator
from pet.evaluation.segmentation import SegmentationEvaluator
from petlib.config import CfgNode
from petlib.data.train_loader import TrainLoader

KINDS = ("semseg",)


def expected_data(cfg: CfgNode) -> Expectation:
    """Return what the model wants of its data."""
    return Expectation(
        kinds=KINDS,
        counts=dict.fromkeys(KINDS, cfg.MODEL.NUM_CLASSES),
        inputs=IMAGES[: cfg.DATA.NUM_IMAGES],
        channels=cfg.MODEL.IN_CHANNELS,
        settings=dict.fromkeys(KINDS, "MODEL.NUM_CLASSES"),
    )


def build_training_data(cfg: CfgNode, device: torch.device, dataset: Dataset | None = None) -> TrainLoader:
    """Return the batches of ``TRAIN.DATASETS``, or where it is not None of ``dataset``, after a first look at the samples.

    Raises:
        ConfigError: a name is unknown or a setting wrong.
        DataError: the data are missing, wrong, or do not fit the model.
    """
    return build_shared_training_data(cfg, device, expected_data(cfg), dataset)


def build_evaluators(cfg: CfgNode, dataset: Dataset, *, keep_predictions: bool) -> list[Evaluator]:  # noqa: ARG001 -- as of every task
    """Return what counts the pixels of each class."""
    classes = list(dataset.info.semseg_classes)
    return [SegmentationEvaluator(classes=classes, keep_predictions=keep_predictions)]


def build_evaluation(cfg: CfgNode, device: torch.device, dataset: Dataset | None = None) -> Evaluation:
    """Return the evaluation on ``TEST.DATASETS``, or where it is not None on ``dataset``.

    Raises:
        ConfigError: there is neither.
        DataError: the data are missing, wrong, or do not fit the model.
    """
    return build_shared_evaluation(
        cfg, device, expected_data(cfg), lambda data, keep: build_evaluators(cfg, data, keep_predictions=keep), dataset=dataset
    )
