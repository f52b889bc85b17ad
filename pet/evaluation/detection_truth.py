"""The objects of a data set in the forms that metrics take."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pet.data.targets.dataset import ImageTruth
from pet.metrics.coco import Kind, Record
from pet.metrics.voc import VocTruth


def coco_truth(truths: Sequence[ImageTruth], classes: Sequence[str], kind: Kind) -> dict[str, Any]:
    """Return images, categories and annotations as in a COCO file.

    Ids count from 1 (``place + 1``, ``label + 1``): those of the data set may be words, or occur twice in joined sets.
    """
    annotations: list[Record] = []
    for number, truth in enumerate(truths, 1):
        first = len(annotations) + 1
        annotations += [{**record, "id": place, "image_id": number} for place, record in enumerate(_annotations(truth, kind), first)]
    return {
        "images": [{"id": number, "height": truth.height, "width": truth.width} for number, truth in enumerate(truths, 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
        "annotations": annotations,
    }


def voc_truth(truths: Sequence[ImageTruth]) -> VocTruth:
    """Return the objects of all images; crowd regions are difficult objects."""
    # an empty first part: there may be no image
    return VocTruth(
        np.concatenate([np.zeros(0, np.int64), *(np.full(len(truth.labels), place) for place, truth in enumerate(truths))]),
        np.concatenate([np.zeros((0, 4), np.float32), *(truth.boxes for truth in truths)]),
        np.concatenate([np.zeros(0, np.int64), *(truth.labels for truth in truths)]),
        np.concatenate([np.zeros(0, bool), *(truth.crowd for truth in truths)]),
    )


def labels_with_keypoints(truths: Sequence[ImageTruth]) -> set[int]:
    """Return the labels of which some object has a labelled keypoint."""
    return {
        label
        for truth in truths
        if truth.keypoints is not None
        for label in truth.labels[(truth.keypoints[:, :, 2] > 0).any(axis=1)].tolist()
    }


def objects_per_class(truths: Sequence[ImageTruth], classes: int) -> list[int]:
    """Return how many objects there are of each class, crowd regions left out."""
    labels = np.concatenate([np.zeros(0, np.int64), *(truth.labels[~truth.crowd] for truth in truths)])
    counts: list[int] = np.bincount(labels, minlength=classes).tolist()
    return counts


def _annotations(truth: ImageTruth, kind: Kind) -> list[Record]:
    boxes = truth.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    columns = boxes.tolist(), truth.labels.tolist(), truth.areas.tolist(), truth.crowd.tolist()
    records: list[Record] = [
        {"bbox": box, "category_id": label + 1, "area": area, "iscrowd": int(crowd)}
        for box, label, area, crowd in zip(*columns, strict=True)
    ]
    return [{**record, **extra} for record, extra in zip(records, _EXTRAS[kind](truth), strict=True)]


def _no_extras(truth: ImageTruth) -> list[Record]:
    return [{} for _ in truth.labels]


def _outlines(truth: ImageTruth) -> list[Record]:
    assert truth.segmentations is not None, f"{truth.file}: its objects have no masks"
    return [
        {"segmentation": outline} if outline is not None else _ignored_place(box)
        for outline, box in zip(truth.segmentations, truth.boxes.tolist(), strict=True)
    ]


def _ignored_place(box: Sequence[float]) -> Record:
    """Return a crowd region: what is found in the place of an object whose outline is not known is neither right nor wrong."""
    left, top, right, bottom = box
    return {"segmentation": [[left, top, right, top, right, bottom, left, bottom]], "iscrowd": 1}


def _points(truth: ImageTruth) -> list[Record]:
    assert truth.keypoints is not None, f"{truth.file}: its objects have no keypoints"
    labelled = (truth.keypoints[:, :, 2] > 0).sum(axis=1).tolist()
    flat = [own.ravel().tolist() for own in truth.keypoints.astype(np.float64)]
    return [{"keypoints": own, "num_keypoints": count} for own, count in zip(flat, labelled, strict=True)]


_EXTRAS: dict[Kind, Callable[[ImageTruth], list[Record]]] = {"bbox": _no_extras, "segm": _outlines, "keypoints": _points}
"""What is measured -> what the record of each object holds in addition to its box."""
