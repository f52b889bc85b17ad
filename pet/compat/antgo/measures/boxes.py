"""Average precision of boxes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pet.compat.antgo.measures.evaluator import Values, array_of
from pet.metrics.coco import Record, coco_precision
from petlib.errors import ConfigError, DataError


class COCOBoxAP:
    """Average precision and recall of boxes as COCO defines them (https://cocodataset.org/#detection-eval).

    Predictions and truth share one system of coordinates, that of the image after the pipeline, and so do the sizes small, medium and
    large.

    Args:
        class_num: number of classes; labels are from 0 to ``class_num - 1``.
        scores_in_box: ``box`` has five columns, the last one the score, and there is no ``score``.

    Raises:
        ConfigError: ``class_num`` is no number of classes.
    """

    def __init__(self, class_num: int, scores_in_box: bool = False) -> None:
        if not isinstance(class_num, int) or class_num < 1:
            raise ConfigError(f"COCOBoxAP: class_num: {class_num!r} given, a number of classes of at least 1 expected")
        self.class_num = class_num
        self.scores_in_box = scores_in_box

    def keys(self) -> dict[str, list[str]]:
        """Return what is compared: ``box`` (N, 4) XYXY in pixels, ``label`` (N,), ``score`` (N,), ``bboxes`` (M, 4), ``labels`` (M,)."""
        return {"pred": ["box", "label"] if self.scores_in_box else ["box", "label", "score"], "gt": ["bboxes", "labels"]}

    def __call__(self, preds: Sequence[Values], gts: Sequence[Values]) -> dict[str, float]:
        """Return ``AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl``, from 0 to 1.

        Raises:
            DataError: arrays have other shapes than they should, or a label is no class.
        """
        truth: list[Record] = []
        found: list[Record] = []
        for number, (pred, gt) in enumerate(zip(preds, gts, strict=True)):
            found += self._detections(number, pred)
            truth += self._objects(number, gt)
        # numbers of annotations count from 1: the matching takes 0 for none
        annotations = [{**record, "id": place, "iscrowd": 0} for place, record in enumerate(truth, start=1)]
        return coco_precision(_document(len(gts), self.class_num, annotations), found, "bbox").figures

    def _detections(self, number: int, pred: Values) -> list[Record]:
        where = f"COCOBoxAP: prediction {number}"
        columns = 5 if self.scores_in_box else 4
        boxes = _rows(array_of(pred, "box", where), columns, f"{where}: box")
        labels = self._labels(array_of(pred, "label", where), len(boxes), f"{where}: label")
        scores = boxes[:, 4] if self.scores_in_box else array_of(pred, "score", where).astype(np.float64).ravel()
        if len(scores) != len(boxes):
            raise DataError(f"{where}: score has {len(scores)} elements and box {len(boxes)} rows; one score for each box expected")
        sizes = _as_xywh(boxes)
        return [
            {"image_id": number, "category_id": label, "score": score, "bbox": box}
            for label, score, box in zip(labels.tolist(), scores.tolist(), sizes.tolist(), strict=True)
        ]

    def _objects(self, number: int, gt: Values) -> list[Record]:
        where = f"COCOBoxAP: sample {number}"
        boxes = _rows(array_of(gt, "bboxes", where), 4, f"{where}: bboxes")
        labels = self._labels(array_of(gt, "labels", where), len(boxes), f"{where}: labels")
        sizes = _as_xywh(boxes)
        return [
            {"image_id": number, "category_id": label, "bbox": box, "area": box[2] * box[3]}
            for label, box in zip(labels.tolist(), sizes.tolist(), strict=True)
        ]

    def _labels(self, labels: np.ndarray, count: int, where: str) -> np.ndarray:
        labels = labels.astype(np.int64).ravel()
        if len(labels) != count:
            raise DataError(f"{where} has {len(labels)} elements for {count} boxes; one for each box expected")
        if labels.size and not 0 <= labels.min() <= labels.max() < self.class_num:
            raise DataError(f"{where} has the classes {labels.min()} to {labels.max()}, 0 to {self.class_num - 1} expected (class_num)")
        return labels


def _rows(boxes: np.ndarray, columns: int, where: str) -> np.ndarray:
    if boxes.size == 0:
        return np.zeros((0, columns))
    if boxes.ndim != 2 or boxes.shape[1] != columns:
        raise DataError(f"{where} has the shape {boxes.shape}, (boxes, {columns}) expected{' (scores_in_box)' if columns == 5 else ''}")
    return boxes.astype(np.float64)


def _as_xywh(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], axis=1)


def _document(images: int, classes: int, annotations: list[Record]) -> dict[str, Any]:
    return {
        "images": [{"id": number} for number in range(images)],
        "categories": [{"id": label, "name": str(label)} for label in range(classes)],
        "annotations": annotations,
    }
