"""HOTA, CLEAR and IDF1 of tracks, as the server of MOTChallenge computes them.

HOTA: Luiten et al., https://arxiv.org/abs/2009.07736. CLEAR: Bernardin and Stiefelhagen, https://doi.org/10.1155/2008/246309. IDF1: Ristani
et al., https://arxiv.org/abs/1609.01775.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

THRESHOLDS = np.arange(0.05, 0.99, 0.05)
"""Least overlaps of a match, over which HOTA is a mean."""
THRESHOLD = 0.5
"""Of CLEAR and IDF1."""
MOSTLY, BARELY = 0.8, 0.2
"""Shares of its frames in which an identity that is mostly tracked is matched, and one that is mostly lost."""
TOLERANCE = float(np.finfo(float).eps)
CONTINUED = 1000.0
"""What a match of the frame before is worth in addition to its overlap: CLEAR keeps those that still hold."""


class TrackedFrame(NamedTuple):
    """A frame of a sequence.

    Attributes:
        truth: int64 (G,), which of the identities of the sequence are in it, from 0 on.
        tracks: int64 (N,), which of the tracks, from 0 on.
        overlap: float64 (G, N).
    """

    truth: np.ndarray
    tracks: np.ndarray
    overlap: np.ndarray


class TrackedSequence(NamedTuple):
    """A sequence; identities and tracks are numbered from 0 on, without gaps.

    Attributes:
        frames: in their order.
        num_truth: identities.
        num_tracks: tracks.
    """

    frames: Sequence[TrackedFrame]
    num_truth: int
    num_tracks: int


class Switch(NamedTuple):
    """An identity is matched with another track than before.

    Attributes:
        frame: place of the frame.
        truth: the identity.
        before: the track that it was matched with before.
        after: the track now.
        last: place of the frame in which it was matched last.
    """

    frame: int
    truth: int
    before: int
    after: int
    last: int


@dataclass(frozen=True)
class TrackingSums:
    """What figures are made of; sums of sequences are those of all of them together.

    Attributes:
        detections: float64 (3, 19), of each threshold true positives, misses and false positives.
        association: float64 (3, 19), sums over true positives of the accuracy, recall and precision of the association.
        overlap: float64 (19,), sum of the overlaps of the true positives.
        counts: of CLEAR and IDF1, by name.
    """

    detections: np.ndarray
    association: np.ndarray
    overlap: np.ndarray
    counts: dict[str, float]

    def __add__(self, other: "TrackingSums") -> "TrackingSums":
        """Return the sums of both."""
        counts = {name: value + other.counts[name] for name, value in self.counts.items()}
        return TrackingSums(self.detections + other.detections, self.association + other.association, self.overlap + other.overlap, counts)

    def figures(self) -> dict[str, float]:
        """Return all figures: fractions from 0 to 1, and counts. MOTA may be below 0."""
        return self._hota() | self._clear() | self._identity()

    def _hota(self) -> dict[str, float]:
        hits, misses, wrong = self.detections
        accuracy, recall, precision = self.association / np.maximum(1, hits)
        detection = hits / np.maximum(1, hits + misses + wrong)
        return {
            "HOTA": float(np.sqrt(detection * accuracy).mean()),
            "DetA": float(detection.mean()),
            "AssA": float(accuracy.mean()),
            "DetRe": float((hits / np.maximum(1, hits + misses)).mean()),
            "DetPr": float((hits / np.maximum(1, hits + wrong)).mean()),
            "AssRe": float(recall.mean()),
            "AssPr": float(precision.mean()),
            "LocA": float((np.maximum(1e-10, self.overlap) / np.maximum(1e-10, hits)).mean()),
        }

    def _clear(self) -> dict[str, float]:
        counts = self.counts
        hits, misses, wrong, switches = (counts[name] for name in ("TP", "FN", "FP", "IDSW"))
        return {
            "MOTA": (hits - wrong - switches) / max(1.0, hits + misses),
            "MOTP": counts["overlap"] / max(1.0, hits),
            "recall": hits / max(1.0, hits + misses),
            "precision": hits / max(1.0, hits + wrong),
            **{name: counts[name] for name in ("TP", "FN", "FP", "IDSW", "MT", "PT", "ML", "Frag")},
        }

    def _identity(self) -> dict[str, float]:
        hits, misses, wrong = (self.counts[name] for name in ("IDTP", "IDFN", "IDFP"))
        return {
            "IDF1": hits / max(1.0, hits + 0.5 * wrong + 0.5 * misses),
            "IDR": hits / max(1.0, hits + misses),
            "IDP": hits / max(1.0, hits + wrong),
            "IDTP": hits,
            "IDFN": misses,
            "IDFP": wrong,
        }


def measure_tracks(sequence: TrackedSequence) -> tuple[TrackingSums, list[Switch]]:
    """Return what the figures of a sequence are made of, and where identities change their tracks."""
    truth_counts, track_counts = _count(sequence)
    detections, association, overlap = _measure_hota(sequence, truth_counts, track_counts)
    clear, switches = _measure_clear(sequence, truth_counts)
    return TrackingSums(detections, association, overlap, clear | _measure_identity(sequence, truth_counts, track_counts)), switches


def _count(sequence: TrackedSequence) -> tuple[np.ndarray, np.ndarray]:
    """Return in how many frames each identity is, and each track, float64."""
    truth = np.concatenate([np.zeros(0, np.int64), *(frame.truth for frame in sequence.frames)])
    tracks = np.concatenate([np.zeros(0, np.int64), *(frame.tracks for frame in sequence.frames)])
    return (
        np.bincount(truth, minlength=sequence.num_truth).astype(np.float64),
        np.bincount(tracks, minlength=sequence.num_tracks).astype(np.float64),
    )


def _measure_hota(
    sequence: TrackedSequence, truth_counts: np.ndarray, track_counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    common = np.zeros((sequence.num_truth, sequence.num_tracks))
    for truth, tracks, overlap in sequence.frames:
        either = overlap.sum(axis=0, keepdims=True) + overlap.sum(axis=1, keepdims=True) - overlap
        # an identity is in a frame once
        common[np.ix_(truth, tracks)] += np.divide(overlap, either, out=np.zeros_like(overlap), where=either > TOLERANCE)
    alignment = common / np.maximum(truth_counts[:, None] + track_counts[None] - common, TOLERANCE)
    pairs, values = [np.zeros((2, 0), np.int64)], [np.zeros(0)]
    for truth, tracks, overlap in sequence.frames:
        rows, columns = linear_sum_assignment(alignment[np.ix_(truth, tracks)] * overlap, maximize=True)
        pairs.append(np.stack([truth[rows], tracks[columns]]))
        values.append(overlap[rows, columns])
    matched, similarity = np.concatenate(pairs, axis=1), np.concatenate(values)
    is_hit = similarity[None] >= THRESHOLDS[:, None] - TOLERANCE
    hits = is_hit.sum(axis=1).astype(np.float64)
    detections = np.stack([hits, truth_counts.sum() - hits, track_counts.sum() - hits])
    return detections, _association(matched, is_hit, truth_counts, track_counts), (similarity[None] * is_hit).sum(axis=1)


def _association(matched: np.ndarray, is_hit: np.ndarray, truth_counts: np.ndarray, track_counts: np.ndarray) -> np.ndarray:
    """Return sums over true positives, (3, 19), of accuracy, recall and precision of the association."""
    # only pairs that occur: most identities never meet most tracks
    keys, places = np.unique(matched[0] * max(len(track_counts), 1) + matched[1], return_inverse=True)
    counts = np.stack([np.bincount(places[own], minlength=len(keys)) for own in is_hit]).astype(np.float64)
    in_truth, in_tracks = truth_counts[keys // max(len(track_counts), 1)], track_counts[keys % max(len(track_counts), 1)]
    shares = (counts / np.maximum(1, in_truth + in_tracks - counts), counts / np.maximum(1, in_truth), counts / np.maximum(1, in_tracks))
    return np.stack([(counts * share).sum(axis=1) for share in shares])


def _measure_clear(sequence: TrackedSequence, truth_counts: np.ndarray) -> tuple[dict[str, float], list[Switch]]:
    # the track of the last match, that of the frame before, frames with a match, times that matches begin, frame of the last match
    last, before, matched, begun, when = (np.full(sequence.num_truth, value) for value in (-1, -1, 0, 0, -1))
    hits, similarity, switches = 0, 0.0, list[Switch]()
    for place, (truth, tracks, overlap) in enumerate(sequence.frames):
        if not len(truth) or not len(tracks):
            continue
        worth = CONTINUED * (tracks[None] == before[truth][:, None]) + overlap
        worth[overlap < THRESHOLD - TOLERANCE] = 0
        rows, columns = linear_sum_assignment(worth, maximize=True)
        chosen = worth[rows, columns] > TOLERANCE
        rows, columns = rows[chosen], columns[chosen]
        own, found = truth[rows], tracks[columns]
        changed = (last[own] >= 0) & (last[own] != found)
        switches += [
            Switch(place, *values) for values in zip(*(part[changed].tolist() for part in (own, last[own], found, when[own])), strict=True)
        ]
        begun[own[before[own] < 0]] += 1
        before[:] = -1
        last[own], before[own], when[own] = found, found, place
        matched[own] += 1
        hits += len(own)
        similarity += float(overlap[rows, columns].sum())
    ratios = matched[truth_counts > 0] / truth_counts[truth_counts > 0]
    mostly, barely = int((ratios > MOSTLY).sum()), int((ratios >= BARELY).sum())
    counts = {
        "TP": hits,
        "FN": truth_counts.sum() - hits,
        "FP": sum(len(frame.tracks) for frame in sequence.frames) - hits,
        "IDSW": len(switches),
        "MT": mostly,
        "PT": barely - mostly,
        "ML": sequence.num_truth - barely,
        "Frag": (begun[begun > 0] - 1).sum(),
        "overlap": similarity,
    }
    return {name: float(value) for name, value in counts.items()}, switches


def _measure_identity(sequence: TrackedSequence, truth_counts: np.ndarray, track_counts: np.ndarray) -> dict[str, float]:
    together = np.zeros((sequence.num_truth, sequence.num_tracks))
    for truth, tracks, overlap in sequence.frames:
        rows, columns = np.nonzero(overlap >= THRESHOLD)
        together[truth[rows], tracks[columns]] += 1
    # each pair takes as much from the misses as from the false positives, so the best ones have the most frames in common
    hits = float(together[linear_sum_assignment(together, maximize=True)].sum())
    return {"IDTP": hits, "IDFN": float(truth_counts.sum()) - hits, "IDFP": float(track_counts.sum()) - hits}
