"""Face identification: who of a gallery is it, or none of them? Open-set search, as in IJB-B and IJB-C."""

from typing import NamedTuple

import numpy as np

PROBES_AT_ONCE = 1024


class Searches(NamedTuple):
    """What searches of a gallery gave, one for each probe.

    Attributes:
        greatest: float32 (P,), the score of the most similar template.
        ranks: int64 (P,), the place of the probe's person among the people of the gallery, from 1, by the best template of each; where
            scores are equal the others count as before it. 0: the gallery does not have the person.
    """

    greatest: np.ndarray
    ranks: np.ndarray


def search_gallery(probes: np.ndarray, people: np.ndarray, gallery: np.ndarray, known: np.ndarray) -> Searches:
    """Search a gallery for each probe.

    Args:
        probes: float32 (P, D), embeddings of length 1.
        people: int (P,), whom each shows.
        gallery: float32 (G, D), of length 1, at least one.
        known: int (G,), whom each shows; a person may have several.
    """
    subjects, owner = np.unique(known, return_inverse=True)
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(len(subjects)))
    place = np.minimum(np.searchsorted(subjects, people), len(subjects) - 1)
    mated = subjects[place] == people
    greatest, ranks = np.zeros(len(probes), np.float32), np.zeros(len(probes), np.int64)
    for start in range(0, len(probes), PROBES_AT_ONCE):
        part = slice(start, start + PROBES_AT_ONCE)
        scores = np.maximum.reduceat(probes[part] @ gallery[order].T, starts, axis=1)
        own = np.take_along_axis(scores, place[part, None], axis=1)
        greatest[part] = scores.max(axis=1)
        ranks[part] = np.where(mated[part], (scores >= own).sum(axis=1), 0)
    return Searches(greatest, ranks)


def rank_rate(searches: Searches, rank: int) -> float:
    """Return the share of the probes whose person is in the gallery that have it among the first ``rank`` people; NaN without such."""
    mated = searches.ranks > 0
    return float((searches.ranks[mated] <= rank).mean()) if mated.any() else float("nan")


def identification_rate(searches: Searches, false_positives: float) -> float:
    """Return the true positive identifications at a rate of false ones (TPIR at FPIR), NaN where a kind of probe is missing.

    A probe whose person is not in the gallery is a false positive where its greatest score exceeds the threshold; one whose person is there
    is a true positive where that person is first and the score exceeds the threshold. The threshold is the lowest at which the share of
    false positives is at most ``false_positives``.
    """
    mated = searches.ranks > 0
    if mated.all() or not mated.any():
        return float("nan")
    strangers = np.sort(searches.greatest[~mated])[::-1]
    # so many may exceed the threshold, which is the score of the next one; a little more than a whole number is that number
    allowed = int(np.floor(false_positives * len(strangers) + 1e-9))
    threshold = strangers[allowed] if allowed < len(strangers) else -np.inf
    return float(((searches.ranks[mated] == 1) & (searches.greatest[mated] > threshold)).mean())
