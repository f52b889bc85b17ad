"""Writes the data set ``shapes`` as files in COCO format."""

import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from pet.data.datasets.drawn_set import replaced_folder
from pet.data.datasets.shapes_drawing import CLASSES, FIGURE, KEYPOINTS, PARTS, Drawing, DrawnObject, draw_image

VERSION = 4
"""Goes up with every change of what is drawn or written; files of another version are written anew."""
GENERATOR = "pet shapes"
ANNOTATIONS, IMAGES = "annotations.json", "images"
SKELETON = [[1, 2], [1, 3], [1, 4], [1, 5]]
SIGMAS = [0.08, 0.1, 0.1, 0.1, 0.1]
PART_SWAP = [0, 1, 2, 4, 3, 6, 5]
JPEG_QUALITY = 95
ANNOTATIONS_PER_IMAGE = 100
"""Ids of annotations begin anew at each multiple, so that they do not depend on the images before."""


def write_shapes(folder: Path, *, split: str, count: int, size: int = 128) -> Path:
    """Write the first ``count`` images of a split with all targets into ``folder/<split>`` and return its ``annotations.json``.

    An image depends on split, size and its number alone. Everything is written next to its place and renamed, so that
    no reader finds half of it. What exists already is replaced.

    Layout: ``images/NNNNNN.jpg``, label images ``semseg/``, ``parsing/`` and ``instances/`` of the same names (``.png``,
    8 bits), and the COCO file with masks as RLE of what is to be seen.

    Args:
        folder: where the split's folder is to be; made where it is missing.
        split: its name, from which the seed follows.
        count: number of images.
        size: rows and columns of the images.
    """
    with replaced_folder(folder / split) as temporary:
        _fill(temporary, split, count, size)
    return folder / split / ANNOTATIONS


def _fill(folder: Path, split: str, count: int, size: int) -> None:
    for name in (IMAGES, "semseg", "parsing", "instances"):
        (folder / name).mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(count):
        drawing = draw_image(np.random.default_rng([zlib.crc32(split.encode()), index]), size)
        _write_images(folder, f"{index:06d}", drawing)
        images.append({"id": index + 1, "file_name": f"{index:06d}.jpg", "height": size, "width": size})
        annotations.extend(_annotation(index, place, drawn) for place, drawn in enumerate(drawing.objects))
    content = {
        "info": {"description": GENERATOR, "version": VERSION, "split": split, "count": count, "size": size},
        "images": images,
        "annotations": annotations,
        "categories": [_category(label) for label in range(len(CLASSES))],
        "pet": {
            "semseg": "semseg",
            "parsing": "parsing",
            "instances": "instances",
            "semseg_classes": ["background", *CLASSES],
            "parts": list(PARTS),
            "part_swap": PART_SWAP,
        },
    }
    (folder / ANNOTATIONS).write_text(json.dumps(content), encoding="utf-8")


def _write_images(folder: Path, name: str, drawing: Drawing) -> None:
    semseg = np.zeros(drawing.image.shape[:2], np.uint8)
    for drawn in drawing.objects:
        semseg[drawn.mask] = drawn.label + 1
    image = cv2.cvtColor(drawing.image, cv2.COLOR_RGB2BGR)
    _write_image(folder / IMAGES / f"{name}.jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    _write_image(folder / "semseg" / f"{name}.png", semseg, [])
    _write_image(folder / "parsing" / f"{name}.png", drawing.parsing, [])
    _write_image(folder / "instances" / f"{name}.png", drawing.instances, [])


def _write_image(path: Path, image: np.ndarray, options: list[int]) -> None:
    # OpenCV reports a full disk by False alone; write_bytes raises
    encoded = cv2.imencode(path.suffix, image, options)[1]
    path.write_bytes(encoded.tobytes())


def _category(label: int) -> dict[str, Any]:
    category: dict[str, Any] = {"id": label + 1, "name": CLASSES[label], "supercategory": "shape"}
    return {**category, "keypoints": list(KEYPOINTS), "skeleton": SKELETON, "sigmas": SIGMAS} if label == FIGURE else category


def _annotation(index: int, place: int, drawn: DrawnObject) -> dict[str, Any]:
    rows, columns = np.flatnonzero(drawn.mask.any(1)), np.flatnonzero(drawn.mask.any(0))
    x, y, right, bottom = (int(value) for value in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    rle = coco_mask.encode(np.asfortranarray(drawn.mask, np.uint8))
    keypoints = drawn.keypoints if drawn.label == FIGURE else np.zeros((len(KEYPOINTS), 3))
    return {
        "id": (index + 1) * ANNOTATIONS_PER_IMAGE + place,
        "image_id": index + 1,
        "category_id": drawn.label + 1,
        "bbox": [x, y, right - x, bottom - y],
        "area": int(drawn.mask.sum()),
        "iscrowd": 0,
        "segmentation": {"size": [int(length) for length in rle["size"]], "counts": rle["counts"].decode("ascii")},
        # what is no figure has them too, all absent: pycocotools wants them in every annotation
        "keypoints": [value for x, y, seen in keypoints for value in (round(float(x), 2), round(float(y), 2), int(seen))],
        "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        "instance_id": place + 1 if drawn.label == FIGURE else 0,
    }
