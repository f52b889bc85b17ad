"""The data set ``mannequins``: drawn figures with points of their surface, written as files in the format of DensePose-COCO."""

import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from pet.data.catalog.source import Source, check_split
from pet.data.datasets.coco import CocoDataset, build_coco
from pet.data.datasets.coco_surface import BOX_CELLS
from pet.data.datasets.drawn_set import DrawnSet, replaced_folder
from pet.data.datasets.mannequins_body import body_mesh
from pet.data.datasets.mannequins_drawing import DrawnFigure, draw_mannequins
from pet.structures.surfaces import write_mesh

COUNTS = {"train": 1000, "test": 200}
VERSION = 1
"""Goes up with every change of what is drawn or written; files of another version are written anew."""
GENERATOR = "pet mannequins"
ANNOTATIONS, IMAGES, MESH = "annotations.json", "images", "mesh.npz"
POINTS = 100
"""Marked points of a figure, about as many as DensePose-COCO has."""
FEWEST_PIXELS = 60
"""Of a figure, below which it is not annotated."""


def build_mannequins(source: Source) -> CocoDataset:
    """Return a split of ``mannequins``, 128x128 pixels: 1,000 images for training and 200 for testing, written first where absent.

    One or two jointed figures in random poses, turned up to 60 degrees, before cluttered backgrounds; with boxes, masks, and 100 points
    each of their surface in twelve charts, and the mesh with distances along it. The first process of each machine writes, the others
    wait; every process has to call this.

    Raises:
        ConfigError: there is no such split.
        DataError: the folder cannot be written, or holds something else.
    """
    check_split("mannequins", source.split)
    folder, count = source.path / source.split, COUNTS[source.split]
    drawn = DrawnSet("mannequins", GENERATOR, VERSION, count, lambda: write_mannequins(source.path, split=source.split, count=count))
    annotations = drawn.write_where_absent(folder, ANNOTATIONS)
    return build_coco(source._replace(path=folder / IMAGES, annotations=annotations, mesh=folder / MESH))


def write_mannequins(folder: Path, *, split: str, count: int, size: int = 128) -> Path:
    """Write the first ``count`` images of a split with mesh and annotations into ``folder/<split>`` and return its ``annotations.json``.

    An image depends on split, size and its number alone. What exists already is replaced.

    Args:
        folder: where the split's folder is to be; made where it is missing.
        split: its name, from which the seed follows.
        count: number of images.
        size: rows and columns of the images.
    """
    with replaced_folder(folder / split) as temporary:
        (temporary / IMAGES).mkdir()
        write_mesh(temporary / MESH, body_mesh())
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index in range(count):
            rng = np.random.default_rng([zlib.crc32(split.encode()), index])
            image, figures = draw_mannequins(rng, size)
            encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            (temporary / IMAGES / f"{index:06d}.jpg").write_bytes(encoded.tobytes())
            images.append({"id": index + 1, "file_name": f"{index:06d}.jpg", "height": size, "width": size})
            seen = [figure for figure in figures if figure.visible.sum() >= FEWEST_PIXELS]
            annotations += [annotate(figure, rng, size, number=10 * (index + 1) + place) for place, figure in enumerate(seen)]
        content = {
            "info": {"description": GENERATOR, "version": VERSION, "split": split, "count": count, "size": size},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "person"}],
        }
        (temporary / ANNOTATIONS).write_text(json.dumps(content), encoding="utf-8")
    return folder / split / ANNOTATIONS


def annotate(figure: DrawnFigure, rng: np.random.Generator, size: int, *, number: int) -> dict[str, Any]:
    """Return the annotation of a figure in the format of DensePose-COCO; ``number`` is its id, a tenth of it the image's."""
    rows, columns = np.flatnonzero(figure.visible.any(axis=1)), np.flatnonzero(figure.visible.any(axis=0))
    top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    inside = figure.visible[top:bottom, left:right].astype(np.uint8)
    page = np.zeros((size, size), np.uint8)
    page[figure.top + top : figure.top + bottom, figure.left + left : figure.left + right] = inside
    seen = np.argwhere(figure.visible)
    chosen = seen[np.sort(rng.permutation(len(seen))[:POINTS])]
    places = (chosen + 0.5 - (top, left)) / (bottom - top, right - left) * BOX_CELLS
    uv = figure.uv[chosen[:, 0], chosen[:, 1]]
    return {
        "id": number,
        "image_id": number // 10,
        "category_id": 1,
        "bbox": [figure.left + left, figure.top + top, right - left, bottom - top],
        "area": int(inside.sum()),
        "iscrowd": 0,
        "segmentation": _rle(page),
        "dp_x": np.round(places[:, 1], 3).tolist(),
        "dp_y": np.round(places[:, 0], 3).tolist(),
        "dp_I": figure.part[chosen[:, 0], chosen[:, 1]].tolist(),
        "dp_U": np.round(uv[:, 0].astype(np.float64), 4).tolist(),
        "dp_V": np.round(uv[:, 1].astype(np.float64), 4).tolist(),
        "dp_masks": [_rle(cv2.resize(inside, (BOX_CELLS, BOX_CELLS), interpolation=cv2.INTER_NEAREST))],
    }


def _rle(mask: np.ndarray) -> dict[str, Any]:
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(length) for length in rle["size"]], "counts": rle["counts"].decode("ascii")}
