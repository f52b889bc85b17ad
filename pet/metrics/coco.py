"""Average precision and recall as the COCO challenge defines them (https://cocodataset.org/#detection-eval).

The matching is faster-coco-eval's (https://github.com/MiXaiLL76/faster_coco_eval), pycocotools' rules in C++.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval.core import mask

Kind = Literal["bbox", "segm", "keypoints"]
Record = dict[str, Any]


class _Figure(NamedTuple):
    """Where one number is in the tables of precision and recall.

    Attributes:
        table: ``precision`` or ``recall``.
        area: place of the range of areas.
        limit: place of the greatest number of detections.
        threshold: place of the IoU; None: the mean over all of them.
    """

    table: str
    area: int
    limit: int
    threshold: int | None = None


# the thresholds are 0.50, 0.55, ..., 0.95
_AT_50 = 0
_AT_75 = 5

# ranges of areas: all, small, medium, large; at most 1, 10, 100 detections
_REGION_FIGURES = {
    "AP": _Figure("precision", 0, 2),
    "AP50": _Figure("precision", 0, 2, _AT_50),
    "AP75": _Figure("precision", 0, 2, _AT_75),
    "APs": _Figure("precision", 1, 2),
    "APm": _Figure("precision", 2, 2),
    "APl": _Figure("precision", 3, 2),
    "AR1": _Figure("recall", 0, 0),
    "AR10": _Figure("recall", 0, 1),
    "AR100": _Figure("recall", 0, 2),
    "ARs": _Figure("recall", 1, 2),
    "ARm": _Figure("recall", 2, 2),
    "ARl": _Figure("recall", 3, 2),
}

# ranges of areas: all, medium, large; at most 20 detections
_KEYPOINT_FIGURES = {
    "AP": _Figure("precision", 0, 0),
    "AP50": _Figure("precision", 0, 0, _AT_50),
    "AP75": _Figure("precision", 0, 0, _AT_75),
    "APm": _Figure("precision", 1, 0),
    "APl": _Figure("precision", 2, 0),
    "AR": _Figure("recall", 0, 0),
    "AR50": _Figure("recall", 0, 0, _AT_50),
    "AR75": _Figure("recall", 0, 0, _AT_75),
    "ARm": _Figure("recall", 1, 0),
    "ARl": _Figure("recall", 2, 0),
}


_FIGURES = {"bbox": _REGION_FIGURES, "segm": _REGION_FIGURES, "keypoints": _KEYPOINT_FIGURES}


class ClassPrecision(NamedTuple):
    """Average precision of one class, from 0 to 1."""

    ap: float
    ap50: float


@dataclass(frozen=True)
class CocoResult:
    """What COCO measures.

    Attributes:
        figures: ``AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl``; of keypoints
            ``AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl``. Fractions from 0 to 1; NaN where the ground
            truth has nothing to be found, as large objects for ``APl`` (pycocotools says -1).
        per_class: name of the class -> average precision; classes without ground truth are left out.
        curves: name of a range of IoU -> float64 (101,), the precision at the recalls 0, 0.01, ..., 1, the mean over the classes.
    """

    figures: dict[str, float]
    per_class: dict[str, ClassPrecision]
    curves: dict[str, np.ndarray] = field(default_factory=dict)


def coco_precision(truth: Mapping[str, Any], detections: Sequence[Record], kind: Kind, *, sigmas: Sequence[float] = ()) -> CocoResult:
    """Return the figures of detections in the images of ``truth``; neither is changed, nothing is printed.

    Args:
        truth: a COCO annotation file as a dictionary, with ``images`` (id, height, width), ``categories`` (id, name) and
            ``annotations`` (id from 1, image_id, category_id, bbox as XYWH in pixels, area in square pixels, iscrowd;
            segmentation for ``segm``; keypoints as 3 K numbers and num_keypoints for ``keypoints``).
        detections: records of a COCO result file: image_id, category_id, score, and bbox, segmentation (a compressed RLE) or
            keypoints (3 K numbers). The area of a detection is that of what is measured: box, mask, or extent of the keypoints.
        kind: what is compared: boxes, masks or keypoints.
        sigmas: K spreads of the object keypoint similarity, for ``keypoints`` only.
    """
    figures = _FIGURES[kind]
    if not truth["annotations"]:
        return CocoResult(dict.fromkeys(figures, math.nan), {})
    tables = _match(truth, detections, kind, sigmas)
    return CocoResult(
        {name: _defined_mean(_select(tables, figure)) for name, figure in figures.items()},
        _per_class([category["name"] for category in _sorted_categories(truth)], tables["precision"]),
        _curves(tables["precision"]),
    )


def _match(truth: Mapping[str, Any], detections: Sequence[Record], kind: Kind, sigmas: Sequence[float]) -> dict[str, np.ndarray]:
    """Return precision (thresholds, recalls, classes, areas, limits) and recall (thresholds, classes, areas, limits); -1: undefined."""
    images = [{**image} for image in truth["images"]]
    categories = _sorted_categories(truth)
    known_images = {image["id"] for image in images}
    unknown = next((record["image_id"] for record in detections if record["image_id"] not in known_images), None)
    assert unknown is None, f"a detection is in image {unknown}, which the ground truth does not have"
    annotations = [{**annotation} for annotation in truth["annotations"]]
    expected = COCO({"images": images, "categories": categories, "annotations": annotations})
    found = COCO({"images": images, "categories": categories, "annotations": _as_annotations(detections, kind)})
    options = {"kpt_oks_sigmas": list(sigmas)} if sigmas else {}
    evaluation = COCOeval_faster(expected, found, kind, print_function=_say_nothing, **options)
    evaluation.params.catIds = [category["id"] for category in categories]
    evaluation.evaluate()
    evaluation.accumulate()
    return {"precision": np.asarray(evaluation.eval["precision"]), "recall": np.asarray(evaluation.eval["recall"])}


def _as_annotations(detections: Sequence[Record], kind: Kind) -> list[Record]:
    """Return copies of records of a result file with the fields that the matching needs in addition to theirs."""
    areas = _areas(detections, kind)
    return [
        {**record, "id": number, "area": area, "iscrowd": 0} for number, (record, area) in enumerate(zip(detections, areas, strict=True), 1)
    ]


def _areas(detections: Sequence[Record], kind: Kind) -> list[float]:
    if not detections:
        return []
    if kind == "segm":
        return [float(area) for area in mask.area([record["segmentation"] for record in detections])]
    if kind == "bbox":
        return [record["bbox"][2] * record["bbox"][3] for record in detections]
    points = np.asarray([record["keypoints"] for record in detections], dtype=np.float64)
    widths, heights = (np.ptp(points[:, axis::3], axis=1) for axis in (0, 1))
    extents: list[float] = (widths * heights).tolist()
    return extents


def _sorted_categories(truth: Mapping[str, Any]) -> list[Record]:
    return sorted(truth["categories"], key=lambda category: category["id"])


def _select(tables: Mapping[str, np.ndarray], figure: _Figure) -> np.ndarray:
    table = tables[figure.table][..., figure.area, figure.limit]
    return table if figure.threshold is None else table[figure.threshold]


def _per_class(names: Sequence[str], precision: np.ndarray) -> dict[str, ClassPrecision]:
    # all areas, the greatest number of detections
    table = precision[..., 0, -1]
    classes = {name: table[:, :, place] for place, name in enumerate(names)}
    return {
        name: ClassPrecision(_defined_mean(values), _defined_mean(values[_AT_50]))
        for name, values in classes.items()
        if (values > -1).any()
    }


def _curves(precision: np.ndarray) -> dict[str, np.ndarray]:
    # all areas, the greatest number of detections, the classes that occur
    table = precision[..., 0, -1]
    table = table[:, :, (table > -1).any(axis=(0, 1))]
    return {"IoU 0.50": table[_AT_50].mean(axis=1), "IoU 0.75": table[_AT_75].mean(axis=1), "IoU 0.50 to 0.95": table.mean(axis=(0, 2))}


def _defined_mean(values: np.ndarray) -> float:
    """Return the mean of the entries that are not -1, and NaN where there are none."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else math.nan


def _say_nothing(*_: object) -> None:
    """Take the place of the evaluation's ``print``."""
