"""Segmentation and change detection as a task, which the projects share."""

from collections.abc import Sequence

import torch
from torch import nn

from pet import exporting, prediction, segmentation
from pet.data.targets.dataset import Dataset, Expectation
from pet.data.targets.image import IMAGES
from pet.evaluation.evaluator import Evaluator
from pet.evaluation.segmentation import SegmentationEvaluator
from pet.exporting.config import check_single_view
from pet.segmentation.model import Segmenter, build_export_network, build_model, build_test_model
from pet.task import Task
from pet.typed import SegmentationConfig

KINDS = ("semseg",)


def expected_data(cfg: SegmentationConfig) -> Expectation:
    """Return what the model wants of its data."""
    return Expectation(
        kinds=KINDS,
        counts=dict.fromkeys(KINDS, cfg.MODEL.NUM_CLASSES),
        inputs=IMAGES[: cfg.DATA.NUM_IMAGES],
        channels=cfg.MODEL.IN_CHANNELS,
        settings=dict.fromkeys(KINDS, "MODEL.NUM_CLASSES"),
    )


class SegmentationTask(Task[SegmentationConfig]):
    """Networks that give every pixel of an image, or of a pair of dates, a class."""

    def expected_data(self, cfg: SegmentationConfig) -> Expectation:
        """Return what the model wants of its data: label images, and as many images of a sample as ``DATA.NUM_IMAGES``."""
        return expected_data(cfg)

    def build_model(self, cfg: SegmentationConfig) -> Segmenter:
        """Return the model of the ``MODEL`` section, with random weights."""
        return build_model(cfg)

    def build_evaluators(self, cfg: SegmentationConfig, dataset: Dataset, *, keep_predictions: bool) -> Sequence[Evaluator]:
        """Return what counts the pixels of each class."""
        return [SegmentationEvaluator(classes=list(dataset.info.semseg_classes), keep_predictions=keep_predictions)]

    def build_test_model(self, cfg: SegmentationConfig, model: nn.Module) -> nn.Module:
        """Return the model, or what looks at each image several times as ``TEST.VIEWS`` says."""
        return build_test_model(_own(model), cfg)

    def build_exported_model(self, cfg: SegmentationConfig, file: "exporting.ExportedFile") -> nn.Module:
        """Return what labels images or pairs through windows."""
        return prediction.ExportedPixels(file, window=cfg.TEST.SLIDING.SIZE, overlap=cfg.TEST.SLIDING.OVERLAP)

    def check_export(self, cfg: SegmentationConfig) -> None:
        """Check whether the network looks at an image once."""
        check_single_view(cfg)

    def build_predictor(self, cfg: SegmentationConfig, device: torch.device, *, window: int = 0) -> "prediction.FilePredictor":
        """Return the model with the weights of ``TEST.WEIGHTS``, ready to predict files through windows."""
        return segmentation.build_predictor(cfg, device, window=window, build=self.build_model)

    def build_export_network(self, cfg: SegmentationConfig, model: nn.Module) -> "exporting.TaskNetwork":
        """Return the network that gives ``logits`` (B, K, H, W) for ``images`` and, of pairs, ``images2``."""
        return build_export_network(cfg, _own(model))


def _own(model: nn.Module) -> Segmenter:
    assert isinstance(model, Segmenter), f"a {type(model).__name__} is no model of this task"
    return model


TASK = SegmentationTask()
