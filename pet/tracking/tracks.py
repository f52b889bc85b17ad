"""What a tracker gets, and the tracks that it keeps."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from pet.tracking.assignment import EXCLUDED, normalised, overlaps
from pet.tracking.kalman import BoxFilter

SMOOTHING = 0.9
"""Share of the embedding of a track that the next detection leaves (https://arxiv.org/abs/2004.01888)."""


class Detections(NamedTuple):
    """What was found in a frame.

    Attributes:
        boxes: float (N, 4), XYXY in pixels.
        scores: float (N,), from 0 to 1.
        labels: int64 (N,); objects of two classes are never the same.
        embeddings: float (N, D), of any length; None: how objects look is not known.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    embeddings: np.ndarray | None = None

    def select(self, chosen: np.ndarray) -> "Detections":
        """Return some of the objects."""
        embeddings = None if self.embeddings is None else self.embeddings[chosen]
        return Detections(self.boxes[chosen], self.scores[chosen], self.labels[chosen], embeddings)


class Tracker(Protocol):
    """Follows the objects of one video. Frames come in their order."""

    def update(self, time: float, detections: Detections) -> np.ndarray:
        """Return the track of each detection, int64 (N,), from 1 on; 0: of none yet, or of none at all.

        Args:
            time: seconds since the first frame.
            detections: all that was found, also with low scores.
        """
        ...


class Tracks:
    """The tracks of a video, T of them.

    Attributes:
        filter: where they are.
        ids: int64 (T,), from 1 on; 0: not confirmed yet.
        labels: int64 (T,).
        hits: int64 (T,), frames in which a track was seen.
        begun: float64 (T,), time of the first of them.
        seen: float64 (T,), time of the last of them.
        embeddings: float32 (T, D), smoothed; None: there are none.
        time: of the last frame.
    """

    def __init__(self) -> None:
        self.filter = BoxFilter(np.zeros((0, 4)))
        self.ids = np.zeros(0, np.int64)
        self.labels = np.zeros(0, np.int64)
        self.hits = np.zeros(0, np.int64)
        self.begun = np.zeros(0)
        self.seen = np.zeros(0)
        self.embeddings: np.ndarray | None = None
        self.time: float | None = None
        self._next_id = 1
        self._last_seen_at: float | None = None

    @property
    def lost(self) -> np.ndarray:
        """Which were not seen in the frame before this one, bool (T,)."""
        return np.zeros(len(self.ids), bool) if self._last_seen_at is None else self.seen < self._last_seen_at

    def advance(self, time: float) -> None:
        """Move all tracks to the time of the next frame."""
        self._last_seen_at = self.time
        if self.time is not None:
            self.filter.predict(max(time - self.time, 0.0), self.lost)
        self.time = time

    def overlap_costs(self, chosen: np.ndarray, detections: Detections) -> np.ndarray:
        """Return 1 minus the overlap of tracks at ``chosen`` (K,) and detections; those of other classes are excluded. float64 (K, N)."""
        return self.exclude_classes(1.0 - overlaps(self.filter.boxes()[chosen], detections.boxes), chosen, detections)

    def exclude_classes(self, costs: np.ndarray, chosen: np.ndarray, detections: Detections) -> np.ndarray:
        """Return costs (K, N) with those of tracks and detections of different classes excluded."""
        return np.where(self.labels[chosen][:, None] == detections.labels[None], costs, EXCLUDED)

    def see(self, chosen: np.ndarray, found: Detections) -> None:
        """Take the detections, (K,), of the tracks at ``chosen`` (K,)."""
        self.filter.correct(chosen, found.boxes)
        self.hits[chosen] += 1
        self.seen[chosen] = self.time
        if self.embeddings is not None and found.embeddings is not None:
            mixed = SMOOTHING * self.embeddings[chosen] + (1 - SMOOTHING) * normalised(found.embeddings)
            self.embeddings[chosen] = normalised(mixed)

    def begin(self, found: Detections) -> np.ndarray:
        """Begin tracks that are not confirmed yet, and return their places."""
        count, before = len(found.boxes), len(self.ids)
        self.filter.join(BoxFilter(found.boxes))
        self.ids = np.concatenate([self.ids, np.zeros(count, np.int64)])
        self.labels = np.concatenate([self.labels, found.labels])
        self.hits = np.concatenate([self.hits, np.ones(count, np.int64)])
        self.begun, self.seen = (np.concatenate([times, np.full(count, self.time)]) for times in (self.begun, self.seen))
        if found.embeddings is not None:
            own = normalised(found.embeddings)
            self.embeddings = own if self.embeddings is None else np.concatenate([self.embeddings, own])
        return np.arange(before, before + count)

    def confirm(self, chosen: np.ndarray) -> None:
        """Give numbers to the tracks at ``chosen`` that have none."""
        new = chosen[self.ids[chosen] == 0]
        self.ids[new] = np.arange(self._next_id, self._next_id + len(new))
        self._next_id += len(new)

    def keep(self, kept: np.ndarray) -> None:
        """Leave the tracks for which ``kept``, bool (T,), is true."""
        self.filter.keep(kept)
        for name in ("ids", "labels", "hits", "begun", "seen"):
            setattr(self, name, getattr(self, name)[kept])
        self.embeddings = None if self.embeddings is None else self.embeddings[kept]


class TrackHistory:
    """Where the tracks of a video were, for pictures.

    Args:
        seconds: how far back.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._places: dict[int, list[tuple[float, float, float]]] = {}

    def add(self, time: float, ids: Sequence[int], boxes: np.ndarray) -> np.ndarray:
        """Take the places of tracks, the middle of the lower edges of boxes (N, 4) XYXY; return those of each, array (N,) of (T, 2)."""
        trails = np.empty(len(ids), object)
        for place, (identity, (left, _, right, bottom)) in enumerate(zip(ids, boxes.tolist(), strict=True)):
            own = self._places.setdefault(identity, [])
            own.append((time, (left + right) / 2, bottom))
            own[:] = [entry for entry in own if entry[0] >= time - self._seconds]
            trails[place] = np.array([entry[1:] for entry in own])
        return trails
