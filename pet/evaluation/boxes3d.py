"""The evaluator of boxes in space: KITTI's metric, errors in metres and degrees, and result files as KITTI's server takes them."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.files.kitti_text import format_objects
from pet.data.targets.boxes3d import frame_of
from pet.data.targets.dataset import Dataset
from pet.metrics.box_errors import BoxErrors, measure_errors
from pet.metrics.kitti import AveragePrecision, loose_overlap, measure, strict_overlap
from pet.structures.boxes3d import Boxes3D
from pet.structures.objects3d import Objects3D, found_objects
from pet.visual.charts import Chart, Table
from petlib.distributed.collectives import broadcast_object, gather_objects
from petlib.errors import DataError
from petlib.events.writers.console import format_figure
from petlib.files import write_text_atomically

HEADLINE = "moderate"
FOLDER = "kitti"


class SpatialEvaluator:
    """Average precision over the frames of all processes; see :class:`pet.evaluation.evaluator.Evaluator`.

    Predictions hold ``boxes3d`` (N, 7) in the frame of their sample, ``scores3d`` and ``labels3d`` (N,).

    Args:
        dataset: the test data; ``meta["index"]`` of a sample is its place there.
        min_score: of the detections whose errors count.
        keep_predictions: remember what :meth:`write` needs, and report all figures.
    """

    def __init__(self, *, dataset: Dataset, min_score: float, keep_predictions: bool) -> None:
        self._dataset, self._min_score, self._keep = dataset, min_score, keep_predictions
        self._found: dict[int, Objects3D] = {}
        self._all: dict[int, Objects3D] = {}
        self._results: tuple[list[AveragePrecision], list[BoxErrors]] = [], []

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take the predictions of one batch."""
        names = np.array(self._dataset.info.classes)
        for meta, prediction in zip(batch["meta"], predictions, strict=True):
            boxes = Boxes3D(prediction["boxes3d"].float().cpu().numpy(), frame_of({"meta": meta}))
            labels, scores = prediction["labels3d"].cpu().numpy(), prediction["scores3d"].float().cpu().numpy()
            self._found[meta["index"]] = found_objects(names[labels], boxes, scores, meta["calibration"], meta.get("size"))

    def compute(self) -> dict[str, float]:
        """Return ``3d/mAP_R40``, the mean over classes at level moderate, and figures of each class; with predictions kept all of them."""
        shares = gather_objects(self._found)
        results = None if shares is None else self._measure({index: found for share in shares for index, found in share.items()})
        received = broadcast_object(results)
        assert received is not None, "the main process has measured"
        self._results = received
        precisions, errors = received
        if not self._dataset.info.annotated:
            return {}
        shown = precisions if self._keep else [own for own in precisions if own.part == HEADLINE]
        metrics = {f"{own.view}/{own.name}/{own.part}_R40@{own.overlap:g}": own.r40 for own in shown}
        if self._keep:
            metrics |= {f"{own.view}/{own.name}/{own.part}_R11@{own.overlap:g}": own.r11 for own in shown}
        for own in errors:
            metrics |= {f"errors/{own.name}/metres": own.place, f"errors/{own.name}/size_metres": own.size}
            metrics |= {f"errors/{own.name}/degrees": own.yaw}
        return {"3d/mAP_R40": self._mean(strict=True), "3d/mAP_R40_loose": self._mean(strict=False), **metrics}

    def write(self, folder: Path) -> None:
        """Write ``kitti/NAME.txt`` of each frame and ``average_precision.csv``; the main process does it."""
        if not self._all:
            return
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        for index, found in self._all.items():
            truth = self._dataset.truth(index)
            assert truth is not None, "the evaluator has read it before"
            write_text_atomically(folder / FOLDER / f"{truth.id}.txt", format_objects(found, with_scores=True))
        with (folder / "average_precision.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["view", "class", "part", "overlap", "R40", "R11", "objects"])
            for own in self._results[0]:
                writer.writerow([own.view, own.name, own.part, own.overlap, f"{own.r40:.6f}", f"{own.r11:.6f}", own.count])

    def charts(self) -> Sequence[Chart]:
        """Return average precision of each class and level, and the errors of what was found."""
        precisions, errors = self._results
        rows = [[own.name, own.view, own.part, own.overlap, own.count, own.r40] for own in precisions]
        off = [[own.name, own.found, own.count, own.place, own.size, own.yaw] for own in errors]
        return [
            Table("Average precision in space", ["class", "view", "part", "overlap", "objects", "R40 %"], rows),
            Table("Errors of the boxes found", ["class", "found", "objects", "place, m", "size, m", "direction, degrees"], off),
        ]

    def summary(self) -> str:
        """Return e.g. ``test_3d_R40 moderate: mAP: 41.20% | Car@0.7: 52.10% | Car@0.5: 83.30%``."""
        if not self._dataset.info.annotated:
            return f"test_3d: the data have no annotations, so nothing is measured; {FOLDER}/ has the predictions"
        figures = {f"{own.name}@{own.overlap:g}": own.r40 for own in self._results[0] if own.view == "3d" and own.part == HEADLINE}
        shown = {"mAP": self._mean(strict=True), **figures}
        return f"test_3d_R40 {HEADLINE}: " + " | ".join(f"{name}: {format_figure(value, '.2%')}" for name, value in shown.items())

    def _mean(self, *, strict: bool) -> float:
        overlap = strict_overlap if strict else loose_overlap
        chosen = [own for own in self._results[0] if own.view == "3d" and own.part == HEADLINE and own.overlap == overlap(own.name)]
        known = [own.r40 for own in chosen if own.count]
        return float(np.mean(known)) if known else float("nan")

    def _measure(self, found: dict[int, Objects3D]) -> tuple[list[AveragePrecision], list[BoxErrors]]:
        self._all = dict(sorted(found.items())) if self._keep else {}
        if not self._dataset.info.annotated:
            return [], []
        frames = [(self._truth(index), found.get(index, Objects3D.empty())) for index in range(len(self._dataset))]
        classes: Sequence[str] = self._dataset.info.classes
        return measure(frames, classes), measure_errors(frames, classes, min_score=self._min_score)

    def _truth(self, index: int) -> Objects3D:
        truth = self._dataset.truth(index)
        if truth is None or truth.objects3d is None:
            raise DataError(
                "build_evaluation.dataset: boxes in space are to be measured, but the data do not know them; test on other data"
            )
        return truth.objects3d
