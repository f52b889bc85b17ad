"""Predictions and targets drawn on their images."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from pet.structures.masks import InstanceMasks
from pet.structures.paste import paste_masks, paste_parts
from pet.visual.canvas import Canvas
from pet.visual.legend import add_legend
from pet.visual.names import TargetNames
from pet.visual.palette import Colour, class_colour
from pet.visual.settings import DrawSettings

Legend = dict[str, Colour]
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
            probabilities of parts over the area of each box; ``semseg`` (H, W); ``logits`` (C,) of the whole image. Boxes and
            points are in pixels of the image.
        names: what the numbers mean.
        settings: what is drawn, and how.

    Returns:
        uint8 (H', W', 3), RGB: the image, enlarged where it is small, with a legend below it where there are label images.
    """
    canvas, legend = Canvas(image, settings.scale), Legend()
    if settings.semseg and "semseg" in predictions:
        legend |= _draw_semseg(canvas, predictions["semseg"], names, settings)
    if "boxes" in predictions:
        chosen = np.flatnonzero((predictions["scores"] >= settings.score_threshold) & np.isfinite(predictions["boxes"]).all(axis=1))
        objects = {
            field: predictions[field][chosen]
            for field in ("boxes", "scores", "labels", "masks", "keypoints", "parsing")
            if field in predictions
        }
        legend |= _draw_objects(canvas, objects, names, settings)
    if settings.classes and "logits" in predictions:
        _write_classes(canvas, predictions["logits"], names, settings.classes)
    return add_legend(canvas.finish(), list(legend.items()) if settings.legend else [], canvas.text_size)


def draw_targets(sample: Mapping[str, Any], names: TargetNames = NO_NAMES, settings: DrawSettings = USUAL_SETTINGS) -> np.ndarray:
    """Return the image of a sample of a data set with its targets on it.

    Args:
        sample: ``image`` and any of the fields of :data:`pet.data.targets.kinds.KINDS`; masks as
            :class:`pet.structures.InstanceMasks` or uint8 (N, H, W).
        names: what the numbers mean.
        settings: what is drawn, and how.

    Returns:
        uint8 (H', W', 3), RGB, as :func:`draw_predictions` gives it.
    """
    canvas, legend = Canvas(sample["image"], settings.scale), Legend()
    if settings.semseg and "semseg" in sample:
        legend |= _draw_semseg(canvas, sample["semseg"], names, settings)
    if "boxes" in sample:
        objects = {field: sample[field] for field in ("boxes", "labels", "masks", "keypoints") if field in sample}
        if isinstance(objects.get("masks"), InstanceMasks):
            objects["masks"] = objects["masks"].rasterise()
        if "keypoints" in objects:
            objects["visibility"] = objects["keypoints"][..., 2]
        legend |= _draw_objects(canvas, objects, names, settings, part_labels=sample.get("parsing"))
    elif settings.parsing and "parsing" in sample:
        legend |= _draw_parts(canvas, sample["parsing"], names, settings)
    if settings.classes and "label" in sample:
        label = int(sample["label"])
        canvas.labels.add(names.of_class(label), "", (0, 0, canvas.size[1], canvas.size[0]), class_colour(label))
    return add_legend(canvas.finish(), list(legend.items()) if settings.legend else [], canvas.text_size)


def _draw_objects(
    canvas: Canvas, objects: Mapping[str, np.ndarray], names: TargetNames, settings: DrawSettings, part_labels: np.ndarray | None = None
) -> Legend:
    """Draw masks, then parts, boxes and keypoints, the largest objects first, and collect their labels, the best first."""
    boxes, labels = objects["boxes"], objects["labels"]
    legend: Legend = {}
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = [int(index) for index in np.argsort(-areas, kind="stable")]
    if settings.masks and "masks" in objects:
        for index in order:
            mask = _mask_on_canvas(canvas, objects["masks"][index], boxes[index])
            canvas.draw_mask(mask, class_colour(int(labels[index])), settings.mask_alpha)
    if settings.parsing and part_labels is not None:
        legend |= _draw_parts(canvas, part_labels, names, settings)
    elif settings.parsing and "parsing" in objects:
        for index in [index for index in order if names.has_parts(int(labels[index]))]:
            parts = paste_parts(_tensor(objects["parsing"][index]), _box_tensor(canvas, boxes[index]), canvas.size)[0].numpy()
            legend |= _draw_parts(canvas, parts, names, settings)
    if settings.boxes:
        for index in order:
            canvas.draw_box(boxes[index], class_colour(int(labels[index])))
    if settings.keypoints and "keypoints" in objects:
        for index in [index for index in order if names.has_keypoints(int(labels[index]))]:
            points = objects["keypoints"][index]
            canvas.draw_keypoints(points[:, :2], _point_states(objects, index, settings), names.pairs(len(points)))
    if settings.labels:
        _add_labels(canvas, objects, names)
    return legend


def _add_labels(canvas: Canvas, objects: Mapping[str, np.ndarray], names: TargetNames) -> None:
    scores = objects.get("scores")
    for index in range(len(objects["labels"])) if scores is None else np.argsort(-scores, kind="stable"):
        label = int(objects["labels"][index])
        score = "" if scores is None else f"{scores[index]:.2f}"
        canvas.labels.add(names.of_class(label), score, canvas.box_on_canvas(objects["boxes"][index]), class_colour(label))


def _point_states(objects: Mapping[str, np.ndarray], index: int, settings: DrawSettings) -> list[int]:
    """Return for each keypoint of an object whether it is absent (0), hidden (1) or to be seen (2)."""
    if "visibility" in objects:
        return [int(state) for state in objects["visibility"][index]]
    return [2 if score >= settings.keypoint_threshold else 0 for score in objects["keypoints"][index, :, 2]]


def _draw_semseg(canvas: Canvas, labels: np.ndarray, names: TargetNames, settings: DrawSettings) -> Legend:
    found = canvas.draw_label_image(labels, names.pixel_class_colour, settings.semseg_alpha)
    return _legend((names.of_pixel_class(label), names.pixel_class_colour(label)) for label in found)


def _draw_parts(canvas: Canvas, labels: np.ndarray, names: TargetNames, settings: DrawSettings) -> Legend:
    found = canvas.draw_label_image(labels, names.part_colour, settings.parsing_alpha)
    return _legend((names.of_part(label), names.part_colour(label)) for label in found)


def _legend(entries: Iterable[tuple[str, Colour | None]]) -> Legend:
    return {name: colour for name, colour in entries if colour is not None}


def _write_classes(canvas: Canvas, logits: np.ndarray, names: TargetNames, count: int) -> None:
    """Collect the most probable classes of the image, with their probabilities, for its upper left corner."""
    shifted = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = shifted / shifted.sum()
    whole = (0, 0, canvas.size[1], canvas.size[0])
    for label in np.argsort(-probabilities, kind="stable")[:count]:
        canvas.labels.add(names.of_class(int(label)), f"{probabilities[label]:.2f}", whole, class_colour(int(label)))


def _mask_on_canvas(canvas: Canvas, mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return pixels of the picture or of the image, from those or from probabilities over the area of the box."""
    if mask.dtype in (np.bool_, np.uint8):
        return mask
    pixels: np.ndarray = paste_masks(_tensor(mask), _box_tensor(canvas, box), canvas.size)[0].numpy()
    return pixels


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]


def _box_tensor(canvas: Canvas, box: np.ndarray) -> torch.Tensor:
    corners = canvas.to_canvas(np.asarray(box).reshape(2, 2)).reshape(1, 4)
    return torch.from_numpy(corners.astype(np.float32))
