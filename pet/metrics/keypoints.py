"""Metrics of keypoints in addition to COCO's: the similarity of poses, their suppression, and the share of correct keypoints."""

from typing import NamedTuple

import numpy as np


def pose_similarity(pose: np.ndarray, area: float, others: np.ndarray, other_areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Return how similar other poses are to one, float64 (N,) from 0 to 1.

    It is the mean over the keypoints of ``exp(-d^2 / (2 (2 sigma)^2 a))``, d being their distance and a the mean of both areas, as in the
    suppression of https://arxiv.org/abs/1902.09212. (COCO's similarity of a detection to an object takes the area of the object, and only
    the keypoints that are marked.)

    Args:
        pose: (K, 2), pixels.
        area: of its box, square pixels.
        others: (N, K, 2).
        other_areas: (N,).
        sigmas: (K,), spreads of the keypoints as fractions of the scale of an object.
    """
    distances = ((others.astype(np.float64) - pose) ** 2).sum(axis=-1)
    areas = np.maximum((area + other_areas.astype(np.float64)) / 2, np.spacing(1))[:, None]
    similar: np.ndarray = np.exp(-distances / (8.0 * np.asarray(sigmas, np.float64) ** 2 * areas)).mean(axis=1)
    return similar


def suppress_poses(poses: np.ndarray, areas: np.ndarray, scores: np.ndarray, sigmas: np.ndarray, *, threshold: float) -> np.ndarray:
    """Return the places, int64 (M,) ascending, of the poses of an image that stay when the weaker of two similar ones is dropped.

    Args:
        poses: (N, K, 2), pixels.
        areas: (N,), of their boxes.
        scores: (N,).
        sigmas: (K,), see :func:`pose_similarity`.
        threshold: similarity above which the pose with the lower score is dropped.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(waiting):
        best, waiting = int(waiting[0]), waiting[1:]
        kept.append(best)
        similar = pose_similarity(poses[best], float(areas[best]), poses[waiting], areas[waiting], sigmas)
        waiting = waiting[similar <= threshold]
    return np.array(sorted(kept), np.int64)


class CorrectKeypoints(NamedTuple):
    """How many keypoints are right.

    Attributes:
        correct: int64 (K,), marked keypoints whose distance is small enough.
        marked: int64 (K,).
    """

    correct: np.ndarray
    marked: np.ndarray

    @property
    def share(self) -> float:
        """Return the share of all marked keypoints that is right, so that each counts the same; NaN without any."""
        total = int(self.marked.sum())
        return float(self.correct.sum()) / total if total else float("nan")


def count_correct(found: np.ndarray, truth: np.ndarray, lengths: np.ndarray, *, share: float) -> CorrectKeypoints:
    """Return how many keypoints lie within a share of a length around their true place.

    With the longer edge of the box of each object as its length this is PCK, with 0.6 of the diagonal of the box of its head PCKh, the unit
    of MPII's own evaluation (https://arxiv.org/abs/1804.06208 reports it at 0.5).

    Args:
        found: (N, K, 2), pixels.
        truth: (N, K, 3): x, y, visibility; keypoints of visibility 0 do not count.
        lengths: (N,), pixels.
        share: distances up to this share of the length are right.
    """
    distances = np.linalg.norm(found.astype(np.float64) - truth[..., :2], axis=-1)
    marked = truth[..., 2] > 0
    right = marked & (distances <= share * lengths.astype(np.float64)[:, None])
    return CorrectKeypoints(right.sum(axis=0), marked.sum(axis=0))
