"""Which images without labels are most worth labelling: those that the model is unsure of, and that differ from each other."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from pet.data.targets.label import softmax

POOL = 5
"""So many times the images that are asked for are chosen by uncertainty, and of these the ones that differ most."""

LEAST_SCORE = 0.1
"""Objects of lower scores say nothing about how sure a detector is."""

EDGE = 16


def uncertainty_of(predictions: Mapping[str, Any]) -> float | None:
    """Return how unsure a model is of an image, from 0 to 1; None: its predictions do not say.

    Of a class it is the entropy of the probabilities, as a share of the greatest one; of objects the mean entropy of the scores of at
    least 0.1, each as the probability that the object is there, and 0 where there is none (Settles 2009, "Active learning literature
    survey", section 3.1, https://burrsettles.com/pub/settles.activelearning.pdf).
    """
    logits, scores = predictions.get("logits"), predictions.get("scores")
    if logits is not None:
        probabilities = softmax(logits)
        return float(_entropy(probabilities).sum() / np.log(max(len(probabilities), 2)))
    if scores is None:
        return None
    own = np.asarray(scores, np.float64)
    own = own[own >= LEAST_SCORE]
    return float(((_entropy(own) + _entropy(1 - own)) / np.log(2)).mean()) if len(own) else 0.0


def look_of(image: np.ndarray) -> np.ndarray:
    """Return what an image looks like, float32 (768,) of length 1: its colours in 16 x 16 parts, without their mean.

    Args:
        image: uint8 (H, W, 3), RGB.
    """
    small = cv2.resize(image, (EDGE, EDGE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    centred = small - small.mean()
    look: np.ndarray = centred / max(float(np.linalg.norm(centred)), 1e-6)
    return look


def choose_images(uncertainties: np.ndarray, looks: np.ndarray, count: int) -> list[int]:
    """Return the places of the images to label, the first one first.

    Of the ``5 * count`` images of the greatest uncertainty, the most uncertain one, and then always the one that is farthest from all
    that are chosen: k-center greedy (Sener and Savarese 2018, "Active learning for convolutional neural networks: a core-set approach",
    https://arxiv.org/abs/1708.00489), on looks instead of features of a network.

    Args:
        uncertainties: (N,).
        looks: (N, D), see :func:`look_of`.
        count: how many.
    """
    pool = np.argsort(-uncertainties, kind="stable")[: POOL * count]
    if not len(pool):
        return []
    chosen = [0]
    distances = np.linalg.norm(looks[pool] - looks[pool[0]], axis=1)
    while len(chosen) < min(count, len(pool)):
        # one that is there twice is farther than what was chosen before
        distances[chosen] = -1.0
        chosen.append(int(distances.argmax()))
        distances = np.minimum(distances, np.linalg.norm(looks[pool] - looks[pool[chosen[-1]]], axis=1))
    return [int(pool[place]) for place in chosen]


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    shares = np.clip(probabilities, 1e-12, 1.0)
    entropies: np.ndarray = -probabilities * np.log(shares)
    return entropies
