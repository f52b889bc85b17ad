"""Average precision as KITTI's development kit computes it: 41 places of recall, and a matching of its own for each of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

PLACES = 41
"""Places of recall, from 0 to 1."""
COUNTS, IGNORED, ABSENT = 0, 1, -1
"""What an annotation or a detection is: it counts; it may be matched, which is neither right nor wrong; it is as if it were not there."""


class FrameOverlaps(NamedTuple):
    """A frame with G annotations and D detections, looked at in K ways, e.g. levels of difficulty.

    Attributes:
        overlaps: float64 (G, D).
        scores: float64 (D,).
        truth_flags: int8 (K, G), ``COUNTS``, ``IGNORED`` or ``ABSENT``.
        found_flags: int8 (K, D), likewise.
        excused: bool (D,), detections that are not wrong where nothing matches them.
        similarity: float64 (G, D), from 0 to 1: how well the directions agree.
    """

    overlaps: np.ndarray
    scores: np.ndarray
    truth_flags: np.ndarray
    found_flags: np.ndarray
    excused: np.ndarray
    similarity: np.ndarray


class Precisions(NamedTuple):
    """Of each way of looking, at 41 places of recall, none smaller than those behind it; float64 (K, 41).

    Attributes:
        precision: right ones among the detections.
        similarity: likewise, each right one weighed by how well its direction agrees.
        counts: int64 (K,), annotations that count; where there are none the other numbers mean nothing.
    """

    precision: np.ndarray
    similarity: np.ndarray
    counts: np.ndarray


def measure_precisions(frames: Sequence[FrameOverlaps], *, min_overlap: float) -> Precisions:
    """Return the precisions of a class over all frames.

    Source: the development kit of https://www.cvlibs.net/datasets/kitti/eval_object.php. A first matching, of all detections, gives the
    scores at which each place of recall is reached; for each of these a second matching counts what is right and wrong.

    Args:
        frames: at least one, all with the same K.
        min_overlap: an annotation and a detection belong together where their overlap is greater.
    """
    ways = frames[0].truth_flags.shape[0]
    counts = np.sum([(frame.truth_flags == COUNTS).sum(axis=1) for frame in frames], axis=0)
    right: list[list[np.ndarray]] = [[] for _ in range(ways)]
    for frame in frames:
        for way, scores in enumerate(_right_scores(frame, min_overlap)):
            right[way].append(scores)
    thresholds = np.full((ways, PLACES), np.inf)
    for way in range(ways):
        reached = reach_recalls(np.concatenate(right[way]), int(counts[way]))
        thresholds[way, : len(reached)] = reached
    totals = np.zeros((3, ways, PLACES))
    for frame in frames:
        if len(frame.scores):
            totals += _count_at(frame, thresholds, min_overlap)
    true, false, similarity = totals
    found = np.maximum(true + false, 1)
    return Precisions(_descending(true / found), _descending(similarity / found), counts)


def reach_recalls(scores: np.ndarray, count: int) -> np.ndarray:
    """Return the scores, at most 41 and descending, at which the recalls 0, 1/40, 2/40, ... are best met.

    The development kit gives each score at most one place. That is the same for more than 60 annotations; with fewer of them even perfect
    detections could not reach 100 %, so here a score may have several.

    Args:
        scores: float64 (R,), of the detections that are right.
        count: annotations.
    """
    ordered = np.sort(scores)[::-1]
    reached: list[float] = []
    recall = 0.0
    for place, score in enumerate(ordered):
        left, last = (place + 1) / count, place == len(ordered) - 1
        right = left if last else (place + 2) / count
        taken = 0
        # the sums and differences of the development kit: places that lie between two recalls are a matter of the last bit
        while len(reached) < PLACES and (recall <= left + 1e-9 or not taken if last else right - recall >= recall - left):
            reached.append(float(score))
            recall += 1 / (PLACES - 1)
            taken += 1
    return np.array(reached)


def _right_scores(frame: FrameOverlaps, min_overlap: float) -> list[np.ndarray]:
    """Return of each way the scores of the detections that are right: each annotation takes the free one with the highest score."""
    free = frame.found_flags != ABSENT
    right = np.zeros_like(free)
    ways = np.arange(len(free))
    hits = frame.overlaps > min_overlap
    for place in np.flatnonzero(hits.any(axis=1)):
        flags = frame.truth_flags[:, place]
        candidates = free & hits[place] & (flags != ABSENT)[:, None]
        matched = candidates.any(axis=1)
        best = np.where(candidates, frame.scores, -np.inf).argmax(axis=1)
        free[ways[matched], best[matched]] = False
        counted = matched & (flags == COUNTS) & (frame.found_flags[ways, best] == COUNTS)
        right[ways[counted], best[counted]] = True
    return [frame.scores[own] for own in right]


def _count_at(frame: FrameOverlaps, thresholds: np.ndarray, min_overlap: float) -> np.ndarray:
    """Return float64 (3, K, 41): right detections, wrong ones and the similarity of right ones, of scores from each threshold on.

    Each annotation takes the free detection of the greatest overlap; one that is ignored only where there is no other.
    """
    above = frame.scores >= thresholds[:, :, None]
    valid, ignored = (frame.found_flags == COUNTS)[:, None], (frame.found_flags == IGNORED)[:, None]
    free = above & (valid | ignored)
    true, similarity = np.zeros(thresholds.shape), np.zeros(thresholds.shape)
    ways, places = (np.broadcast_to(axis, thresholds.shape) for axis in np.ogrid[: thresholds.shape[0], : thresholds.shape[1]])
    hits = frame.overlaps > min_overlap
    for row in np.flatnonzero(hits.any(axis=1)):
        flags = frame.truth_flags[:, row, None]
        candidates = free & hits[row] & (flags != ABSENT)[..., None]
        best = np.where(candidates & valid, frame.overlaps[row], -1.0).argmax(axis=2)
        has_valid = (candidates & valid).any(axis=2)
        chosen = np.where(has_valid, best, (candidates & ignored).argmax(axis=2))
        matched = candidates.any(axis=2)
        free[ways[matched], places[matched], chosen[matched]] = False
        counted = has_valid & (flags == COUNTS)
        true += counted
        similarity += counted * frame.similarity[int(row)][chosen]
    false = (free & valid & ~frame.excused).sum(axis=2)
    return np.stack([true, false, similarity])


def _descending(values: np.ndarray) -> np.ndarray:
    raised: np.ndarray[Any, Any] = np.maximum.accumulate(values[:, ::-1], axis=1)
    return raised[:, ::-1]
