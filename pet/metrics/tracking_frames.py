"""From boxes with identities to what tracking metrics compare: overlaps, and MOTChallenge's rules about what counts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from pet.metrics.tracking import THRESHOLD, TOLERANCE, TrackedFrame, TrackedSequence


class FrameBoxes(NamedTuple):
    """The boxes of a frame.

    Attributes:
        truth: float64 (G, 4): left, top, width, height.
        truth_ids: int64 (G,).
        counted: bool (G,): those that are to be found.
        ignored: bool (G,): what is found in their place counts neither as right nor as wrong.
        tracks: float64 (N, 4), likewise.
        track_ids: int64 (N,).
    """

    truth: np.ndarray
    truth_ids: np.ndarray
    counted: np.ndarray
    ignored: np.ndarray
    tracks: np.ndarray
    track_ids: np.ndarray


class PreparedFrames(NamedTuple):
    """A sequence, and the ids behind its places.

    Attributes:
        sequence: what is measured.
        truth_ids: int64, of each identity.
        track_ids: int64, of each track.
    """

    sequence: TrackedSequence
    truth_ids: np.ndarray
    track_ids: np.ndarray


def prepare_frames(frames: Sequence[FrameBoxes]) -> PreparedFrames:
    """Return a sequence for :func:`pet.metrics.tracking.measure_tracks`: what does not count is left out, ids are numbered without gaps.

    In each frame all tracks are assigned to all boxes of the truth, those that do not count too, by overlaps of at least 0.5; tracks that
    are assigned to an ignored box are left out.
    """
    truth_ids = np.unique(np.concatenate([np.zeros(0, np.int64), *(frame.truth_ids[frame.counted] for frame in frames)]))
    kept = []
    for frame in frames:
        overlap = overlaps_of_extents(frame.truth, frame.tracks)
        left = ~_in_ignored_places(overlap, frame.ignored)
        kept.append((frame, overlap[frame.counted][:, left], frame.track_ids[left]))
    track_ids = np.unique(np.concatenate([np.zeros(0, np.int64), *(ids for *_, ids in kept)]))
    prepared = [
        TrackedFrame(np.searchsorted(truth_ids, frame.truth_ids[frame.counted]), np.searchsorted(track_ids, ids), overlap)
        for frame, overlap, ids in kept
    ]
    return PreparedFrames(TrackedSequence(prepared, len(truth_ids), len(track_ids)), truth_ids, track_ids)


def overlaps_of_extents(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersections over unions of boxes given by left, top, width and height, (N, 4) and (M, 4), float64 (N, M)."""
    first, second = (np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) for boxes in (first, second))
    extent = np.minimum(first[:, None, 2:], second[None, :, 2:]) - np.maximum(first[:, None, :2], second[None, :, :2])
    common = np.maximum(extent[..., 0], 0) * np.maximum(extent[..., 1], 0)
    areas = [(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - common
    has_area = (areas[0] > TOLERANCE)[:, None] & (areas[1] > TOLERANCE)[None] & (union > TOLERANCE)
    shares: np.ndarray = np.divide(common, union, out=np.zeros_like(common), where=has_area)
    return shares


def _in_ignored_places(overlap: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Return bool (N,): tracks that are assigned to ignored boxes."""
    found = np.zeros(overlap.shape[1], bool)
    if ignored.any() and overlap.size:
        worth = np.where(overlap < THRESHOLD - TOLERANCE, 0.0, overlap)
        rows, columns = linear_sum_assignment(worth, maximize=True)
        found[columns[(worth[rows, columns] > TOLERANCE) & ignored[rows]]] = True
    return found
