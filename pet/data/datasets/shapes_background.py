"""Backgrounds of the data set ``shapes``: colours that run into each other, soft blobs and thin lines."""

from collections.abc import Sequence

import cv2
import numpy as np

CONTRAST = 110.0
"""Least distance, in RGB from 0 to 255, between the colour of an object and those of the background."""
COLOUR_TRIES = 30


def pick_colour(rng: np.random.Generator, avoid: Sequence[np.ndarray]) -> np.ndarray:
    """Return a random colour, float32 (3,), that differs clearly from those to ``avoid``, or the most different of 30."""
    candidates: np.ndarray = rng.uniform(15, 245, (COLOUR_TRIES, 3)).astype(np.float32)
    if not avoid:
        return np.asarray(candidates[0])
    distances = np.linalg.norm(candidates[:, None] - np.stack(avoid)[None], axis=2).min(1)
    enough = distances >= CONTRAST
    chosen: np.ndarray = candidates[enough.argmax() if enough.any() else distances.argmax()]
    return chosen


def draw_background(rng: np.random.Generator, size: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return an image, float32 (size, size, 3) from 0 to 255, and the colours that it is mostly made of."""
    first = rng.uniform(10, 245, 3).astype(np.float32)
    second = np.clip(first + rng.uniform(-70, 70, 3), 5, 250).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    across = np.linspace(-0.5, 0.5, size)
    share = np.clip(0.5 + np.add.outer(across * np.sin(angle), across * np.cos(angle)), 0, 1)[..., None].astype(np.float32)
    image = first * (1 - share) + second * share
    cells = int(rng.integers(3, 24))
    waves = rng.standard_normal((cells, cells, 3)).astype(np.float32) * rng.uniform(2, 14)
    image += cv2.resize(waves, (size, size), interpolation=cv2.INTER_CUBIC)
    for _ in range(rng.integers(0, 6)):
        image = _add_blob(rng, image)
    for _ in range(rng.integers(1, 7)):
        _add_line(rng, image)
    return image, [first, (first + second) / 2, second]


def _add_blob(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Return the image with a ragged patch of soft edges, which is no object."""
    size = len(image)
    angles = np.linspace(0, 2 * np.pi, int(rng.integers(5, 12)), endpoint=False)
    radii = rng.uniform(0.04, 0.16) * size * rng.uniform(0.5, 1.5, len(angles))
    points = rng.uniform(0, size, 2) + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    mask: np.ndarray = np.zeros((size, size), np.float32)
    cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1.0)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.015, 0.05) * size)
    blended: np.ndarray = image + mask[..., None] * rng.uniform(-60, 60, 3).astype(np.float32)
    return blended


def _add_line(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw a thin line, straight or of several bends, into the image."""
    size = len(image)
    points = rng.uniform(-0.1, 1.1, (int(rng.integers(2, 5)), 2)) * size
    colour = rng.uniform(0, 255, 3)
    # lines of one pixel at 128 pixels, which no limb is as thin as
    thickness = max(1, round(size / 128))
    # OpenCV smooths lines in bytes only
    mask = np.zeros((size, size), np.uint8)
    cv2.polylines(mask, [np.rint(points).astype(np.int32)], isClosed=False, color=255, thickness=thickness, lineType=cv2.LINE_AA)
    image += (colour.astype(np.float32) - image) * (mask[..., None] * np.float32(rng.uniform(0.3, 1) / 255))
