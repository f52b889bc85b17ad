"""Semantic segmentation against the label images of the data."""

import csv
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pet.data.targets.dataset import Dataset
from pet.evaluation.label_images import LabelImages
from pet.metrics.segmentation import SegmentationMetrics, SegmentationResult, report_lines
from pet.typed import VisionConfig
from pet.visual.charts import Chart, Table, make_confusion
from pet.visual.confusion_matrix import draw_confusion_matrix
from petlib.distributed.collectives import all_reduce_sum
from petlib.distributed.process_group import is_main_process
from petlib.errors import DataError
from petlib.events.writers.console import format_figure

logger = logging.getLogger(__name__)


class SegmentationEvaluator:
    """mIoU, accuracies and kappa over the images of all processes; see :class:`pet.evaluation.evaluator.Evaluator`.

    Args:
        classes: names of the classes of pixels.
        keep_predictions: remember what :meth:`write` needs, report the intersection over union of each class, and log the lines of
            :func:`pet.metrics.segmentation.report_lines`.
    """

    def __init__(self, *, classes: Sequence[str], keep_predictions: bool = False) -> None:
        self.classes = list(classes)
        self.keep_predictions = keep_predictions
        self._num_images = 0
        self._metrics = SegmentationMetrics(len(self.classes))
        self._images = LabelImages()
        self._result: SegmentationResult | None = None

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take one batch: ``truth_semseg``, uint8 (H, W) of each image, and ``semseg`` of each prediction, of the same size.

        Raises:
            DataError: the label image of the data has another size than the image.
        """
        for prediction, truth, meta in zip(predictions, batch["truth_semseg"], batch["meta"], strict=True):
            labels = prediction["semseg"]
            if labels.shape != truth.shape:
                raise DataError(
                    f"{meta['file']}: its label image is {truth.shape[1]} x {truth.shape[0]} pixels, the image {labels.shape[1]} x "
                    f"{labels.shape[0]}; the same size expected"
                )
            self._metrics.update(labels, truth)
            self._num_images += 1
            if self.keep_predictions:
                self._images.add(labels.cpu().numpy(), meta)

    def compute(self) -> dict[str, float]:
        """Return ``semseg/mIoU``, ``/pixel_accuracy``, ``/mean_accuracy`` and ``/kappa`` over all processes.

        Of two classes also ``semseg/foreground_IoU``, ``_precision``, ``_recall`` and ``_F1`` of class 1 against class 0. Where
        predictions are kept, also ``semseg/IoU/<class>`` of the classes that occur in the truth or in the predictions.
        """
        result = self._result = self._metrics.merge()
        _warn_of_one_class(result, self.classes)
        if self.keep_predictions:
            self._log_report(result)
        metrics = {
            "semseg/mIoU": result.mean_iou,
            "semseg/pixel_accuracy": result.pixel_accuracy,
            "semseg/mean_accuracy": result.mean_accuracy,
            "semseg/kappa": result.kappa,
        }
        if len(self.classes) == 2:
            metrics |= foreground_metrics(result)
        if self.keep_predictions:
            ious = zip(self.classes, result.per_class_iou().tolist(), strict=True)
            metrics |= {f"semseg/IoU/{name}": iou for name, iou in ious if not math.isnan(iou)}
        return metrics

    def _log_report(self, result: SegmentationResult) -> None:
        num_images = int(all_reduce_sum(torch.tensor(self._num_images)))
        if is_main_process():
            for line in report_lines(result, num_images):
                logger.info("%s", line)

    def write(self, folder: Path) -> None:
        """Write what accompanies the metrics; every process calls it after :meth:`compute`, the main process writes.

        ``semseg/<file stem>.png``: the predicted label images, 8 bit. ``per_class_iou.csv``: for each class its pixels in the
        truth, IoU, accuracy (which is the recall), precision and F1; empty where undefined. ``semseg_confusion_matrix.png``:
        rows are the truth, columns the predictions.
        """
        assert self.keep_predictions, "the evaluator was built without keep_predictions"
        assert self._result is not None, "write() is called after compute()"
        folder.mkdir(parents=True, exist_ok=True)
        self._images.write(folder / "semseg")
        if is_main_process():
            write_class_table(folder / "per_class_iou.csv", self.classes, self._result)
            draw_confusion_matrix(self._result.confusion_matrix.numpy(), self.classes, folder / "semseg_confusion_matrix.png")

    def charts(self) -> Sequence[Chart]:
        """Return the figures of each class, and which pixels are taken for what."""
        assert self._result is not None, "charts() is called after compute()"
        result = self._result
        counts = result.confusion_matrix.numpy()
        columns = (result.per_class_iou(), result.per_class_accuracy(), result.per_class_precision(), result.per_class_f1())
        rows = zip(self.classes, counts.sum(axis=1).tolist(), *(column.tolist() for column in columns), strict=True)
        header = ["class", "pixels", "IoU %", "recall %", "precision %", "F1 %"]
        return [
            Table("Pixels by class", header, [list(row) for row in rows]),
            make_confusion("Confusion of pixels", self.classes, counts),
        ]

    def summary(self) -> str:
        """Return ``test_semseg_mIoU: 91.20% | pixel_accuracy: 98.10% | mean_accuracy: 95.00% | kappa: 0.9421``."""
        result = self._result
        assert result is not None, "summary() is called after compute()"
        return (
            f"test_semseg_mIoU: {format_figure(result.mean_iou, '.2%')} | pixel_accuracy: {format_figure(result.pixel_accuracy, '.2%')} | "
            f"mean_accuracy: {format_figure(result.mean_accuracy, '.2%')} | kappa: {format_figure(result.kappa)}"
        )


def _warn_of_one_class(result: SegmentationResult, classes: Sequence[str]) -> None:
    """Say where the figures say nothing: whoever knows one class only is right everywhere."""
    there = [name for name, count in zip(classes, result.confusion_matrix.sum(dim=1).tolist(), strict=True) if count]
    if len(there) < min(len(classes), 2) and is_main_process():
        found = f"pixels of {there[0]} alone" if there else "no pixel that counts"
        logger.warning("the label images of the test data have %s: accuracy and mIoU of the %d classes say little", found, len(classes))


def foreground_metrics(result: SegmentationResult) -> dict[str, float]:
    """Return ``semseg/foreground_IoU``, ``_precision``, ``_recall`` and ``_F1`` of class 1; NaN where undefined."""
    figures = result.foreground()
    return {
        "semseg/foreground_IoU": figures.iou,
        "semseg/foreground_precision": figures.precision,
        "semseg/foreground_recall": figures.recall,
        "semseg/foreground_F1": figures.f1,
    }


def write_class_table(path: Path, classes: Sequence[str], result: SegmentationResult) -> None:
    """Write one line for each class: pixels in the truth, IoU, accuracy, precision and F1; undefined figures stay empty."""
    figures = (result.per_class_iou(), result.per_class_accuracy(), result.per_class_precision(), result.per_class_f1())
    columns = [[("" if math.isnan(value) else f"{value:.6f}") for value in figure.tolist()] for figure in figures]
    pixels = result.confusion_matrix.sum(dim=1).tolist()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class", "pixels", "IoU", "accuracy", "precision", "F1"])
        writer.writerows(zip(classes, pixels, *columns, strict=True))


def build_semseg_evaluator(cfg: VisionConfig, dataset: Dataset, *, keep_predictions: bool) -> SegmentationEvaluator:
    """Return the evaluator for a data set; classes of the model that the data do not name go by their number.

    Args:
        cfg: the config; ``MODEL.SEMSEG.NUM_CLASSES``, or where that is 0 ``MODEL.NUM_CLASSES``, is the number of classes.
        dataset: the test data.
        keep_predictions: whether :meth:`SegmentationEvaluator.write` will be called.
    """
    names = list(dataset.info.semseg_classes)
    num_classes = cfg.MODEL.SEMSEG.NUM_CLASSES or cfg.MODEL.NUM_CLASSES
    return SegmentationEvaluator(
        classes=[*names, *(str(number) for number in range(len(names), num_classes))], keep_predictions=keep_predictions
    )
