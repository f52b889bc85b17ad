"""SORT: overlap with predicted boxes, and nothing else (Bewley et al., https://arxiv.org/abs/1602.00763)."""

import numpy as np

from pet.tracking.assignment import assign
from pet.tracking.tracks import Detections, Tracks


class Sort:
    """Follows objects by the overlap of their boxes with those that a Kalman filter predicts; a :class:`pet.tracking.Tracker`.

    Args:
        score: detections with lower scores are no objects.
        overlap: least overlap of a detection with the box of its track.
        hits: frames in which a track was seen before it gets a number; tracks of the first frames get one at once.
        buffer: seconds that a track is kept while it is not seen.
    """

    def __init__(self, *, score: float = 0.5, overlap: float = 0.3, hits: int = 3, buffer: float = 1.0) -> None:
        self._score, self._overlap, self._hits, self._buffer = score, overlap, hits, buffer
        self._tracks = Tracks()
        self._frames = 0

    def update(self, time: float, detections: Detections) -> np.ndarray:
        """Return the track of each detection, int64 (N,); 0: none."""
        tracks, chosen = self._tracks, np.flatnonzero(detections.scores >= self._score)
        found = detections.select(chosen)
        tracks.advance(time)
        self._frames += 1
        everything = np.arange(len(tracks.ids))
        rows, columns = assign(tracks.overlap_costs(everything, found), 1.0 - self._overlap)
        tracks.see(rows, found.select(columns))
        alone = np.setdiff1d(np.arange(len(chosen)), columns)
        places = np.zeros(len(chosen), np.int64)
        places[columns], places[alone] = rows, tracks.begin(found.select(alone))
        tracks.confirm(places[(tracks.hits[places] >= self._hits) | (self._frames <= self._hits)])
        ids = np.zeros(len(detections.boxes), np.int64)
        ids[chosen] = tracks.ids[places]
        # what is not confirmed yet has to be seen in every frame
        tracks.keep((tracks.seen == time) | ((tracks.ids > 0) & (time - tracks.seen <= self._buffer)))
        return ids
