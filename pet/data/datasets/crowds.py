"""The data set ``crowds``: drawn people from a raised camera, for experiments with counting without photographs."""

from typing import NamedTuple

import cv2
import numpy as np

from pet.data.catalog.source import Source, check_split
from pet.data.targets.dataset import Dataset, DatasetInfo
from petlib.data.protocols import Sample

EDGE = 256
"""Height and width of an image, pixels."""
FEWEST, MOST = 4, 260
"""People of an image that is not empty; numbers are drawn evenly on a logarithmic scale."""
EMPTY_SHARE = 0.05
COUNTS = {"train": 600, "test": 150}
SEEDS = {"train": 21, "test": 30}
FAR, NEAR = (3.0, 6.0), (8.0, 22.0)
"""Least and greatest radius of a head at the upper and at the lower edge, pixels."""
CLUSTER_SHARE = 0.6
SHARPNESS, SHIFT = 16, 4
"""Parts of a pixel that OpenCV draws with, and their bits."""


class Scene(NamedTuple):
    """An image, uint8 (256, 256, 3), RGB, and the centres of the heads in it, float32 (N, 2), from far to near."""

    image: np.ndarray
    dots: np.ndarray


def draw_scene(split: str, number: int) -> Scene:
    """Return an image of a split: people before a street with clutter, the near ones larger and in front of the far ones."""
    rng = np.random.default_rng((SEEDS[split], number))
    canvas = _draw_ground(rng)
    horizon = rng.uniform(0, 0.35) * EDGE
    sizes = rng.uniform(*FAR), rng.uniform(*NEAR)
    count = 0 if rng.random() < EMPTY_SHARE else round(np.exp(rng.uniform(np.log(FEWEST), np.log(MOST))))
    dots = _place(rng, count, horizon)
    for x, y in dots:
        depth = (y - horizon) / (EDGE - horizon)
        _draw_person(canvas, rng, (x, y), (sizes[0] + (sizes[1] - sizes[0]) * depth) / 2)
    noisy = canvas * rng.uniform(0.7, 1.2) + rng.normal(0, rng.uniform(2, 10), canvas.shape)
    return Scene(np.clip(noisy, 0, 255).astype(np.uint8), dots.astype(np.float32))


def _place(rng: np.random.Generator, count: int, horizon: float) -> np.ndarray:
    """Return centres of heads (N, 2), sorted from far to near: some alone, most in groups."""
    groups = rng.uniform((0, horizon), (EDGE, EDGE), (max(count // 12, 1), 2))
    chosen = groups[rng.integers(len(groups), size=count)] + rng.normal(0, 22, (count, 2))
    alone = rng.uniform((0, horizon), (EDGE, EDGE), (count, 2))
    dots = np.where(rng.random((count, 1)) < CLUSTER_SHARE, chosen, alone)
    inside = np.clip(dots, (0, horizon), (EDGE - 0.01, EDGE - 0.01))
    ordered: np.ndarray = inside[np.argsort(inside[:, 1])]
    return ordered


def _draw_ground(rng: np.random.Generator) -> np.ndarray:
    """Return a street with clutter: discs and rectangles that are no people, float32 (256, 256, 3)."""
    canvas = np.empty((EDGE, EDGE, 3), np.float32)
    canvas[:] = rng.uniform(70, 190, 3) + np.linspace(-30, 30, EDGE)[:, None, None] * rng.uniform(-1, 1)
    for _ in range(rng.integers(5, 25)):
        x, y = rng.uniform(0, EDGE, 2)
        colour = _colour(rng.uniform(20, 235, 3))
        if rng.random() < 0.5:
            width, height = rng.uniform(4, 50, 2)
            cv2.rectangle(canvas, _point(x, y), _point(x + width, y + height), colour, -1, cv2.LINE_AA, SHIFT)
        else:
            cv2.circle(canvas, _point(x, y), round(rng.uniform(3, 14) * SHARPNESS), colour, -1, cv2.LINE_AA, SHIFT)
    return canvas


def _draw_person(canvas: np.ndarray, rng: np.random.Generator, head: tuple[float, float], radius: float) -> None:
    """Draw shoulders, a head with hair, and a face that is seen or turned away."""
    x, y = head
    clothes, tone, hair = rng.uniform(10, 245, 3), rng.uniform(0.4, 1.0), rng.uniform(10, 110)
    _oval(canvas, (x, y + 2.4 * radius), (1.7 * radius, 1.9 * radius), clothes)
    _oval(canvas, (x, y), (0.85 * radius, radius), np.array([hair, hair * 0.8, hair * 0.6]))
    if rng.random() < 0.75:
        place = (x + rng.uniform(-0.2, 0.2) * radius, y + 0.25 * radius)
        _oval(canvas, place, (0.7 * radius, 0.75 * radius), np.array([235, 195, 165]) * tone)


def _oval(canvas: np.ndarray, centre: tuple[float, float], radii: tuple[float, float], colour: np.ndarray) -> None:
    axes = round(radii[0] * SHARPNESS), round(radii[1] * SHARPNESS)
    cv2.ellipse(canvas, _point(*centre), axes, 0, 0, 360, _colour(colour), -1, cv2.LINE_AA, SHIFT)


def _point(x: float, y: float) -> tuple[int, int]:
    # whole numbers are centres of pixels for OpenCV
    return round((x - 0.5) * SHARPNESS), round((y - 0.5) * SHARPNESS)


def _colour(colour: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in colour)


class Crowds(Dataset):
    """Images of drawn crowds with a dot at each head, also those that others hide in part.

    Args:
        split: ``train`` or ``test``.
        count: number of images.
    """

    info = DatasetInfo(kinds=frozenset({"dots"}), classes=["person"])

    def __init__(self, *, split: str, count: int) -> None:
        self._split, self._count = split, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        scene = draw_scene(self._split, range(self._count)[index])
        meta = {"id": f"{self._split}_{index}", "file": f"crowds/{self._split}/{index}", "size": (EDGE, EDGE)}
        return {"image": scene.image, "dots": scene.dots, "meta": meta}


def build_crowds(source: Source) -> Crowds:
    """Return the split of the drawn crowds that a source names: ``train`` 600 images, ``test`` 150.

    Raises:
        ConfigError: there is no such split.
    """
    check_split("crowds", source.split)
    return Crowds(split=source.split, count=COUNTS[source.split])
