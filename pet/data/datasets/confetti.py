"""The data set ``confetti``: small objects in large images, drawn and written in COCO format when it is first used."""

import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pet.data.catalog.source import Source, check_split
from pet.data.datasets.coco import CocoDataset, build_coco
from pet.data.datasets.drawn_set import DrawnSet, replaced_folder
from pet.data.datasets.shapes_background import draw_background
from pet.data.datasets.shapes_drawing import FIGURE, Patch, draw_object

COUNTS = {"train": 16, "test": 4}
SIZE = 3000
VERSION = 1
"""Goes up with every change of what is drawn or written; files of another version are written anew."""
GENERATOR, ANNOTATIONS, IMAGES = "pet confetti", "annotations.json", "images"
CLASS = "confetti"
SCALE = 0.4
"""Of the shapes: about 16 pixels."""
HEAPS, HEAP_RADIUS, MOST_IN_HEAP = 14, 100, 9
GAP = 2
BACKGROUND_SHRINK = 4
JPEG_QUALITY = 90
MOST_NOISE = 5.0


def build_confetti(source: Source) -> CocoDataset:
    """Return a split of ``confetti``, 3000x3000 pixels: 16 images for training and 4 for testing, written first where absent.

    Circles, squares and triangles of about 16 pixels, all of one class, lie in 14 heaps of up to 9, nothing over another, with boxes.

    Raises:
        ConfigError: there is no such split.
        DataError: the folder cannot be written, or holds something else.
    """
    split = source.split
    check_split("confetti", split)
    count = COUNTS[split]
    drawn = DrawnSet("confetti", GENERATOR, VERSION, count, lambda: write_confetti(source.path, split=split, count=count, size=SIZE))
    annotations = drawn.write_where_absent(source.path / split, ANNOTATIONS)
    return build_coco(source._replace(path=annotations.parent / IMAGES, annotations=annotations))


def write_confetti(folder: Path, *, split: str, count: int, size: int = SIZE) -> Path:
    """Write the first ``count`` images of a split into ``folder/<split>`` and return its ``annotations.json``.

    An image depends on split, size and its number alone. What exists already is replaced.

    Args:
        folder: where the split's folder is to be; made where it is missing.
        split: its name, from which the seed follows.
        count: number of images.
        size: rows and columns of the images, a multiple of 4.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    with replaced_folder(folder / split) as temporary:
        (temporary / IMAGES).mkdir()
        for index in range(count):
            image, boxes = draw_confetti(np.random.default_rng([zlib.crc32(split.encode()), index]), size)
            encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
            (temporary / IMAGES / f"{index:03d}.jpg").write_bytes(encoded.tobytes())
            images.append({"id": index + 1, "file_name": f"{index:03d}.jpg", "height": size, "width": size})
            annotations += [
                {
                    "id": (index + 1) * 1000 + place,
                    "image_id": index + 1,
                    "category_id": 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": 0,
                }
                for place, (left, top, right, bottom) in enumerate(boxes)
            ]
        content = {
            "info": {"description": GENERATOR, "version": VERSION, "split": split, "count": count, "size": size},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": CLASS}],
        }
        (temporary / ANNOTATIONS).write_text(json.dumps(content), encoding="utf-8")
    return folder / split / ANNOTATIONS


def draw_confetti(rng: np.random.Generator, size: int) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """Return an image, uint8 (size, size, 3), RGB, and the box (left, top, right, bottom) of each object."""
    small, colours = draw_background(rng, size // BACKGROUND_SHRINK)
    image = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
    boxes: list[tuple[int, int, int, int]] = []
    for _ in range(round(HEAPS * min(size / SIZE * 2, 1))):
        middle = rng.uniform(0, size, 2)
        for _ in range(rng.integers(1, MOST_IN_HEAP + 1)):
            patch = draw_object(rng, int(rng.integers(FIGURE)), SCALE, colours)
            left, top = np.rint(middle + rng.uniform(-HEAP_RADIUS, HEAP_RADIUS, 2)).astype(int).tolist()
            box = _box_of(patch, left, top)
            if _is_free(box, boxes, size):
                height, width = patch.alpha.shape
                place = image[top : top + height, left : left + width]
                place += (patch.colour - place) * patch.alpha[..., None]
                boxes.append(box)
    noisy: np.ndarray = image + rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, MOST_NOISE))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), boxes


def _box_of(patch: Patch, left: int, top: int) -> tuple[int, int, int, int]:
    """Return the box around the pixels that a patch at a place covers by half."""
    covered = patch.alpha >= 0.5
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1


def _is_free(box: tuple[int, int, int, int], earlier: list[tuple[int, int, int, int]], size: int) -> bool:
    """Return whether a box lies inside of the image, a margin for its patch included, and away from the others."""
    left, top, right, bottom = box
    inside = min(left, top) >= 2 * GAP and max(right, bottom) <= size - 2 * GAP
    return inside and all(
        left > other[2] + GAP or right < other[0] - GAP or top > other[3] + GAP or bottom < other[1] - GAP for other in earlier
    )
