"""Crops of people that one core prepares for the training of a pose network, next to a plain loop of OpenCV and NumPy.

An image of 640x480 with four people of 17 keypoints is in the memory. Both ways cut each person out, 256x192, with a random size, angle
and mirroring, and make heatmaps of 64x48. ``pet`` is what a loader worker and the step do: ``RandomCropObject``, batches of 32, and the
heatmaps of a batch from coordinates, here on the CPU; ``pet_crops`` is its part without heatmaps, which a GPU makes in a training.
``plain`` is the usual loop: one ``warpAffine``, the keypoints one by one through the matrix, and for each a Gaussian of 13x13 pixels
that is copied into its map. They take turns, and medians of the processor time are compared. The last line is one JSON object.

    python tools/benchmark/instance_crops.py [--crops 256] [--repeats 7]
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch
from counts import count

from pet.data.objects import ObjectBoxes, ObjectCrops
from pet.data.targets.dataset import Dataset, DatasetInfo, KeypointSet
from pet.data.transforms.build import build_transforms
from pet.models.instance.heatmaps import encode_keypoints
from pet.structures.pixel_conventions import CONVENTIONS
from petlib.data.protocols import Sample

WIDTH, HEIGHT, PEOPLE, KEYPOINTS = 640, 480, 4, 17
CROP, MAPS, SIGMA, BATCH = (256, 192), (64, 48), 2.0, 32
SCALE, ROTATION, TURNED, FLIPPED, PADDING = 0.35, 45.0, 0.6, 0.5, 1.25
SWAP = [0, *(place + (1 if place % 2 else -1) for place in range(1, KEYPOINTS))]


class People(Dataset):
    """One image with people, read already."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._image = cv2.resize(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        corners = rng.uniform(0, (WIDTH - 150, HEIGHT - 250), (PEOPLE, 2))
        self.boxes = np.concatenate([corners, corners + rng.uniform((80, 160), (150, 250), (PEOPLE, 2))], axis=1).astype(np.float32)
        places = rng.uniform(0, 1, (PEOPLE, KEYPOINTS, 2)) * (self.boxes[:, None, 2:] - self.boxes[:, None, :2]) + self.boxes[:, None, :2]
        self.keypoints = np.concatenate([places, np.full((PEOPLE, KEYPOINTS, 1), 2)], axis=2).astype(np.float32)
        points = KeypointSet(names=tuple(map(str, range(KEYPOINTS))), swap=tuple(SWAP), skeleton=(), sigmas=(0.05,) * KEYPOINTS)
        self.info = DatasetInfo(frozenset({"boxes", "keypoints"}), classes=["person"], keypoint_set=points)
        self.labels = np.zeros(PEOPLE, np.int64)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        fields = {"image": self._image, "boxes": self.boxes, "keypoints": self.keypoints, "labels": self.labels}
        return {**fields, "meta": {"size": (HEIGHT, WIDTH), "keypoint_swap": SWAP}}


def pet_way(people: People, crops: int, *, heatmaps: bool) -> None:
    """Prepare crops, and their heatmaps, as Pet does."""
    every = np.arange(PEOPLE)
    boxes = ObjectBoxes(np.zeros_like(every), every, people.boxes, np.zeros_like(every), np.ones(PEOPLE, np.float32))
    objects = ObjectCrops(people, boxes)
    entry = {"name": "RandomCropObject", "size": list(CROP), "scale": SCALE, "rotation": ROTATION}
    transforms, _ = build_transforms([entry], default_size=None)
    grid, rng = CONVENTIONS["pet"].grid(CROP, MAPS), np.random.default_rng(0)
    for batch in batches(crops):
        samples = [transforms(objects[place], rng) for place in batch]
        torch.from_numpy(np.stack([sample["image"] for sample in samples]))
        if heatmaps:
            # a crop may have lost its object
            points = torch.from_numpy(np.concatenate([sample["keypoints"] for sample in samples if len(sample["keypoints"])]))
            encode_keypoints(points[..., :2], MAPS, grid, sigma=SIGMA)


def plain_way(people: People, crops: int) -> None:
    """Prepare crops and heatmaps by a loop over them."""
    rng, image = np.random.default_rng(0), people[0]["image"]
    for batch in batches(crops):
        made = [plain_crop(image, people.boxes[place], people.keypoints[place], rng) for place in batch]
        torch.from_numpy(np.stack([crop for crop, _ in made]))
        torch.from_numpy(np.stack([maps for _, maps in made]))


def batches(crops: int) -> list[list[int]]:
    """Return the people of each batch."""
    return [[place % PEOPLE for place in range(start, min(start + BATCH, crops))] for start in range(0, crops, BATCH)]


def plain_crop(image: np.ndarray, box: np.ndarray, keypoints: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a crop, uint8 (256, 192, 3), and its heatmaps, float32 (17, 64, 48)."""
    centre, length = (box[:2] + box[2:]) / 2, max(float(box[3] - box[1]), float(box[2] - box[0]) * CROP[0] / CROP[1]) * PADDING
    length *= float(np.clip(1 + SCALE * rng.standard_normal(), 1 - SCALE, 1 + SCALE))
    angle = math.radians(ROTATION * float(np.clip(rng.standard_normal(), -2, 2))) if rng.random() < TURNED else 0.0
    up = np.array([math.sin(angle), -math.cos(angle)]) * length / 2
    side = np.array([-up[1], up[0]])
    source = np.array([centre, centre + up, centre + side], np.float32)
    middle = (CROP[1] / 2, CROP[0] / 2)
    target = np.array([middle, (middle[0], 0), (middle[0] + CROP[0] / 2, middle[1])], np.float32)
    matrix = cv2.getAffineTransform(source, target)
    if rng.random() < FLIPPED:
        matrix[0] = [-matrix[0, 0], -matrix[0, 1], CROP[1] - 1 - matrix[0, 2]]
        keypoints = keypoints[SWAP]
    crop = cv2.warpAffine(image, matrix, (CROP[1], CROP[0]), flags=cv2.INTER_LINEAR)
    maps = np.zeros((KEYPOINTS, *MAPS), np.float32)
    for number, point in enumerate(keypoints):
        draw_gaussian(maps[number], matrix @ np.array([point[0], point[1], 1.0]))
    return crop, maps


def draw_gaussian(heatmap: np.ndarray, place: np.ndarray) -> None:
    """Copy a Gaussian around a place of the crop into a map."""
    reach, axis = int(3 * SIGMA), np.arange(2 * int(3 * SIGMA) + 1, dtype=np.float32) - int(3 * SIGMA)
    gaussian = np.exp(-(axis**2 + axis[:, None] ** 2) / (2 * SIGMA**2))
    x, y = (int(value / 4 + 0.5) for value in place)
    left, top, right, bottom = max(x - reach, 0), max(y - reach, 0), min(x + reach + 1, MAPS[1]), min(y + reach + 1, MAPS[0])
    if left < right and top < bottom:
        heatmap[top:bottom, left:right] = gaussian[top - y + reach : bottom - y + reach, left - x + reach : right - x + reach]


def main() -> None:
    """Measure both ways."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(".")[0])
    parser.add_argument("--crops", type=count, default=256)
    parser.add_argument("--repeats", type=count, default=7)
    options = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    people = People()
    ways: dict[str, Callable[[People, int], None]] = {
        "pet": partial(pet_way, heatmaps=True),
        "pet_crops": partial(pet_way, heatmaps=False),
        "plain": plain_way,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, way in ways.items():
            start = time.process_time()
            way(people, options.crops)
            times[name].append(time.process_time() - start)
    found = {name: round(options.crops / statistics.median(values), 1) for name, values in times.items()}
    print(", ".join(f"{name} {value:g} crops a second" for name, value in found.items()))
    print(json.dumps({**found, "ratio": round(found["pet"] / found["plain"], 3)}))


if __name__ == "__main__":
    main()
