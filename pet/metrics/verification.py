"""Face verification: are two images of one person? Accuracy over folds, true accepts at a rate of false ones, and templates of images."""

from typing import NamedTuple

import numpy as np

NUM_FOLDS = 10
THRESHOLDS = np.arange(0, 4, 0.01)
"""Squared distances of normalised embeddings, for the accuracy."""
FINE_THRESHOLDS = np.arange(0, 4, 0.001)
PAIRS_AT_ONCE = 100_000


class FoldFigure(NamedTuple):
    """Mean and spread over the folds.

    Attributes:
        mean: over the folds.
        std: standard deviation over them.
        threshold: mean of the squared distances that were chosen.
    """

    mean: float
    std: float
    threshold: float


class AcceptRate(NamedTuple):
    """The share of true pairs that is accepted at a rate of false accepts.

    Attributes:
        rate: at the strictest threshold whose false accepts do not exceed the rate.
        nearest: at the corner of the ROC curve that is nearest to the rate, which may exceed it: what the IJB scripts of InsightFace print.
    """

    rate: float
    nearest: float


def normalise(embeddings: np.ndarray) -> np.ndarray:
    """Return embeddings (N, D) of length 1, float32; one of zeros stays."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    normalised: np.ndarray = (embeddings / np.maximum(lengths, 1e-12)).astype(np.float32)
    return normalised


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the squared distances, float64 (P,), from 0 to 4, of the normalised embeddings of pairs, (P, D) each."""
    differences = normalise(first).astype(np.float64) - normalise(second)
    distances: np.ndarray = np.square(differences).sum(axis=1)
    return distances


def fold_accuracy(distances: np.ndarray, same: np.ndarray) -> FoldFigure:
    """Return the accuracy of pairs by the protocol of LFW (http://vis-www.cs.umass.edu/lfw/): ten folds, consecutive tenths of the list.

    A pair is called the same where its distance is less than a threshold: the first of 0, 0.01, ... 3.99 with the most pairs right on nine
    folds, which is measured on the tenth. So the order of the pairs matters.

    Args:
        distances: float (P,), squared, from 0 to 4.
        same: bool (P,).
    """
    right = (distances[:, None] < THRESHOLDS) == same[:, None]
    accuracies, chosen = [], []
    for fold in _folds(len(same)):
        best = int(np.argmax(np.delete(right, fold, axis=0).mean(axis=0)))
        chosen.append(THRESHOLDS[best])
        accuracies.append(right[fold, best].mean())
    return FoldFigure(float(np.mean(accuracies)), float(np.std(accuracies)), float(np.mean(chosen)))


def fold_accept_rate(distances: np.ndarray, same: np.ndarray, false_accepts: float) -> FoldFigure:
    """Return the true accepts of pairs at a rate of false ones, by folds: InsightFace's ``val``.

    The threshold is interpolated to where the false accepts of nine folds have the rate; 0, where they never do.

    Args:
        distances: float (P,), squared, from 0 to 4.
        same: bool (P,); the folds need pairs of both kinds, else NaN is returned.
        false_accepts: the rate, e.g. 1e-3.
    """
    rates, chosen = [], []
    for fold in _folds(len(same)):
        others = np.delete(np.arange(len(same)), fold)
        false = np.sort(distances[others][~same[others]])
        if not len(false) or not same[fold].any():
            return FoldFigure(float("nan"), float("nan"), float("nan"))
        curve = np.searchsorted(false, FINE_THRESHOLDS) / len(false)
        threshold = float(np.interp(false_accepts, curve, FINE_THRESHOLDS)) if curve[-1] >= false_accepts else 0.0
        chosen.append(threshold)
        rates.append((distances[fold][same[fold]] < threshold).mean())
    return FoldFigure(float(np.mean(rates)), float(np.std(rates)), float(np.mean(chosen)))


def accept_rates(scores: np.ndarray, same: np.ndarray, false_accepts: list[float]) -> list[AcceptRate]:
    """Return the true accepts over all pairs at each rate of false ones, in both conventions; NaN where a kind of pair is missing.

    Args:
        scores: float (P,), the greater, the more similar.
        same: bool (P,).
        false_accepts: the rates, e.g. ``[1e-4, 1e-5]``.
    """
    if same.all() or not same.any():
        return [AcceptRate(float("nan"), float("nan")) for _ in false_accepts]
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    true = np.append(0, np.cumsum(same[order])[ends])
    false = np.append(0, 1 + ends - true[1:])
    true_rates, false_rates = true / true[-1], false / false[-1]
    # as sklearn's roc_curve, from which the other convention reads: corners alone
    inner = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
    corners = np.flatnonzero(np.concatenate([[True], inner, [True]]))[::-1]
    found = []
    for rate in false_accepts:
        nearest = corners[int(np.argmin(np.abs(false_rates[corners] - rate)))]
        within = int(np.searchsorted(false_rates, rate, side="right")) - 1
        found.append(AcceptRate(float(true_rates[within]), float(true_rates[nearest])))
    return found


def join_templates(embeddings: np.ndarray, templates: np.ndarray, media: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of templates, ascending int64 (T,), and the embedding of each, float32 (T, D), of length 1: the protocol of IJB-C.

    Images of one medium, such as frames of a video, are averaged within a template, and its media are added.

    Args:
        embeddings: float (N, D), of images; not normalised, since their length says how good an image is.
        templates: int (N,), the template of each image.
        media: int (N,), its medium.
    """
    pairs, of_image, counts = np.unique(np.stack([templates, media], axis=1), axis=0, return_inverse=True, return_counts=True)
    of_media = np.zeros((len(pairs), embeddings.shape[1]))
    np.add.at(of_media, of_image.reshape(-1), embeddings)
    ids, of_pair = np.unique(pairs[:, 0], return_inverse=True)
    joined = np.zeros((len(ids), embeddings.shape[1]))
    np.add.at(joined, of_pair, of_media / counts[:, None])
    return ids.astype(np.int64), normalise(joined)


def template_scores(ids: np.ndarray, embeddings: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the cosines, float32 (P,), of pairs of templates.

    Args:
        ids: ascending int (T,).
        embeddings: float32 (T, D), of length 1.
        pairs: int (P, 2), ids that are among ``ids``.
    """
    places = np.searchsorted(ids, pairs)
    parts = [places[start : start + PAIRS_AT_ONCE] for start in range(0, len(places), PAIRS_AT_ONCE)]
    scores = [np.einsum("pd,pd->p", embeddings[part[:, 0]], embeddings[part[:, 1]]) for part in parts]
    return np.concatenate(scores) if scores else np.zeros(0, np.float32)


def _folds(count: int) -> list[np.ndarray]:
    """Return the places of each fold that has some; the first ones have one more where they differ."""
    return [fold for fold in np.array_split(np.arange(count), NUM_FOLDS) if len(fold)]
