"""Metrics of detections, named as they are logged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from pet.data.targets.dataset import ImageTruth
from pet.evaluation.detection_charts import chart_precision
from pet.evaluation.detection_results import Detections, result_records
from pet.evaluation.detection_truth import coco_truth, voc_truth
from pet.metrics.coco import Kind, coco_precision
from pet.metrics.voc import VocDetections, Way, voc_precision
from pet.visual.charts import Chart
from petlib.registry import Registry

BOX_METRICS = Registry(
    "box metric",
    {name: f"pet.evaluation.detection_measures:measure_{name}" for name in ("coco", "voc", "voc07")},
)
"""Name in ``EVAL.BOX_METRICS`` -> what builds a :class:`Measure` of the names of the classes."""


class Score(NamedTuple):
    """What a measure says.

    Attributes:
        metrics: names such as ``bbox/AP``, fractions from 0 to 1; NaN where undefined.
        headline: what a summary shows, short name -> fraction.
        per_class: name of a metric -> class -> fraction; classes without ground truth are left out.
        charts: what more there is to show.
    """

    metrics: dict[str, float]
    headline: dict[str, float]
    per_class: dict[str, dict[str, float]]
    charts: Sequence[Chart] = ()


class Measure(Protocol):
    """Compares what was found with what is there."""

    def __call__(self, truths: Sequence[ImageTruth], detections: Detections) -> Score:
        """Return the figures over all images; ``detections.images`` are places in ``truths``."""
        ...


@dataclass(frozen=True)
class CocoMeasure:
    """COCO's figures, see :func:`pet.metrics.coco.coco_precision`.

    Attributes:
        kind: what is compared: boxes, masks or keypoints.
        classes: names of the classes in the order of their labels.
        sigmas: spreads of the keypoints.
    """

    kind: Kind
    classes: Sequence[str]
    sigmas: Sequence[float] = ()

    def __call__(self, truths: Sequence[ImageTruth], detections: Detections) -> Score:
        """Return all numbers, e.g. ``bbox/AP``, and of each class ``AP`` and ``AP50``."""
        image_ids, category_ids = range(1, len(truths) + 1), range(1, len(self.classes) + 1)
        records = result_records(detections, self.kind, image_ids, category_ids)
        result = coco_precision(coco_truth(truths, self.classes, self.kind), records, self.kind, sigmas=self.sigmas)
        figures = result.figures
        return Score(
            {f"{self.kind}/{name}": value for name, value in figures.items()},
            {f"{self.kind}_AP": figures["AP"], "AP50": figures["AP50"], "AP75": figures["AP75"]},
            {
                f"{self.kind}/AP": {name: own.ap for name, own in result.per_class.items()},
                f"{self.kind}/AP50": {name: own.ap50 for name, own in result.per_class.items()},
            },
            [chart_precision(self.kind, np.linspace(0, 1, 101), result.curves)] if result.curves else [],
        )


@dataclass(frozen=True)
class VocMeasure:
    """VOC's average precision at an IoU of 0.5, see :func:`pet.metrics.voc.voc_precision`.

    Attributes:
        name: first part of the metrics' names.
        way: how the curve becomes a number.
        classes: names of the classes in the order of their labels.
    """

    name: str
    way: Way
    classes: Sequence[str]

    def __call__(self, truths: Sequence[ImageTruth], detections: Detections) -> Score:
        """Return e.g. ``voc/AP50``, over all and of each class."""
        found = VocDetections(detections.images, detections.boxes, detections.scores, detections.labels)
        result = voc_precision(voc_truth(truths), found, way=self.way)
        metric = f"{self.name}/AP50"
        per_class = {self.classes[label]: value for label, value in result.per_class.items()}
        return Score({metric: result.mean}, {f"{self.name}_AP50": result.mean}, {metric: per_class})


def measure_coco(classes: Sequence[str]) -> CocoMeasure:
    """Return COCO's twelve figures of boxes."""
    return CocoMeasure("bbox", classes)


def measure_voc(classes: Sequence[str]) -> VocMeasure:
    """Return VOC's figure under the whole curve."""
    return VocMeasure("voc", "area", classes)


def measure_voc07(classes: Sequence[str]) -> VocMeasure:
    """Return VOC's figure at eleven points, as until 2009."""
    return VocMeasure("voc07", "11point", classes)
