"""Places on surfaces against the marked points of the data."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.targets.dataset import Dataset, ImageTruth
from pet.evaluation.detection import check_kind
from pet.metrics.surface import FoundObject, MarkedObject, SurfaceOverlaps, overlaps, surface_precision
from pet.structures.surface_files import surface_record
from pet.structures.surfaces import SurfaceMesh, read_mesh
from pet.typed import VisionConfig
from petlib.config import ConfigError
from petlib.distributed.collectives import all_gather_objects
from petlib.distributed.process_group import is_main_process
from petlib.events.writers.console import format_figure
from petlib.files import write_text_atomically

MEASURES = ("gps", "gpsm")


class SurfaceEvaluator:
    """Average precision by the similarity of points (GPS), and of points and masks (GPSm), over the images of all processes.

    :mod:`pet.metrics.surface` has the rules. What is compared is computed batch by batch: a few numbers stay of each image.

    Args:
        dataset: the test data; ``meta["index"]`` of a sample is its place there.
        mesh: of the surface; None: the data have no points, so that nothing is measured.
        keep_predictions: remember what :meth:`write` needs.
    """

    def __init__(self, *, dataset: Dataset, mesh: SurfaceMesh | None, keep_predictions: bool = False) -> None:
        self._dataset = dataset
        self._mesh = mesh
        self._keep_predictions = keep_predictions
        self._overlaps: dict[tuple[int, int], SurfaceOverlaps] = {}
        self._records: dict[int, list[dict[str, Any]]] = {}
        self._metrics: dict[str, float] = {}

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take one batch: ``meta`` with ``index``, and of each prediction ``boxes``, ``scores``, ``labels`` and ``surface``."""
        for meta, prediction in zip(batch["meta"], predictions, strict=True):
            place = int(meta["index"])
            truth = self._dataset.truth(place)
            assert truth is not None, "data with surfaces know the objects of their images"
            arrays = {name: prediction[name].cpu().numpy() for name in ("boxes", "scores", "labels", "surface")}
            found = found_objects(arrays)
            if self._mesh is not None:
                self._compare(place, truth, arrays["labels"], found, self._mesh)
            if self._keep_predictions:
                self._records[place] = self._describe(truth, arrays["labels"], found)

    def _compare(self, place: int, truth: ImageTruth, labels: np.ndarray, found: Sequence[FoundObject], mesh: SurfaceMesh) -> None:
        objects = marked_objects(truth)
        for label in range(self._dataset.info.num_classes):
            own = [one for one, its in zip(objects, truth.labels, strict=True) if its == label]
            chosen = [found[row] for row in np.flatnonzero(labels == label).tolist()]
            if own or chosen:
                self._overlaps[place, label] = overlaps(chosen, own, mesh, (truth.height, truth.width))

    def _describe(self, truth: ImageTruth, labels: np.ndarray, found: Sequence[FoundObject]) -> list[dict[str, Any]]:
        ids = self._dataset.info.category_ids
        chosen = [(label, one) for label, one in zip(labels, found, strict=True) if label < len(ids)]
        return [
            {"image_id": truth.id, "category_id": ids[label], "score": round(one.score, 8), **surface_record(one.surface, one.box)}
            for label, one in chosen
        ]

    def compute(self) -> dict[str, float]:
        """Return ``gps/AP``, ``gps/AP50``, ..., ``gpsm/ARl`` over all processes, from 0 to 1; NaN: the data have nothing to be found."""
        everything = {place: own for share in all_gather_objects(self._overlaps) for place, own in share.items()}
        classes = [[everything[key] for key in sorted(everything) if key[1] == label] for label in range(self._dataset.info.num_classes)]
        if self._mesh is not None:
            for measure in MEASURES:
                figures = surface_precision(classes, "gps" if measure == "gps" else "gpsm")
                self._metrics |= {f"{measure}/{name}": value for name, value in figures.items()}
        return dict(self._metrics)

    def write(self, folder: Path) -> None:
        """Write ``surface.json``, a result file of the DensePose challenge; every process calls it, the main process writes."""
        assert self._keep_predictions, "the evaluator was built without keep_predictions"
        everything = {place: own for share in all_gather_objects(self._records) for place, own in share.items()}
        if is_main_process():
            records = [record for place in sorted(everything) for record in everything[place]]
            write_text_atomically(folder / "surface.json", json.dumps(records))

    def summary(self) -> str:
        """Return ``test_gps_AP: 50.10% | AP50: 90.20% | gpsm_AP: ...``, or that nothing could be measured."""
        if self._mesh is None:
            return "test_surface: the data have no points of surfaces, so nothing is measured; surface.json has the predictions"
        shown = [("gps_AP", "gps/AP"), ("AP50", "gps/AP50"), ("AP75", "gps/AP75"), ("gpsm_AP", "gpsm/AP"), ("AP50", "gpsm/AP50")]
        return "test_" + " | ".join(f"{name}: {format_figure(self._metrics[key], '.2%')}" for name, key in shown)


def found_objects(arrays: dict[str, np.ndarray]) -> list[FoundObject]:
    """Return the detections of an image from its arrays ``boxes`` (N, 4) XYXY, ``scores`` (N,) and ``surface`` (N, 3, M, M)."""
    boxes = arrays["boxes"].astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    columns = boxes.tolist(), arrays["scores"].astype(np.float64).tolist(), arrays["surface"]
    return [FoundObject((left, top, width, height), score, own) for (left, top, width, height), score, own in zip(*columns, strict=True)]


def marked_objects(truth: ImageTruth) -> list[MarkedObject]:
    """Return the objects of an image."""
    boxes = truth.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    surfaces = truth.surfaces or [None] * len(boxes)
    columns = boxes.tolist(), truth.areas.tolist(), truth.crowd.tolist(), surfaces
    return [
        MarkedObject((left, top, width, height), area, crowd) if own is None else MarkedObject(own.box, area, crowd, own.points, own.mask)
        for (left, top, width, height), area, crowd, own in zip(*columns, strict=True)
    ]


def build_surface_evaluator(cfg: VisionConfig, dataset: Dataset, *, keep_predictions: bool) -> SurfaceEvaluator:
    """Return what measures surfaces: ``gps/...`` and ``gpsm/...``.

    Raises:
        ConfigError: the data have another number of parts than the model.
        DataError: the data have no points of surfaces, or their mesh cannot be read.
    """
    check_kind(dataset, "surface", "MODEL.HAS_SURFACE")
    surfaces = dataset.info.surface_set
    if surfaces is not None and len(surfaces.names) + 1 != cfg.MODEL.SURFACE.NUM_PARTS:
        raise ConfigError(
            f"MODEL.SURFACE.NUM_PARTS: {cfg.MODEL.SURFACE.NUM_PARTS} given, but the surfaces of the test data have "
            f"{len(surfaces.names)} parts and the background; set it to {len(surfaces.names) + 1}"
        )
    mesh = read_mesh(surfaces.mesh) if surfaces is not None and dataset.info.annotated else None
    return SurfaceEvaluator(dataset=dataset, mesh=mesh, keep_predictions=keep_predictions)
