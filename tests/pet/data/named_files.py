"""Small data sets in each format, in which a class has one name and any number."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIZE = (40, 60)
OBJECTS = (("cat", (4, 5, 20, 25)), ("dog", (30, 10, 55, 38)), ("cat", (8, 8, 40, 30)), ("eel", (10, 4, 30, 30)))
"""The class and the box, XYXY, of the object of each image."""


def write_image(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*SIZE, 3), value, np.uint8))


def write_coco(folder: Path, ids: dict[str, int], objects: Sequence[tuple[str, Sequence[int]]] = OBJECTS, **entries: Any) -> dict[str, str]:
    """Write an image for each object, and the COCO file whose categories have these ids; return its entry of the catalogue."""
    images, annotations = [], []
    for number, (name, box) in enumerate(objects, 1):
        write_image(folder / "images" / f"{number}.png", 20 * number)
        images.append({"id": number, "file_name": f"{number}.png", "height": SIZE[0], "width": SIZE[1]})
        bbox = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
        row = {"id": number, "image_id": number, "category_id": ids[name], "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0}
        annotations.append(row)
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    content = {"images": images, "annotations": annotations, "categories": categories, **entries}
    (folder / "objects.json").write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return {"type": "coco", "path": str(folder / "images"), "annotations": str(folder / "objects.json")}


def write_voc(folder: Path, objects: Sequence[tuple[str, Sequence[int]]] = OBJECTS) -> dict[str, str]:
    """Write an image for each object in the layout of Pascal VOC; return the entry of the catalogue."""
    for name in ("Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for number, (name, box) in enumerate(objects, 1):
        write_image(folder / "JPEGImages" / f"{number}.jpg", 20 * number)
        edges = (box[0] + 1, box[1] + 1, box[2], box[3])
        corners = "".join(f"<{edge}>{value}</{edge}>" for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True))
        size = f"<size><width>{SIZE[1]}</width><height>{SIZE[0]}</height><depth>3</depth></size>"
        item = f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"
        (folder / "Annotations" / f"{number}.xml").write_text(f"<annotation>{size}{item}</annotation>")
    (folder / "ImageSets/Main/all.txt").write_text("".join(f"{number}\n" for number in range(1, len(objects) + 1)))
    return {"type": "voc", "path": str(folder), "split": "all"}


def write_folders(folder: Path, classes: Sequence[str]) -> dict[str, str]:
    """Write a folder for each class with an image in it, as bright as the number of its name in the alphabet."""
    for name in classes:
        write_image(folder / name / "1.png", ord(name[0]))
    return {"type": "image_folder", "path": str(folder)}


def write_list(folder: Path, classes: Sequence[str]) -> dict[str, str]:
    """Write a list with an image of each class."""
    write_folders(folder, classes)
    (folder / "list.txt").write_text("".join(f"{name}/1.png {name}\n" for name in classes))
    return {"type": "list_file", "path": str(folder / "list.txt")}


def write_labels(folder: Path, classes: Sequence[str], drawn: Sequence[str]) -> dict[str, Any]:
    """Write an image whose rows, from top to bottom, are of the classes ``drawn``; their numbers are places in ``classes``."""
    write_image(folder / "images" / "1.png")
    rows = np.repeat([classes.index(name) for name in drawn], SIZE[0] // len(drawn)).astype(np.uint8)
    (folder / "labels").mkdir(parents=True)
    cv2.imwrite(str(folder / "labels" / "1.png"), np.repeat(rows[:, None], SIZE[1], axis=1))
    places = {"path": str(folder / "images"), "annotations": str(folder / "labels")}
    return {"type": "semseg_folder", **places, "classes": list(classes)}
