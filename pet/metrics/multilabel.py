"""Average precision of samples that have several classes."""

import numpy as np


def average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    """Return the area below the steps of precision over recall; NaN where no sample has the class.

    Samples of the same score count together, so that their order does not matter.

    Args:
        scores: (N,), greater for samples that rather have the class.
        targets: bool (N,), whether they have it.
    """
    if not targets.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(targets[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision, found = hits[last] / (last + 1), hits[last]
    return float((precision * np.diff(found, prepend=0)).sum() / found[-1])
