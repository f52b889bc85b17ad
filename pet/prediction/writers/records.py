"""Predictions as JSON, and the label images that belong to them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from pycocotools import mask as coco_mask

from pet.prediction.output import Predictions
from pet.structures.paste import paste_masks, paste_nearest, paste_parts
from pet.structures.surface_files import surface_record
from pet.visual.names import TargetNames
from pet.visual.palette import Colour
from petlib.registry import Registry

MOST_CLASSES = 5
DIGITS = 2
"""Decimal places of pixels."""
SPATIAL_DIGITS = 3
"""Decimal places of metres and radians."""
BOX3D_NUMBERS = ("x", "y", "z", "length", "width", "height", "yaw")

Size = tuple[int, int]
"""Height and width of an image."""


class FoundInImage(NamedTuple):
    """What was found in an image, and what is needed to describe it.

    Attributes:
        predictions: as arrays; see :func:`pet.data.draw_predictions`.
        size: of the image.
        names: what the numbers mean.
        score_threshold: objects with a lower score have no part in label images.
    """

    predictions: Predictions
    size: Size
    names: TargetNames
    score_threshold: float = 0.0


class LabelImage(NamedTuple):
    """A field of predictions that becomes a label image.

    Attributes:
        make: gives the labels, uint8 (height, width).
        colour_of: the colour of a label; None: it is not coloured.
    """

    make: Callable[[FoundInImage], np.ndarray]
    colour_of: Callable[[TargetNames, int], Colour | None]


def describe_predictions(predictions: Predictions, size: Size, names: TargetNames) -> dict[str, Any]:
    """Return predictions as JSON can hold them.

    Args:
        predictions: of one image, as arrays; see :func:`pet.data.draw_predictions`.
        size: of the image.
        names: what the numbers mean.

    Returns:
        ``width``, ``height``, and what :data:`RECORDS` has for the fields: ``classes``, the most probable ones of the image, ``pixels``,
        how many each class has, and ``objects``: ``label``, ``class``, ``score``, ``box`` (left, top, right, bottom in pixels), ``track``,
        ``mask`` (a compressed COCO RLE), ``keypoints`` (x, y, score each), ``surface`` (``uv_shape`` and ``uv_data`` of the DensePose
        challenge), ``parsing_score``; of objects in space ``box3d``, metres and radians. Other single numbers are in it too.
    """
    record: dict[str, Any] = {"width": size[1], "height": size[0]}
    record |= {field: round(float(value), 6) for field, value in predictions.items() if np.ndim(value) == 0 and field not in RECORDS}
    for field in RECORDS.names():
        if field in predictions:
            record |= RECORDS.get(field)(FoundInImage(predictions, size, names))
    return record


def label_images(predictions: Predictions, size: Size, names: TargetNames, score_threshold: float) -> dict[str, np.ndarray]:
    """Return what is written as a label image, uint8 (height, width): ``semseg``, and ``parsing`` of the objects above a score.

    Where objects lie over each other, the part of the one with the higher score counts.
    """
    image = FoundInImage(predictions, size, names, score_threshold)
    return {name: entry.make(image) for name, entry in LABEL_IMAGES.items() if name in predictions}


def paste_mask(mask: np.ndarray, box: np.ndarray, size: Size) -> np.ndarray:
    """Return the pixels of an object's mask (M, M) over its box (4,), bool (height, width)."""
    pixels: np.ndarray = paste_masks(_tensor(mask), _tensor(box), size)[0].numpy()
    return pixels


def describe_classes(image: FoundInImage) -> dict[str, Any]:
    """Return the most probable classes of an image."""
    return _most_probable(image, torch.softmax(torch.from_numpy(image.predictions["logits"]).double(), dim=0).numpy())


def describe_class_scores(image: FoundInImage) -> dict[str, Any]:
    """Return the most probable classes of an image that may have several."""
    return _most_probable(image, image.predictions["class_scores"])


def _most_probable(image: FoundInImage, probabilities: np.ndarray) -> dict[str, Any]:
    classes = [
        {"label": int(label), "class": image.names.of_class(int(label)), "score": round(float(probabilities[label]), 6)}
        for label in np.argsort(-probabilities, kind="stable")[:MOST_CLASSES]
    ]
    return {"classes": classes}


def describe_pixels(image: FoundInImage) -> dict[str, Any]:
    """Return how many pixels each class has."""
    found = zip(*np.unique(image.predictions["semseg"], return_counts=True), strict=True)
    pixels = [{"label": int(label), "class": image.names.of_pixel_class(int(label)), "count": int(count)} for label, count in found]
    return {"pixels": pixels}


def describe_objects(image: FoundInImage) -> dict[str, Any]:
    """Return the objects, in their order."""
    return {"objects": [_describe_object(image, index) for index in range(len(image.predictions["boxes"]))]}


def _describe_object(image: FoundInImage, index: int) -> dict[str, Any]:
    predictions, names = image.predictions, image.names
    label, box = int(predictions["labels"][index]), predictions["boxes"][index]
    record: dict[str, Any] = {
        "label": label,
        "class": names.of_class(label),
        "score": round(float(predictions["scores"][index]), 6),
        "box": [round(float(value), DIGITS) for value in box],
    }
    masks, keypoints, tracks = predictions.get("masks"), predictions.get("keypoints"), predictions.get("identities")
    if tracks is not None:
        record["track"] = int(tracks[index])
    if masks is not None:
        rle = coco_mask.encode(np.asfortranarray(paste_mask(masks[index], box, image.size).astype(np.uint8)))
        record["mask"] = {"size": [int(length) for length in rle["size"]], "counts": rle["counts"].decode("ascii")}
    if keypoints is not None and names.has_keypoints(label):
        record["keypoints"] = [[round(float(value), DIGITS) for value in point] for point in keypoints[index]]
    if predictions.get("surface") is not None:
        left, top, right, bottom = map(float, box)
        found = surface_record(predictions["surface"][index], (left, top, right - left, bottom - top))
        record["surface"] = {key: found[key] for key in ("uv_shape", "uv_data")}
    if "parsing_scores" in predictions and names.has_parts(label):
        record["parsing_score"] = round(float(predictions["parsing_scores"][index]), 6)
    return record


def describe_boxes3d(image: FoundInImage) -> dict[str, Any]:
    """Return the objects in space, in their order."""
    fields = (image.predictions[name] for name in ("boxes3d", "scores3d", "labels3d"))
    return {"objects": [_describe_box3d(image.names, *found) for found in zip(*fields, strict=True)]}


def _describe_box3d(names: TargetNames, box: np.ndarray, score: float, label: int) -> dict[str, Any]:
    numbers = {name: round(float(value), SPATIAL_DIGITS) for name, value in zip(BOX3D_NUMBERS, box, strict=True)}
    return {"label": int(label), "class": names.of_class(int(label)), "score": round(float(score), 6), "box3d": numbers}


def _pixel_labels(image: FoundInImage) -> np.ndarray:
    return image.predictions["semseg"].astype(np.uint8)


def _part_labels(image: FoundInImage) -> np.ndarray:
    predictions, parts = image.predictions, np.zeros(image.size, np.uint8)
    for index in np.argsort(predictions["scores"], kind="stable"):
        if predictions["scores"][index] >= image.score_threshold and image.names.has_parts(int(predictions["labels"][index])):
            box = _tensor(predictions["boxes"][index])
            pasted = paste_parts(_tensor(predictions["parsing"][index]), box, image.size)[0].numpy()
            parts[pasted > 0] = pasted[pasted > 0]
    return parts


def surface_image(predictions: Predictions, size: Size, score_threshold: float) -> np.ndarray:
    """Return uint8 (height, width, 3) of an image with ``surface``: part, u and v in 255ths, of the objects above a score.

    Where objects lie over each other, the one with the higher score is in front.
    """
    image = np.zeros((*size, 3), np.uint8)
    for index in np.argsort(predictions["scores"], kind="stable"):
        if predictions["scores"][index] >= score_threshold:
            pasted = paste_nearest(_tensor(predictions["surface"][index]), _tensor(predictions["boxes"][index]), size)[0].numpy()
            image[pasted[0] > 0] = pasted.transpose(1, 2, 0)[pasted[0] > 0]
    return image


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]


RECORDS = Registry(
    "record of a field of predictions",
    {
        "boxes": f"{__name__}:describe_objects",
        "boxes3d": f"{__name__}:describe_boxes3d",
        "class_scores": f"{__name__}:describe_class_scores",
        "logits": f"{__name__}:describe_classes",
        "semseg": f"{__name__}:describe_pixels",
    },
)
"""Field of predictions -> from :class:`FoundInImage` to the entries of a record."""

LABEL_IMAGES: Mapping[str, LabelImage] = {
    "semseg": LabelImage(_pixel_labels, TargetNames.pixel_class_colour),
    "parsing": LabelImage(_part_labels, TargetNames.part_colour),
}
"""Field of predictions -> its label image."""
