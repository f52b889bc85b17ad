"""Predictions and targets drawn on their images, each kind by itself."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pet.data.targets.kind import Fields
from pet.data.targets.kinds import kinds_in
from pet.data.targets.label import softmax, write_most_probable
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend, add_legend

NO_NAMES = TargetNames()
USUAL_SETTINGS = DrawSettings()


def draw_predictions(
    image: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    names: TargetNames = NO_NAMES,
    settings: DrawSettings = USUAL_SETTINGS,
) -> np.ndarray:
    """Return an image with what a model found on it.

    Args:
        image: uint8 (H, W, 3), RGB.
        predictions: any of ``boxes`` (N, 4) with ``scores`` (N,) and ``labels`` (N,); ``masks``, float (N, M, M), probabilities
            over the area of each box, or bool (N, H, W); ``keypoints`` (N, K, 3), x, y, score; ``parsing`` (N, P, M, M),
            probabilities of parts over the area of each box; ``identities`` (N,), numbers of tracks, and ``trails`` (N,), where these
            were; ``semseg`` (H, W); ``logits`` (C,) of the whole image, or
            ``class_scores`` (C,) where it may have several classes; and what kinds of one's own draw. Boxes and points are in pixels of
            the image.
        names: what the numbers mean.
        settings: what is drawn, and how.

    Returns:
        uint8 (H', W', 3), RGB: the image, enlarged where it is small, with a legend below it where there are label images.
    """
    canvas = Canvas(image, settings.scale)
    shown = _above_threshold(dict(predictions), settings.score_threshold)
    legend = _draw_kinds(canvas, shown, names, settings)
    logits, scores = predictions.get("logits"), predictions.get("class_scores")
    probabilities = scores if logits is None else softmax(logits)
    if settings.classes and probabilities is not None:
        write_most_probable(canvas, probabilities, names, settings.classes)
    return add_legend(canvas.finish(), list(legend.items()) if settings.legend else [], canvas.text_size)


def draw_targets(sample: Mapping[str, Any], names: TargetNames = NO_NAMES, settings: DrawSettings = USUAL_SETTINGS) -> np.ndarray:
    """Return the image of a sample of a data set with its targets on it.

    Args:
        sample: ``image`` and the fields of any kinds of targets; masks as :class:`pet.structures.InstanceMasks` or uint8 (N, H, W).
        names: what the numbers mean.
        settings: what is drawn, and how.

    Returns:
        uint8 (H', W', 3), RGB, as :func:`draw_predictions` gives it.
    """
    canvas = Canvas(sample["image"], settings.scale)
    legend = _draw_kinds(canvas, dict(sample), names, settings)
    return add_legend(canvas.finish(), list(legend.items()) if settings.legend else [], canvas.text_size)


def _draw_kinds(canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
    legend: Legend = {}
    for kind in sorted(kinds_in(fields).targets, key=lambda kind: kind.layer):
        legend |= kind.draw(canvas, fields, names, settings)
    return legend


def _above_threshold(predictions: Fields, threshold: float) -> Fields:
    """Return the predictions without objects of lower scores, or whose boxes are no numbers."""
    scores, boxes = predictions.get("scores"), predictions.get("boxes")
    if scores is None or boxes is None:
        return predictions
    chosen = np.flatnonzero((scores >= threshold) & np.isfinite(boxes).all(axis=1))
    return select_found(predictions, chosen)


def select_found(predictions: Fields, chosen: np.ndarray) -> Fields:
    """Return the predictions for an image with the objects at ``chosen`` alone; what is said of the image stays."""
    kinds = kinds_in(predictions).targets
    per_object = {field for kind in kinds if kind.objects == "boxes" for field in (kind.name, *kind.object_fields)}
    per_object |= {"scores", "embeddings", "parsing_scores"}
    return {field: values[chosen] if field in per_object else values for field, values in predictions.items()}
