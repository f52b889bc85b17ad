"""The share of keypoints that are right, of objects whose boxes are known."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from pet.data.targets.dataset import Dataset, read_truths
from pet.metrics.keypoints import CorrectKeypoints, count_correct
from petlib.distributed.collectives import broadcast_object, gather_objects
from petlib.distributed.process_group import is_main_process
from petlib.events.writers.console import format_figure

HEAD_SHARES = (0.5, 0.1)
WITHOUT_HEAD_UNIT = ("pelvis", "thorax")
"""Keypoints that MPII's evaluation leaves out of the mean of PCKh."""


class _Objects(NamedTuple):
    """Objects: their images, their places there, and what was found of them."""

    images: list[int]
    places: list[int]
    keypoints: list[Tensor]


class CorrectKeypointsEvaluator:
    """PCK, and PCKh where heads are known, over the objects of all processes; see :class:`pet.evaluation.evaluator.Evaluator`.

    ``pck/PCK@0.1`` is the share of all marked keypoints, hidden ones too, that are found within 0.1 of the longer edge of the box of their
    object. ``pck/PCKh@0.5`` is the share within 0.5 of the length of the head, which is 0.6 of the diagonal of its box; pelvis and thorax
    do not count.

    Args:
        dataset: the images; ``meta`` of a crop has its place there as ``index``, and the place of the object among those of its sample as
            ``object``. The main process asks it for the truth.
        shares: of PCK.
    """

    def __init__(self, *, dataset: Dataset, shares: Sequence[float]) -> None:
        self._dataset = dataset
        self._shares = list(shares)
        self._found = _Objects([], [], [])
        self._counts: dict[str, CorrectKeypoints] = {}

    def update(self, batch: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        """Take the crops of one batch; ``keypoints`` (1, K, 3) are in the coordinates of the image file."""
        self._found.images.extend(int(meta["index"]) for meta in batch["meta"])
        self._found.places.extend(int(meta["object"]) for meta in batch["meta"])
        self._found.keypoints.extend(prediction["keypoints"][0].detach() for prediction in predictions)

    def compute(self) -> dict[str, float]:
        """Return the shares over all processes, from 0 to 1; NaN where no keypoint is marked."""
        keypoints = np.array([one.float().cpu().numpy() for one in self._found.keypoints])
        shares = gather_objects((self._found.images, self._found.places, keypoints))
        self._counts = broadcast_object({} if shares is None else self._measure(shares))
        return {f"pck/{name}": self._own(name, counts).share for name, counts in self._counts.items()}

    def write(self, folder: Path) -> None:
        """Write ``pck.csv``: of each keypoint the shares that are right, and how often it is marked; the main process writes."""
        keypoints = self._dataset.info.keypoint_set
        if keypoints is None or not self._counts or not is_main_process():
            return
        with (folder / "pck.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["keypoint", "marked", *self._counts])
            marked = next(iter(self._counts.values())).marked
            for place, name in enumerate(keypoints.names):
                shares = [counts.correct[place] / marked[place] if marked[place] else "" for counts in self._counts.values()]
                writer.writerow([name, int(marked[place]), *(share if share == "" else f"{share:.6f}" for share in shares)])

    def summary(self) -> str:
        """Return e.g. ``test_PCK@0.1: 93.10%``."""
        shares = {name: self._own(name, counts).share for name, counts in self._counts.items()}
        return "test_" + " | ".join(f"{name}: {format_figure(share, '.2%')}" for name, share in shares.items())

    def _measure(self, shares: Sequence[tuple[list[int], list[int], np.ndarray]]) -> dict[str, CorrectKeypoints]:
        truths = [truth.select(~truth.crowd) for truth in read_truths(self._dataset)]
        places = [(image, place) for share in shares for image, place in zip(share[0], share[1], strict=True)]
        if not places:
            return {}
        found = np.concatenate([share[2] for share in shares if len(share[2])])[..., :2]
        objects = [truths[image].select(np.arange(len(truths[image].labels)) == place) for image, place in places]
        truth = np.concatenate([one.keypoints for one in objects if one.keypoints is not None])
        edges = np.array([max(one.boxes[0, 2:] - one.boxes[0, :2]) for one in objects])
        counts = {f"PCK@{share:g}": count_correct(found, truth, edges, share=share) for share in self._shares}
        heads = [one.head_lengths for one in objects if one.head_lengths is not None]
        if len(heads) == len(objects):
            lengths = np.concatenate(heads)
            counts |= {f"PCKh@{share:g}": count_correct(found, truth, lengths, share=share) for share in HEAD_SHARES}
        return counts

    def _own(self, name: str, counts: CorrectKeypoints) -> CorrectKeypoints:
        """Return the counts of the keypoints that the mean goes over."""
        keypoints = self._dataset.info.keypoint_set
        if keypoints is None or not name.startswith("PCKh"):
            return counts
        kept = np.array([own not in WITHOUT_HEAD_UNIT for own in keypoints.names])
        return CorrectKeypoints(counts.correct[kept], counts.marked[kept])
