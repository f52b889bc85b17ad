"""Trackers that look for partners twice: ByteTrack and the rules of FairMOT."""

from abc import ABC, abstractmethod

import numpy as np

from pet.tracking.assignment import EXCLUDED, assign, cosine_distances, normalised, overlaps
from pet.tracking.kalman import GATE
from pet.tracking.tracks import Detections, Tracks

SAME = 0.85
"""Two tracks whose boxes overlap so much are one; the younger one goes."""


class TwoStages(ABC):
    """What both trackers share; a :class:`pet.tracking.Tracker`.

    Numbered tracks look for partners among the certain detections, then those that were seen in the last frame among others; tracks that
    began in the last frame get a number where they are seen again, and else go; what is left of the certain detections begins tracks.

    Args:
        score: least score of certain detections.
        new_score: least score of a detection that begins a track.
        buffer: seconds that a track is kept while it is not seen.
    """

    limits: tuple[float, float, float]
    """Greatest costs of the first stage, the second one, and of tracks without a number."""

    def __init__(self, *, score: float, new_score: float, buffer: float) -> None:
        self._score, self._new_score, self._buffer = score, new_score, buffer
        self._tracks = Tracks()

    @abstractmethod
    def _first_costs(self, chosen: np.ndarray, found: Detections) -> np.ndarray:
        """Return the costs of tracks at ``chosen`` (K,) and certain detections, (K, N)."""

    @abstractmethod
    def _second_choice(self, scores: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Return the places of the detections of the second stage; ``left``: certain ones without a partner."""

    def update(self, time: float, detections: Detections) -> np.ndarray:
        """Return the track of each detection, int64 (N,); 0: none."""
        tracks, first_frame = self._tracks, self._tracks.time is None
        tracks.advance(time)
        places = np.full(len(detections.boxes), -1, np.int64)
        certain = np.flatnonzero(detections.scores >= self._score)
        numbered, lost = np.flatnonzero(tracks.ids > 0), tracks.lost
        free = self._match(0, numbered, detections, certain, places)
        second = self._second_choice(detections.scores, certain[places[certain] < 0])
        self._match(1, free[~lost[free]], detections, second, places)
        left = certain[places[certain] < 0]
        self._match(2, np.flatnonzero(tracks.ids == 0), detections, left, places)
        seen = places[places >= 0]
        begins = left[(places[left] < 0) & (detections.scores[left] >= self._new_score)]
        places[begins] = tracks.begin(detections.select(begins))
        tracks.confirm(places[begins] if first_frame else seen)
        ids = np.where(places >= 0, tracks.ids[places] if len(tracks.ids) else 0, 0)
        self._forget(time)
        return ids

    def _match(self, stage: int, chosen: np.ndarray, detections: Detections, found: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Find partners of tracks at ``chosen`` among detections at ``found``, write them into ``places``; return tracks without one."""
        own = detections.select(found)
        costs_of = (self._first_costs, self._tracks.overlap_costs, self._later_costs)[stage]
        rows, columns = assign(costs_of(chosen, own), self.limits[stage])
        self._tracks.see(chosen[rows], own.select(columns))
        places[found[columns]] = chosen[rows]
        return np.setdiff1d(chosen, chosen[rows])

    def _later_costs(self, chosen: np.ndarray, found: Detections) -> np.ndarray:
        return self._tracks.overlap_costs(chosen, found)

    def _forget(self, time: float) -> None:
        """Leave out tracks without a number that were not seen, tracks that were not seen for too long, and doubles."""
        tracks = self._tracks
        kept = np.where(tracks.ids > 0, time - tracks.seen <= self._buffer, tracks.seen == time)
        seen, gone = np.flatnonzero(kept & (tracks.ids > 0) & (tracks.seen == time)), np.flatnonzero(kept & (tracks.seen < time))
        if len(seen) and len(gone):
            boxes = tracks.filter.boxes()
            same = overlaps(boxes[seen], boxes[gone]) > SAME
            same &= tracks.labels[seen][:, None] == tracks.labels[gone][None]
            ages = tracks.seen - tracks.begun
            for first, second in zip(*np.nonzero(same), strict=True):
                older_first = ages[seen[first]] > ages[gone[second]]
                kept[gone[second] if older_first else seen[first]] = False
        tracks.keep(kept)


class ByteTrack(TwoStages):
    """Detections with low scores keep tracks alive too (Zhang et al., https://arxiv.org/abs/2110.06864).

    Args:
        score: least score of certain detections.
        low_score: least score of the others.
        new_score: least score of a detection that begins a track; None: 0.1 more than ``score``.
        overlap: least overlap, times the score, of a certain detection with the box of its track.
        buffer: seconds that a track is kept while it is not seen.
    """

    def __init__(
        self, *, score: float = 0.5, low_score: float = 0.1, new_score: float | None = None, overlap: float = 0.2, buffer: float = 1.0
    ) -> None:
        super().__init__(score=score, new_score=score + 0.1 if new_score is None else new_score, buffer=buffer)
        self._low_score = low_score
        self.limits = (1.0 - overlap, 0.5, 0.7)

    def _first_costs(self, chosen: np.ndarray, found: Detections) -> np.ndarray:
        costs = 1.0 - (1.0 - self._tracks.overlap_costs(chosen, found)) * found.scores[None]
        return self._tracks.exclude_classes(costs, chosen, found)

    def _later_costs(self, chosen: np.ndarray, found: Detections) -> np.ndarray:
        return self._first_costs(chosen, found)

    def _second_choice(self, scores: np.ndarray, left: np.ndarray) -> np.ndarray:
        return np.flatnonzero((scores < self._score) & (scores >= self._low_score))


class FairMot(TwoStages):
    """How objects look, where they can be, and then overlap (Zhang et al., https://arxiv.org/abs/2004.01888).

    Without embeddings the first stage goes by overlap.

    Args:
        score: least score of detections.
        distance: greatest cosine distance of an embedding from the smoothed one of its track, mixed with 2 % of where the box is.
        overlap: least overlap in the second stage.
        buffer: seconds that a track is kept while it is not seen.
        motion: share of the squared Mahalanobis distance in the cost of the first stage.
    """

    def __init__(
        self, *, score: float = 0.4, distance: float = 0.4, overlap: float = 0.5, buffer: float = 1.0, motion: float = 0.02
    ) -> None:
        super().__init__(score=score, new_score=score, buffer=buffer)
        self._motion, self._distance = motion, distance
        self.limits = (distance, 1.0 - overlap, 0.7)

    def _first_costs(self, chosen: np.ndarray, found: Detections) -> np.ndarray:
        tracks = self._tracks
        if tracks.embeddings is None or found.embeddings is None:
            # the limit of overlaps is that of the second stage
            return tracks.overlap_costs(chosen, found) * self.limits[0] / self.limits[1]
        distances = tracks.filter.distances(chosen, found.boxes)
        looks = cosine_distances(tracks.embeddings[chosen], normalised(found.embeddings))
        costs = np.where(distances <= GATE, (1 - self._motion) * looks + self._motion * distances, EXCLUDED)
        return tracks.exclude_classes(costs, chosen, found)

    def _second_choice(self, scores: np.ndarray, left: np.ndarray) -> np.ndarray:
        return left
