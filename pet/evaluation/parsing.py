"""Parts of objects against the part labels of the data."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from pet.data.targets.dataset import Dataset
from pet.evaluation.merged_parts import MergedParts
from pet.evaluation.segmentation import write_class_table
from pet.metrics.parsing import ParsingMetrics, PartPiece, PartTruth
from pet.metrics.segmentation import SegmentationResult
from pet.structures.paste import paste_parts
from pet.typed import VisionConfig
from petlib.distributed.process_group import is_main_process
from petlib.errors import DataError
from petlib.events.writers.console import format_figure

PASTED_PIXELS = 2**25
"""Pixels of detections that are pasted at a time, which bounds the memory: 32 MiB."""


class ParsingEvaluator:
    """mIoU, APp and PCP over the images of all processes; see :class:`pet.evaluation.evaluator.Evaluator`.

    :mod:`pet.metrics.parsing` defines APp and PCP. For the mIoU the parts of all detections whose ``parsing_scores`` reach a threshold
    are painted into one label image, the best in front, and compared with that of the data as in semantic segmentation; the background
    is a class. Only detections of classes count of which some object in the data has parts.

    Args:
        parts: names of the part labels, the background first.
        threshold: part maps with a lower score are not painted.
        keep_predictions: remember what :meth:`write` needs, and report the intersection over union of each part.
    """

    def __init__(self, *, parts: Sequence[str], threshold: float = 0.3, keep_predictions: bool = False) -> None:
        self.parts = list(parts)
        self.threshold = threshold
        self.keep_predictions = keep_predictions
        self._metrics = ParsingMetrics(len(self.parts))
        self._merged = MergedParts(num_parts=len(self.parts), keep_images=keep_predictions)
        self._result: SegmentationResult | None = None
        self._values: dict[str, float] = {}

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take one batch.

        Args:
            batch: of each image ``truth_parsing``, uint8 (H, W), ``truth_instances`` (H, W), ``truth_instance_ids`` (N,),
                ``truth_labels`` (N,) and ``meta`` with ``file`` and ``index``.
            predictions: of each image ``boxes`` (M, 4) in coordinates of the file, ``labels`` (M,), ``parsing`` (M, P, S, S) and
                ``parsing_scores`` (M,).

        Raises:
            DataError: the part labels of an image have another size than its instances.
        """
        fields = zip(
            batch["truth_parsing"], batch["truth_instances"], batch["truth_instance_ids"], batch["truth_labels"], batch["meta"], strict=True
        )
        for prediction, (parsing, instances, instance_ids, labels, meta) in zip(predictions, fields, strict=True):
            if parsing.shape != instances.shape:
                raise DataError(
                    f"{meta['file']}: its part labels have the shape {tuple(parsing.shape)}, its instances {tuple(instances.shape)}; "
                    "the same expected"
                )
            truth = PartTruth(_array(parsing), _array(instances), instance_ids.tolist(), labels.tolist())
            self.add_image(list(paste_pieces(prediction, (parsing.shape[0], parsing.shape[1]))), truth, meta)

    def add_image(self, pieces: Sequence[PartPiece], truth: PartTruth, meta: dict[str, Any]) -> None:
        """Take what was found in an image; ``meta`` has its ``file`` and ``index``."""
        self._metrics.update(meta["index"], pieces, truth)
        painted = [piece for piece in pieces if piece.score >= self.threshold]
        self._merged.add(painted, truth.parsing, meta, self._metrics.labels)

    def compute(self) -> dict[str, float]:
        """Return ``parsing/mIoU``, ``/APp``, ``/APp50`` and ``/PCP50`` over all processes; NaN where there is nothing.

        Where predictions are kept, also ``parsing/IoU/<part>`` of the parts that occur in the truth or in the predictions.
        """
        labels = self._metrics.all_labels()
        result = self._result = self._merged.merge(labels)
        # the background alone says nothing of parts
        self._values = {"parsing/mIoU": result.mean_iou if labels else math.nan, **self._metrics.compute()}
        if not self.keep_predictions:
            return dict(self._values)
        ious = zip(self.parts, result.per_class_iou().tolist(), strict=True)
        return self._values | {f"parsing/IoU/{name}": iou for name, iou in ious if not math.isnan(iou)}

    def write(self, folder: Path) -> None:
        """Write what accompanies the metrics; every process calls it after :meth:`compute`, the main process writes.

        ``parsing/<file stem>.png``: the painted label images, 8 bit. ``per_part_iou.csv``: for each part its pixels in the truth,
        IoU, accuracy (which is the recall), precision and F1; empty where undefined.
        """
        assert self.keep_predictions, "the evaluator was built without keep_predictions"
        assert self._result is not None, "write() is called after compute()"
        folder.mkdir(parents=True, exist_ok=True)
        self._merged.images.write(folder / "parsing")
        if is_main_process():
            write_class_table(folder / "per_part_iou.csv", self.parts, self._result)

    def summary(self) -> str:
        """Return ``test_parsing_mIoU: 56.34% | APp: 53.70% | APp50: 63.72% | PCP50: 59.24%``."""
        assert self._values, "summary() is called after compute()"
        figures = " | ".join(f"{name.removeprefix('parsing/')}: {format_figure(value, '.2%')}" for name, value in self._values.items())
        return f"test_parsing_{figures}"


def paste_pieces(prediction: dict[str, Any], size: tuple[int, int]) -> Iterator[PartPiece]:
    """Yield the detections, each with the part labels of the pixels that its box touches."""
    height, width = size
    boxes, maps = prediction["boxes"], prediction["parsing"]
    scores, labels = prediction["parsing_scores"].tolist(), prediction["labels"].tolist()
    step = max(PASTED_PIXELS // max(height * width, 1), 1)
    for start in range(0, len(boxes), step):
        chunk = slice(start, start + step)
        pasted = _array(paste_parts(maps[chunk], boxes[chunk], size))
        for parts, box, score, label in zip(pasted, boxes[chunk].tolist(), scores[chunk], labels[chunk], strict=True):
            left, top = max(math.floor(box[0]), 0), max(math.floor(box[1]), 0)
            right, bottom = max(math.ceil(box[2]), left), max(math.ceil(box[3]), top)
            # a copy, so that the window does not hold the whole image
            yield PartPiece(label, score, top, left, parts[top:bottom, left:right].copy())


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    return np.asarray(tensor.cpu().numpy())


def build_parsing_evaluator(cfg: VisionConfig, dataset: Dataset, *, keep_predictions: bool) -> ParsingEvaluator:
    """Return the evaluator for a data set; part labels of the model that the data do not name go by their number.

    Args:
        cfg: the config: ``MODEL.PARSING.NUM_PARTS`` and ``TEST.PARSING_THRESHOLD``.
        dataset: the test data.
        keep_predictions: whether :meth:`ParsingEvaluator.write` will be called.
    """
    names = list(dataset.info.part_set.names) if dataset.info.part_set else []
    names += [str(number) for number in range(len(names), cfg.MODEL.PARSING.NUM_PARTS)]
    return ParsingEvaluator(parts=names, threshold=cfg.TEST.PARSING_THRESHOLD, keep_predictions=keep_predictions)
