"""Tracks of sequences whose frames several processes predict: the figures do not depend on how many these are."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from pet.data.files.mot_text import format_results
from pet.data.targets.dataset import Dataset, ImageTruth
from pet.metrics.tracking import TrackingSums, measure_tracks
from pet.metrics.tracking_frames import FrameBoxes, prepare_frames
from pet.tracking import Detections, Tracker, build_tracker
from pet.typed import VisionConfig
from pet.visual.charts import Chart, Table
from petlib.distributed.collectives import all_gather_objects
from petlib.distributed.process_group import is_main_process, rank, world_size
from petlib.errors import DataError
from petlib.files import write_text_atomically

METRICS = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW")
EMBEDDINGS = "embeddings"


class _Frame(NamedTuple):
    """What was found in the frame at a place of the data set."""

    place: int
    detections: Detections


class TrackingEvaluator:
    """Follows what was found in each sequence, and measures the tracks; see :class:`pet.evaluation.evaluator.Evaluator`.

    Predictions hold ``boxes`` (N, 4), ``scores`` (N,), ``labels`` (N,), and perhaps ``embeddings`` (N, D), in the coordinates of the file.
    Frames are gathered first, as the share of a process may begin within a sequence; then each process follows whole sequences.

    Args:
        dataset: the test data, whose :meth:`Dataset.truth` has ``identities``, ``sequence``, ``frame`` and ``time``; ``meta["index"]`` of
            a sample is its place there.
        new_tracker: gives a tracker for a sequence.
        keep_predictions: remember what :meth:`write` needs.
    """

    def __init__(self, *, dataset: Dataset, new_tracker: Callable[[], Tracker], keep_predictions: bool = False) -> None:
        self._dataset = dataset
        self._new_tracker = new_tracker
        self._keep = keep_predictions
        self._frames: list[_Frame] = []
        self._sums: dict[str, TrackingSums] = {}
        self._texts: dict[str, str] = {}

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Tensor]]) -> None:
        """Take one batch: ``meta`` with ``index``, and the predictions of each image."""
        for meta, found in zip(batch["meta"], predictions, strict=True):
            boxes, scores, labels = (found[name].detach().float().cpu().numpy() for name in ("boxes", "scores", "labels"))
            # half of the memory, and as close as cosines need
            looks = found[EMBEDDINGS].detach().half().cpu().numpy() if EMBEDDINGS in found else None
            self._frames.append(_Frame(int(meta["index"]), Detections(boxes, scores, labels.astype(np.int64), looks)))

    def compute(self) -> dict[str, float]:
        """Return ``track/HOTA``, ``DetA``, ``AssA``, ``MOTA``, ``IDF1`` and switches ``IDSW``, over all sequences and classes.

        Raises:
            DataError: the data have no sequences, or two of the same name.
        """
        frames = {frame.place: frame for share in all_gather_objects(self._frames) for frame in share}
        sequences: dict[str, list[tuple[ImageTruth, Detections]]] = defaultdict(list)
        for index in sorted(frames):
            truth = self._dataset.truth(index)
            if truth is None or not truth.sequence or truth.identities is None:
                raise DataError("the test data have no sequences with identities, which tracks are measured on; choose others")
            sequences[truth.sequence].append((truth, frames[index].detections))
        _check_names(sequences)
        names = sorted(sequences)
        own = {name: self._follow(sequences[name]) for name in names[rank() :: world_size()]}
        gathered = {name: result for share in all_gather_objects(own) for name, result in share.items()}
        self._sums = {name: gathered[name][0] for name in names}
        self._texts = {name: gathered[name][1] for name in names} if self._keep else {}
        return {f"track/{name}": value for name, value in self._figures().items()}

    def write(self, folder: Path) -> None:
        """Write ``tracks/<sequence>.txt``, files of results of MOTChallenge, and ``tracks.json``, the figures of each sequence."""
        if not is_main_process():
            return
        (folder / "tracks").mkdir(parents=True, exist_ok=True)
        for name, text in self._texts.items():
            write_text_atomically(folder / "tracks" / f"{name.replace('/', '_')}.txt", text)
        write_text_atomically(folder / "tracks.json", json.dumps({name: sums.figures() for name, sums in self._sums.items()}))

    def charts(self) -> Sequence[Chart]:
        """Return the figures of each sequence."""
        # a count is a whole number, which pages show as one
        figures = {name: {**(found := sums.figures()), "IDSW": round(found["IDSW"])} for name, sums in self._sums.items()}
        rows = [[name, *(own[figure] for figure in METRICS)] for name, own in figures.items()]
        return [Table("Tracks by sequence", ["sequence", *METRICS], rows)]

    def summary(self) -> str:
        """Return ``test_HOTA: 75.12% | test_MOTA: 80.20% | test_IDF1: 88.94% | test_IDSW: 23``."""
        figures = self._figures()
        shares = [f"test_{name}: {100 * figures[name]:.2f}%" for name in ("HOTA", "MOTA", "IDF1")]
        return " | ".join([*shares, f"test_IDSW: {figures['IDSW']:.0f}"])

    def _figures(self) -> dict[str, float]:
        first, *others = self._sums.values()
        figures = sum(others, first).figures()
        return {name: figures[name] for name in METRICS}

    def _follow(self, frames: list[tuple[ImageTruth, Detections]]) -> tuple[TrackingSums, str]:
        frames = sorted(frames, key=lambda frame: frame[0].frame)
        tracker = self._new_tracker()
        tracks = [(truth, found, tracker.update(truth.time, found)) for truth, found in frames]
        classes = sorted({label for truth, _ in frames for label in truth.labels.tolist()} | {0})
        first, *others = (measure_tracks(prepare_frames([_compared(*own, label) for own in tracks]).sequence)[0] for label in classes)
        lines = [
            (
                truth.frame,
                ids[ids > 0],
                found.boxes[ids > 0],
                found.scores[ids > 0],
                found.labels[ids > 0] + 1 if len(classes) > 1 else None,
            )
            for truth, found, ids in tracks
        ]
        return sum(others, first), format_results(lines) if self._keep else ""


def _check_names(sequences: Mapping[str, Sequence[tuple[ImageTruth, Detections]]]) -> None:
    """Refuse two sequences of one name, in every process: joined data sets may have them."""
    for name, frames in sequences.items():
        if len({truth.frame for truth, _ in frames}) < len(frames):
            raise DataError(f"the test data have two sequences called {name}; measure them one after another")


def _compared(truth: ImageTruth, found: Detections, ids: np.ndarray, label: int) -> FrameBoxes:
    """Return the boxes of a class; what is crowd is ignored, of whatever class."""
    own, tracked = truth.crowd | (truth.labels == label), (ids > 0) & (found.labels == label)
    assert truth.identities is not None, truth.file
    crowd, identities = truth.crowd[own], truth.identities[own]
    return FrameBoxes(
        truth=_extents(truth.boxes[own]),
        truth_ids=identities,
        counted=~crowd & (identities >= 0),
        ignored=crowd | (identities < 0),
        tracks=_extents(found.boxes[tracked]),
        track_ids=ids[tracked],
    )


def _extents(boxes: np.ndarray) -> np.ndarray:
    boxes = boxes.astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def build_tracking_evaluator(cfg: VisionConfig, dataset: Dataset, *, keep_predictions: bool) -> TrackingEvaluator | None:
    """Return the evaluator of the tracks of the test data, by the tracker ``TEST.TRACKER``; None: that is empty."""
    entry = cfg.TEST.TRACKER
    if not entry:
        return None
    # a mistake ends the run before a prediction is made
    build_tracker(entry, place="TEST.TRACKER")
    return TrackingEvaluator(
        dataset=dataset, new_tracker=lambda: build_tracker(entry, place="TEST.TRACKER"), keep_predictions=keep_predictions
    )
