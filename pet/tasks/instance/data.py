"""What a network of single objects is trained and measured on: the objects of the data, and boxes that a detector found in them."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.files.json_files import read_json
from pet.data.files.json_values import as_number, as_numbers
from pet.data.files.limits import shown
from pet.data.objects import DETECTOR, ObjectBoxes, ObjectCrops, true_objects
from pet.data.targets.dataset import Dataset, Expectation, read_truths
from pet.evaluation.detection_results import distinct_ids
from pet.typed import InstanceConfig
from petlib.errors import DataError, name_in_errors

HEADS = {"HAS_KEYPOINTS": "keypoints", "HAS_MASK": "masks", "HAS_PARSING": "parsing"}
"""Switch of a head -> the kind of target that it learns."""

COUNTS = {"keypoints": ("KEYPOINTS", "NUM_KEYPOINTS"), "parsing": ("PARSING", "NUM_PARTS")}
SMALLEST_EDGE = 1e-3

logger = logging.getLogger(__name__)


def target_kinds(cfg: InstanceConfig) -> tuple[str, ...]:
    """Return the kinds of targets that the heads learn."""
    return tuple(kind for switch, kind in HEADS.items() if cfg.MODEL[switch])


def expected_data(cfg: InstanceConfig) -> Expectation:
    """Return what the heads that are on want of their data: boxes of any classes, and their targets."""
    return Expectation(
        kinds=("boxes", *target_kinds(cfg)),
        counts={kind: cfg.MODEL[section][key] for kind, (section, key) in COUNTS.items()},
        settings={kind: f"MODEL.{section}.{key}" for kind, (section, key) in COUNTS.items()},
    )


def crop_objects(cfg: InstanceConfig, dataset: Dataset) -> ObjectCrops:
    """Return the objects of a data set that have a target of one of the heads, a sample each.

    Raises:
        DataError: there is none.
    """
    return ObjectCrops(dataset, true_objects(dataset, target_kinds(cfg)))


def crop_detections(cfg: InstanceConfig, dataset: Dataset) -> ObjectCrops:
    """Return the boxes of ``TEST.BOXES`` in the images of a data set, a sample each.

    Raises:
        DataError: the file cannot be used, or belongs to other data.
    """
    with name_in_errors({"read_detections.path": "TEST.BOXES"}):
        return ObjectCrops(dataset, read_detections(Path(cfg.TEST.BOXES), dataset, least=cfg.TEST.BOX_SCORE), boxes_from=DETECTOR)


def read_detections(path: Path, dataset: Dataset, *, least: float) -> ObjectBoxes:
    """Return the boxes of a result file of a detector, as COCO defines it and Pet writes ``bbox.json``, in the order of the images.

    Boxes of classes that the data do not have are left out, and those of images that are no part of them; how many is logged.

    Args:
        path: the file, a list of ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}``.
        dataset: the images.
        least: boxes with a lower score are left out.

    Raises:
        DataError: it is no such file, or none of its boxes lies in one of the images.
    """
    try:
        records = read_json(path, what="the file of boxes")
    except DataError as error:
        raise DataError(f"read_detections.path: {error}") from error
    if not isinstance(records, list):
        raise DataError(f"read_detections.path: {path}: a list of boxes expected, as a test of a detector writes it (bbox.json)")
    ids = distinct_ids([truth.id for truth in read_truths(dataset)], dataset.info.parts)
    images = {str(own): place for place, own in enumerate(ids)}
    labels = {int(own): label for label, own in enumerate(dataset.info.category_ids)}
    rows = [_read_record(path, place, record) for place, record in enumerate(records)]
    known = [row for row in rows if row[0] in images]
    if rows and not known:
        raise DataError(
            f"read_detections.path: {path}: none of its {len(rows)} boxes lies in one of the {len(images)} images: its image_id is, e.g., "
            f"{rows[0][0]}, those of the data are, e.g., {next(iter(images), 'none')}; give the detections of these data"
        )
    chosen = [row for row in known if row[1] in labels and row[3] >= least and _has_area(row[2])]
    logger.info("%s: %d boxes in these images, %d of %d in others", path, len(chosen), len(rows) - len(known), len(rows))
    if not chosen:
        raise DataError(
            f"read_detections.path: {path}: none of its {len(known)} boxes has a class of the data ({', '.join(dataset.info.classes)}) "
            f"and a score of at least {least:g}"
        )
    places = np.array([images[row[0]] for row in chosen], np.int64)
    order = np.argsort(places, kind="stable")
    return ObjectBoxes(
        images=places[order],
        places=np.full(len(order), -1),
        boxes=np.array([row[2] for row in chosen], np.float32)[order],
        labels=np.array([labels[row[1]] for row in chosen], np.int64)[order],
        scores=np.array([row[3] for row in chosen], np.float32)[order],
    )


def _has_area(box: tuple[float, float, float, float]) -> bool:
    return min(box[2] - box[0], box[3] - box[1]) >= SMALLEST_EDGE


def _read_record(path: Path, place: int, record: Any) -> tuple[str, int, tuple[float, float, float, float], float]:
    """Return image id, category id, box (XYXY) and score."""
    box = as_numbers(record.get("bbox")) if isinstance(record, dict) else None
    score = as_number(record.get("score")) if isinstance(record, dict) else None
    if box is None or len(box) != 4 or score is None or not isinstance(record.get("category_id"), int) or "image_id" not in record:
        raise DataError(
            f"read_detections.path: {path}: entry {place} is {shown(record)}; image_id, category_id, bbox [x, y, width, height] and score "
            "expected"
        )
    left, top, width, height = map(float, box)
    return str(record["image_id"]), record["category_id"], (left, top, left + width, top + height), float(score)
