"""Evaluators of boxes, instance masks and keypoints."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from pet.data.targets.dataset import Dataset, ImageTruth, read_truths
from pet.evaluation.detection_charts import chart_detections
from pet.evaluation.detection_measures import BOX_METRICS, CocoMeasure, Measure, Score
from pet.evaluation.detection_results import DetectionCollector, Detections, distinct_ids, join_shares, result_records
from pet.evaluation.detection_truth import labels_with_keypoints, objects_per_class
from pet.metrics.coco import Kind
from pet.typed import VisionConfig
from pet.visual.charts import Chart
from petlib.config import ConfigError
from petlib.distributed.collectives import broadcast_object, gather_objects
from petlib.errors import DataError
from petlib.events.writers.console import format_figure
from petlib.files import write_text_atomically
from petlib.suggest import did_you_mean

Refine = Callable[[Sequence[ImageTruth], Detections], Detections]


class DetectionEvaluator:
    """Average precision over the images of all processes; see :class:`pet.evaluation.evaluator.Evaluator`.

    Predictions hold ``boxes`` (N, 4), ``scores`` (N,), ``labels`` (N,), and ``masks`` (N, M, M) or ``keypoints`` (N, K, 3) where
    those are measured, in the coordinates of the image file.

    Args:
        dataset: the test data; ``meta["index"]`` of a sample is its place there. The main process asks it for the truth.
        kind: what is compared; names the result file.
        measures: give the metrics.
        keep_predictions: remember what :meth:`write` needs, and report the metrics of each class.
        refine: gives the detections that count, from what is in the images and all detections; None: all.
    """

    def __init__(
        self,
        *,
        dataset: Dataset,
        kind: Kind,
        measures: Sequence[Measure],
        keep_predictions: bool = False,
        refine: Refine | None = None,
    ) -> None:
        self.kind = kind
        self.keep_predictions = keep_predictions
        self._dataset = dataset
        self._measures = list(measures)
        self._refine = refine
        self._collector = DetectionCollector(kind)
        self._scores: list[Score] | None = None
        # on the main process, where predictions are kept
        self._detections: Detections | None = None
        self._image_ids: list[int | str] = []
        self._objects: list[int] = []

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Tensor]]) -> None:
        """Take one batch: ``meta`` of the batch with ``index`` and ``size``, and the predictions of each image."""
        self._collector.add(batch["meta"], predictions)

    def compute(self) -> dict[str, float]:
        """Return the metrics over all processes, from 0 to 1; where predictions are kept also e.g. ``bbox/AP/<class>``.

        NaN: the data have nothing that a figure measures, e.g. no large object for ``bbox/APl``.
        """
        shares = gather_objects(self._collector.share())
        self._scores = broadcast_object(None if shares is None else self._measure(shares))
        assert self._scores is not None, "the main process has measured"
        metrics = {name: value for score in self._scores for name, value in score.metrics.items()}
        if self.keep_predictions:
            tables = {metric: values for score in self._scores for metric, values in score.per_class.items()}
            metrics |= {f"{metric}/{name}": value for metric, values in tables.items() for name, value in values.items()}
        return metrics

    def write(self, folder: Path) -> None:
        """Write what accompanies the metrics; every process calls it after :meth:`compute`, the main process writes.

        ``bbox.json``, ``segm.json`` or ``keypoints.json``: a COCO result file with the data set's own ids, in hundredths of a
        pixel; of joined data sets that have the same ids those are ``<data set>/<id>``. ``<kind>_per_class_ap.csv``: of each class
        its number of objects and its average precision.
        """
        assert self.keep_predictions, "the evaluator was built without keep_predictions"
        assert self._scores is not None, "write() is called after compute()"
        if self._detections is None:
            return
        records = result_records(self._detections, self.kind, self._image_ids, self._dataset.info.category_ids, rounded=True)
        write_text_atomically(folder / f"{self.kind}.json", json.dumps(records))
        tables = {metric: values for score in self._scores for metric, values in score.per_class.items()}
        if not self._dataset.info.annotated:
            return
        with (folder / f"{self.kind}_per_class_ap.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["class", "objects", *tables])
            for name, count in zip(self._dataset.info.classes, self._objects, strict=True):
                writer.writerow([name, count, *(f"{values[name]:.6f}" if name in values else "" for values in tables.values())])

    def summary(self) -> str:
        """Return e.g. ``test_bbox_AP: 54.21% | AP50: 80.10% | AP75: 60.33%``, or that nothing could be measured."""
        assert self._scores is not None, "summary() is called after compute()"
        if not self._dataset.info.annotated:
            return f"test_{self.kind}: the data have no annotations, so nothing is measured; {self.kind}.json has the predictions"
        figures = {name: value for score in self._scores for name, value in score.headline.items()}
        return "test_" + " | ".join(f"{name}: {format_figure(value, '.2%')}" for name, value in figures.items())

    def charts(self) -> Sequence[Chart]:
        """Return precision over recall; of boxes also how scores and sizes are spread, and what is taken for what."""
        found = [chart for score in self._scores or () for chart in score.charts]
        if self.kind != "bbox" or self._detections is None or not self._dataset.info.annotated:
            return found
        return [*found, *chart_detections(list(read_truths(self._dataset)), self._detections, self._dataset.info.classes)]

    def _measure(self, shares: Sequence[Detections]) -> list[Score]:
        classes = len(self._dataset.info.classes)
        truths = list(read_truths(self._dataset))
        detections = join_shares(shares, classes)
        if self._refine is not None:
            detections = self._refine(truths, detections)
        if self.keep_predictions:
            self._detections = detections
            self._image_ids = distinct_ids([truth.id for truth in truths], self._dataset.info.parts)
            self._objects = objects_per_class(truths, classes)
        if not self._dataset.info.annotated:
            return []
        return [measure(truths, detections) for measure in self._measures]


def build_box_evaluator(cfg: VisionConfig, dataset: Dataset, *, keep_predictions: bool) -> DetectionEvaluator:
    """Return what measures boxes as ``EVAL.BOX_METRICS`` says: ``bbox/...``, ``voc/AP50``, ``voc07/AP50``.

    Raises:
        ConfigError: ``EVAL.BOX_METRICS`` is empty or has an unknown name.
        DataError: the data have no boxes.
    """
    names = cfg.EVAL.BOX_METRICS
    if not names:
        raise ConfigError(f"EVAL.BOX_METRICS: nothing given; one or more of {', '.join(BOX_METRICS.names())} expected")
    unknown = next((name for name in names if name not in BOX_METRICS), None)
    if unknown is not None:
        hint = did_you_mean(unknown, BOX_METRICS.names())
        raise ConfigError(f"EVAL.BOX_METRICS: {unknown!r} given, some of {', '.join(BOX_METRICS.names())} expected{hint}")
    check_kind(dataset, "boxes", "MODEL.HAS_BOX")
    chosen: list[Measure] = [BOX_METRICS.get(name)(dataset.info.classes) for name in BOX_METRICS.names() if name in names]
    return DetectionEvaluator(dataset=dataset, kind="bbox", measures=chosen, keep_predictions=keep_predictions)


def build_mask_evaluator(
    cfg: VisionConfig,  # noqa: ARG001 -- builders of evaluators share one signature
    dataset: Dataset,
    *,
    keep_predictions: bool,
) -> DetectionEvaluator:
    """Return what measures instance masks: ``segm/...``.

    Raises:
        DataError: the data have no masks.
    """
    check_kind(dataset, "masks", "MODEL.HAS_MASK")
    measures = [CocoMeasure("segm", dataset.info.classes)]
    return DetectionEvaluator(dataset=dataset, kind="segm", measures=measures, keep_predictions=keep_predictions)


def build_keypoint_evaluator(cfg: VisionConfig, dataset: Dataset, *, keep_predictions: bool) -> DetectionEvaluator:
    """Return what measures keypoints: ``keypoints/...``; classes of which no object has keypoints are left out.

    Raises:
        ConfigError: the data have another number of keypoints than the model.
        DataError: the data have no keypoints.
    """
    check_kind(dataset, "keypoints", "MODEL.HAS_KEYPOINTS")
    if dataset.info.keypoint_set is None:
        assert not dataset.info.annotated, "data with keypoints say what they are"
        return DetectionEvaluator(dataset=dataset, kind="keypoints", measures=[], keep_predictions=keep_predictions)
    sigmas, expected = dataset.info.keypoint_set.sigmas, cfg.MODEL.KEYPOINTS.NUM_KEYPOINTS
    if len(sigmas) != expected:
        raise ConfigError(f"MODEL.KEYPOINTS.NUM_KEYPOINTS: {expected} given, but the objects of the test data have {len(sigmas)} keypoints")
    measures = [CocoMeasure("keypoints", dataset.info.classes, sigmas)]
    return DetectionEvaluator(
        dataset=dataset,
        kind="keypoints",
        measures=measures,
        keep_predictions=keep_predictions,
        refine=with_keypoint_classes,
    )


def with_keypoint_classes(truths: Sequence[ImageTruth], detections: Detections) -> Detections:
    """Return the detections of classes of which some object has a marked keypoint."""
    return detections.select(np.flatnonzero(np.isin(detections.labels, list(labels_with_keypoints(truths)))))


def check_kind(dataset: Dataset, kind: str, switch: str) -> None:
    """Check that data have a kind of target that is to be measured.

    Raises:
        DataError: they have not; the message names the switch of the head.
    """
    if kind not in dataset.info.kinds:
        there = ", ".join(sorted(dataset.info.kinds)) or "nothing"
        raise DataError(
            f"build_evaluation.dataset: {kind} are to be measured, but the data have {there}; "
            f"test on data with {kind} or switch {switch} off"
        )
