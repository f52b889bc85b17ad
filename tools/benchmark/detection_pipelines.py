"""Images with objects, from the file to a collated sample of about 800x1333 pixels, by Pet and by torchvision's reference.

Each pipeline decodes a JPEG (640x480), mirrors half of the samples, gives the shorter edge 800 pixels, and gives image, boxes,
labels and masks of the seven objects as pixels. torchvision's is that of its references/detection (0.29; presets.py with v2,
coco_utils.py's conversion of polygons): masks are drawn in the size of the file and resized with the image, as floats, by
``GeneralizedRCNNTransform``. Pet moves polygons, draws them at the end, and leaves images in uint8 until they are on the device.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.transforms import v2

from pet import data, structures
from pet.data.targets.finish import FinishTargets
from petlib.data import SampleKey, SampleReader, collate

HEIGHT, WIDTH = 480, 640
SHORTEST, LONGEST = 800, 1333
OBJECTS = 7

Annotations = list[dict[str, Any]]
"""Of one image, as in COCO files: ``bbox`` (XYWH), ``category_id``, ``segmentation`` (polygons)."""


class Objects:
    """A data set of image files with annotations."""

    def __init__(self, paths: Sequence[Path], annotations: Sequence[Annotations]) -> None:
        self._paths = paths
        self._annotations = annotations

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> dict[str, object]:
        objects = self._annotations[index]
        boxes = np.array([item["bbox"] for item in objects], np.float32)
        boxes[:, 2:] += boxes[:, :2]
        return {
            "image": data.read_image(self._paths[index]),
            "boxes": boxes,
            "labels": np.array([item["category_id"] for item in objects], np.int64),
            "masks": structures.InstanceMasks.from_segmentations([item["segmentation"] for item in objects], (HEIGHT, WIDTH)),
            "meta": {"file": str(self._paths[index])},
        }


def write_objects(
    folder: Path, images: int, make_image: Callable[[np.random.Generator, int, int], np.ndarray]
) -> tuple[list[Path], list[Annotations]]:
    """Write JPEG files; return their paths and the objects in them."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{index:04}.jpg" for index in range(images)]
    annotations = []
    for path in paths:
        image = make_image(rng, HEIGHT, WIDTH)
        outlines = [_outline(rng) for _ in range(OBJECTS)]
        for outline in outlines:
            cv2.fillPoly(image, [outline.astype(np.int32)], [int(value) for value in rng.integers(0, 256, 3)])
        Image.fromarray(image).save(path, quality=90)
        annotations.append([_annotation(outline, int(rng.integers(80))) for outline in outlines])
    return paths, annotations


def _outline(rng: np.random.Generator) -> np.ndarray:
    """Return a crooked polygon of 30 points, (30, 2), inside of the image."""
    angles = np.linspace(0.0, 2 * np.pi, 30, endpoint=False)
    radii = np.exp(rng.uniform(np.log(10.0), np.log(150.0))) * rng.uniform(0.7, 1.0, 30)
    points = rng.uniform((0, 0), (WIDTH, HEIGHT)) + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.clip(points, 0.0, (WIDTH, HEIGHT))


def _annotation(outline: np.ndarray, label: int) -> dict[str, Any]:
    (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
    box = [float(value) for value in (left, top, right - left, bottom - top)]
    return {"bbox": box, "category_id": label, "segmentation": [[float(value) for value in outline.ravel()]]}


def ours(paths: Sequence[Path], annotations: Sequence[Annotations]) -> Callable[[int], object]:
    """Return what a loader worker does for a sample."""
    entries = ["RandomHorizontalFlip", {"name": "ResizeShortestEdge", "max_size": LONGEST}]
    transforms, _ = data.build_transforms(entries, default_size=None, default_sizes=[SHORTEST])
    transforms.transforms.append(FinishTargets(("boxes", "masks")))
    reader = SampleReader(Objects(paths, annotations), transforms, seed=0)
    return lambda index: collate(reader.read([SampleKey(0, index, index)]))


def torchvision_reference(
    paths: Sequence[Path], annotations: Sequence[Annotations], *, tensors: bool = False, resizes: bool = True
) -> Callable[[int], object]:
    """Return the same from torchvision.

    Args:
        paths: of the images.
        annotations: of their objects.
        tensors: decode into a tensor instead of a PIL image.
        resizes: False: leave out the resizing, which the reference does in the model.
    """
    augment = v2.Compose(
        [
            v2.RandomHorizontalFlip(p=0.5),
            v2.ToImage(),
            v2.ToDtype(torch.float, scale=True),
            v2.ConvertBoundingBoxFormat(tv_tensors.BoundingBoxFormat.XYXY),
            v2.SanitizeBoundingBoxes(),
            v2.ToPureTensor(),
        ]
    )
    resizer = GeneralizedRCNNTransform(SHORTEST, LONGEST, image_mean=[0.0] * 3, image_std=[1.0] * 3)

    def run(index: int) -> object:
        image, target = augment(_decode(paths[index], tensors=tensors), _target(annotations[index]))
        if resizes:
            image, target = resizer.resize(image, target)
        return tuple(zip((image, target), strict=True))

    return run


def _decode(path: Path, *, tensors: bool) -> object:
    if tensors:
        return tv_tensors.Image(decode_jpeg(read_file(str(path)), mode=ImageReadMode.RGB))
    with Image.open(path) as image:
        return image.convert("RGB")


def _target(objects: Annotations) -> dict[str, torch.Tensor]:
    """Return the targets of an image as torchvision's reference makes them of COCO annotations."""
    boxes = torch.tensor([item["bbox"] for item in objects], dtype=torch.float32)
    boxes[:, 2:] += boxes[:, :2]
    masks = [
        torch.as_tensor(coco_mask.decode(coco_mask.frPyObjects(item["segmentation"], HEIGHT, WIDTH)), dtype=torch.uint8).any(dim=2)
        for item in objects
    ]
    return {
        "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(HEIGHT, WIDTH)),
        "labels": torch.tensor([item["category_id"] for item in objects]),
        "masks": tv_tensors.Mask(torch.stack(masks)),
    }
