"""Predictions as JSON, and the label images that belong to them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from pycocotools import mask as coco_mask

from pet.prediction.output import Predictions
from pet.structures.paste import paste_masks, paste_parts
from pet.visual.names import TargetNames

MOST_CLASSES = 5
DIGITS = 2
"""Decimal places of pixels."""

Size = tuple[int, int]
"""Height and width of an image."""


class _Image(NamedTuple):
    """What was found in an image, and what is needed to describe it."""

    predictions: Predictions
    size: Size
    names: TargetNames
    score_threshold: float = 0.0


def describe_predictions(predictions: Predictions, size: Size, names: TargetNames) -> dict[str, Any]:
    """Return predictions as JSON can hold them.

    Args:
        predictions: of one image, as arrays; see :func:`pet.data.draw_predictions`.
        size: of the image.
        names: what the numbers mean.

    Returns:
        ``width``, ``height``, and where there are such predictions ``classes``, the most probable ones of the image, ``pixels``, how many
        each class has, and ``objects``: ``label``, ``class``, ``score``, ``box`` (left, top, right, bottom in pixels), ``mask`` (a
        compressed COCO RLE), ``keypoints`` (x, y, score each), ``parsing_score``.
    """
    record: dict[str, Any] = {"width": size[1], "height": size[0]}
    for field, describe in RECORDS.items():
        if field in predictions:
            record |= describe(_Image(predictions, size, names))
    return record


def label_images(predictions: Predictions, size: Size, names: TargetNames, score_threshold: float) -> dict[str, np.ndarray]:
    """Return what is written as a label image, uint8 (height, width): ``semseg``, and ``parsing`` of the objects above a score.

    Where objects lie over each other, the part of the one with the higher score counts.
    """
    image = _Image(predictions, size, names, score_threshold)
    return {name: make(image) for name, make in LABEL_IMAGES.items() if name in predictions}


def paste_mask(mask: np.ndarray, box: np.ndarray, size: Size) -> np.ndarray:
    """Return the pixels of an object's mask (M, M) over its box (4,), bool (height, width)."""
    pixels: np.ndarray = paste_masks(_tensor(mask), _tensor(box), size)[0].numpy()
    return pixels


def _describe_classes(image: _Image) -> dict[str, Any]:
    probabilities = torch.softmax(torch.from_numpy(image.predictions["logits"]).double(), dim=0).numpy()
    classes = [
        {"label": int(label), "class": image.names.of_class(int(label)), "score": round(float(probabilities[label]), 6)}
        for label in np.argsort(-probabilities, kind="stable")[:MOST_CLASSES]
    ]
    return {"classes": classes}


def _describe_pixels(image: _Image) -> dict[str, Any]:
    found = zip(*np.unique(image.predictions["semseg"], return_counts=True), strict=True)
    pixels = [{"label": int(label), "class": image.names.of_pixel_class(int(label)), "count": int(count)} for label, count in found]
    return {"pixels": pixels}


def _describe_objects(image: _Image) -> dict[str, Any]:
    return {"objects": [_describe_object(image, index) for index in range(len(image.predictions["boxes"]))]}


def _describe_object(image: _Image, index: int) -> dict[str, Any]:
    predictions, names = image.predictions, image.names
    label, box = int(predictions["labels"][index]), predictions["boxes"][index]
    record: dict[str, Any] = {
        "label": label,
        "class": names.of_class(label),
        "score": round(float(predictions["scores"][index]), 6),
        "box": [round(float(value), DIGITS) for value in box],
    }
    masks, keypoints = predictions.get("masks"), predictions.get("keypoints")
    if masks is not None:
        rle = coco_mask.encode(np.asfortranarray(paste_mask(masks[index], box, image.size).astype(np.uint8)))
        record["mask"] = {"size": [int(length) for length in rle["size"]], "counts": rle["counts"].decode("ascii")}
    if keypoints is not None and names.has_keypoints(label):
        record["keypoints"] = [[round(float(value), DIGITS) for value in point] for point in keypoints[index]]
    if "parsing_scores" in predictions and names.has_parts(label):
        record["parsing_score"] = round(float(predictions["parsing_scores"][index]), 6)
    return record


def _pixel_labels(image: _Image) -> np.ndarray:
    return image.predictions["semseg"].astype(np.uint8)


def _part_labels(image: _Image) -> np.ndarray:
    predictions, parts = image.predictions, np.zeros(image.size, np.uint8)
    for index in np.argsort(predictions["scores"], kind="stable"):
        if predictions["scores"][index] >= image.score_threshold and image.names.has_parts(int(predictions["labels"][index])):
            box = _tensor(predictions["boxes"][index])
            pasted = paste_parts(_tensor(predictions["parsing"][index]), box, image.size)[0].numpy()
            parts[pasted > 0] = pasted[pasted > 0]
    return parts


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]


RECORDS: Mapping[str, Callable[[_Image], dict[str, Any]]] = {
    "logits": _describe_classes,
    "semseg": _describe_pixels,
    "boxes": _describe_objects,
}
"""Field of predictions -> what a record says of it."""

LABEL_IMAGES: Mapping[str, Callable[[_Image], np.ndarray]] = {
    "semseg": _pixel_labels,
    "parsing": _part_labels,
}
"""Field of predictions -> its label image."""
