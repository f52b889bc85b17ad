"""Evaluation of a network on a data set of the PaddleSeg layer."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from pet.compat.paddleseg.datasets import Dataset
from pet.compat.paddleseg.samples import LabelledTiles, OpenedData, open_data
from pet.compat.paddleseg.segmenter import build_evaluated
from pet.compat.paddleseg.views import read_views
from pet.compat.shared.class_names import check_same_classes, remembered_classes
from pet.compat.shared.running import begin_script
from pet.data.loading.batch_transforms import NormalizeImages
from pet.data.loading.build import start_worker
from pet.evaluation.evaluation import Evaluation
from pet.evaluation.segmentation import SegmentationEvaluator
from pet.metrics.segmentation import SegmentationResult, report_lines
from petlib.config import CfgNode
from petlib.data.build import LoaderSettings, build_evaluation_loader
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.loading import LOADER_TIMEOUT
from petlib.distributed.process_group import choose_device, is_main_process

logger = logging.getLogger(__name__)

SEED = 3


class EvaluationFigures(NamedTuple):
    """What :func:`evaluate` measured, in the order of PaddleSeg; fractions from 0 to 1.

    Attributes:
        miou: mean intersection over union of the classes that occur in labels or predictions.
        acc: share of the pixels that are right.
        class_iou: intersection over union of each class, float64 (K,); NaN where undefined.
        class_precision: share of the pixels taken for a class that are right, float64 (K,); what PaddleSeg prints as ``Class Acc``.
        kappa: Cohen's kappa, from -1 to 1.
    """

    miou: float
    acc: float
    class_iou: np.ndarray
    class_precision: np.ndarray
    kappa: float


class ReportingEvaluator(SegmentationEvaluator):
    """Measures, and says the result in PaddleSeg's lines.

    Args:
        num_classes: number of classes with the background.
        num_images: images of the whole data set.
        say: takes each line; None: nothing is said.
    """

    def __init__(self, *, num_classes: int, num_images: int, say: Callable[[str], Any] | None) -> None:
        super().__init__(classes=[str(number) for number in range(num_classes)])
        self._images_in_all = num_images
        self._say = say

    @property
    def result(self) -> SegmentationResult:
        """The counts, after :meth:`compute`."""
        assert self._result is not None, "result is there after compute()"
        return self._result

    def compute(self) -> dict[str, float]:
        """Return the metrics and say the lines."""
        metrics = super().compute()
        if self._say is not None and is_main_process():
            for line in report_lines(self.result, self._images_in_all):
                self._say(line)
        return metrics


def evaluate(  # noqa: PLR0917 -- PaddleSeg's order
    model: nn.Module,
    eval_dataset: Dataset | LabelledTiles,
    aug_eval: bool = False,
    scales: float | Sequence[float] = 1.0,
    flip_horizontal: bool = True,
    flip_vertical: bool = False,
    is_slide: bool = False,
    stride: Sequence[int] | None = None,
    crop_size: Sequence[int] | None = None,
    *,
    num_workers: int = 0,
    print_detail: bool = True,
) -> EvaluationFigures:
    """Measure a network, print the result in PaddleSeg's lines, and return it.

    Labels keep their own size: what the transforms of the data set do to the size of an image is undone on the logits. Images are
    looked at one by one, on the GPU where there is one; the network comes back in the mode, training or evaluation, that it was in.

    Args:
        model: a network of :mod:`pet.compat.paddleseg.models`, or any module that takes images (B, 3, H, W) and gives logits (B, K, H, W).
        eval_dataset: images with labels, whose transforms are applied in every mode.
        aug_eval: take the mean of several views of each image.
        scales: sizes of the views, as factors.
        flip_horizontal: views are looked at mirrored too.
        flip_vertical: not to be had.
        is_slide, stride, crop_size: look through overlapping windows, squares of (width, height), that lie so far apart at most.
        num_workers: processes that read images; 0: this one.
        print_detail: print the result.

    Raises:
        DataError: an image or a label cannot be used, or the classes are not those that the network is known to have learned: by
            ``train`` in this script, or by the file of its weights.
        ConfigError: the network has another number of classes than the data, or an argument is wrong.
    """
    begin_script()
    windows: dict[str, Any] = {"is_slide": is_slide, "stride": stride, "crop_size": crop_size}
    mirrored: dict[str, Any] = {"flip_horizontal": flip_horizontal, "flip_vertical": flip_vertical}
    views = read_views("evaluate", augment=aug_eval, scales=scales, **mirrored, **windows)
    device = choose_device("auto")
    data = open_data(eval_dataset, seed=SEED, for_evaluation=True, name="eval_dataset")
    check_same_classes("eval_dataset", data.names, remembered_classes(model))
    segmenter = build_evaluated(model, num_classes=data.num_classes, views=views).train(model.training).to(device)
    evaluator = ReportingEvaluator(num_classes=data.num_classes, num_images=len(data.samples), say=print if print_detail else None)
    settings = LoaderSettings(batch_size=1, num_workers=num_workers, timeout=LOADER_TIMEOUT, seed=SEED)
    Evaluation(loader=build_loader(settings, data, device), build_evaluators=lambda _: [evaluator])(segmenter)
    result = evaluator.result
    return EvaluationFigures(
        miou=result.mean_iou,
        acc=result.pixel_accuracy,
        class_iou=result.per_class_iou().numpy(),
        class_precision=result.per_class_precision().numpy(),
        kappa=result.kappa,
    )


def build_evaluation(cfg: CfgNode, data: OpenedData, device: torch.device) -> Evaluation:
    """Return the evaluation in the middle of a training; its lines go to the log."""
    return Evaluation(
        loader=build_loader(cfg, data, device),
        build_evaluators=lambda _: [ReportingEvaluator(num_classes=data.num_classes, num_images=len(data.samples), say=logger.info)],
    )


def build_loader(settings: CfgNode | LoaderSettings, data: OpenedData, device: torch.device) -> EvaluationLoader:
    """Return the samples of an evaluation one by one, on the device."""
    return build_evaluation_loader(
        settings,
        data.samples,
        device,
        transforms=data.transforms,
        batch_transforms=[NormalizeImages.from_transform(data.normalize, channels_last=False)],
        worker_init=start_worker,
        seed_global_generators=data.draws_globally,
    )
