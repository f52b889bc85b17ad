"""Predictions as JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask

from pet.structures.paste import paste_masks, paste_parts
from pet.visual.names import TargetNames

MOST_CLASSES = 5
DIGITS = 2
"""Decimal places of pixels."""


def describe_predictions(predictions: Mapping[str, np.ndarray], size: tuple[int, int], names: TargetNames) -> dict[str, Any]:
    """Return predictions as JSON can hold them.

    Args:
        predictions: of one image, as arrays; see :func:`pet.visual.draw_predictions`.
        size: (height, width) of the image.
        names: what the numbers mean.

    Returns:
        ``width``, ``height``, and where there are such predictions ``classes``, the most probable ones of the image, and
        ``objects``: ``label``, ``class``, ``score``, ``box`` (left, top, right, bottom in pixels), ``mask`` (a compressed COCO
        RLE), ``keypoints`` (x, y, score each), ``parsing_score``.
    """
    record: dict[str, Any] = {"width": size[1], "height": size[0]}
    if "logits" in predictions:
        record["classes"] = _describe_classes(predictions["logits"], names)
    if "boxes" in predictions:
        record["objects"] = [_describe_object(predictions, index, size, names) for index in range(len(predictions["boxes"]))]
    return record


def label_images(
    predictions: Mapping[str, np.ndarray], size: tuple[int, int], names: TargetNames, score_threshold: float
) -> dict[str, np.ndarray]:
    """Return what is written as a picture of labels, uint8 (height, width): ``semseg``, and ``parsing`` of the objects above a score.

    Where objects lie over each other, the part of the one with the higher score counts.
    """
    images = {}
    if "semseg" in predictions:
        images["semseg"] = predictions["semseg"].astype(np.uint8)
    if "parsing" in predictions:
        parts = np.zeros(size, np.uint8)
        for index in np.argsort(predictions["scores"], kind="stable"):
            if predictions["scores"][index] >= score_threshold and names.has_parts(int(predictions["labels"][index])):
                pasted = paste_parts(_tensor(predictions["parsing"][index]), _tensor(predictions["boxes"][index]), size)[0].numpy()
                parts[pasted > 0] = pasted[pasted > 0]
        images["parsing"] = parts
    return images


def _describe_classes(logits: np.ndarray, names: TargetNames) -> list[dict[str, Any]]:
    probabilities = torch.softmax(torch.from_numpy(logits).double(), dim=0).numpy()
    best = np.argsort(-probabilities, kind="stable")[:MOST_CLASSES]
    return [{"label": int(label), "class": names.of_class(int(label)), "score": round(float(probabilities[label]), 6)} for label in best]


def _describe_object(predictions: Mapping[str, np.ndarray], index: int, size: tuple[int, int], names: TargetNames) -> dict[str, Any]:
    label, box = int(predictions["labels"][index]), predictions["boxes"][index]
    record: dict[str, Any] = {
        "label": label,
        "class": names.of_class(label),
        "score": round(float(predictions["scores"][index]), 6),
        "box": [round(float(value), DIGITS) for value in box],
    }
    if "masks" in predictions:
        pixels = paste_masks(_tensor(predictions["masks"][index]), _tensor(box), size)[0].numpy()
        rle = coco_mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
        record["mask"] = {"size": [int(length) for length in rle["size"]], "counts": rle["counts"].decode("ascii")}
    if "keypoints" in predictions and names.has_keypoints(label):
        record["keypoints"] = [[round(float(value), DIGITS) for value in point] for point in predictions["keypoints"][index]]
    if "parsing_scores" in predictions and names.has_parts(label):
        record["parsing_score"] = round(float(predictions["parsing_scores"][index]), 6)
    return record


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]
