"""Draws the sequences of the data set ``walkers``: people of three colours who hide each other and walk behind pillars."""

from itertools import product
from typing import NamedTuple

import cv2
import numpy as np

HEIGHT, WIDTH, FRAMES = 128, 192, 60
"""Of an image, pixels; images of a sequence."""
COLOURS = np.array(
    [
        (220, 40, 40),
        (40, 170, 60),
        (50, 80, 220),
        (235, 210, 50),
        (150, 60, 180),
        (60, 200, 210),
        (240, 130, 40),
        (25, 25, 30),
        (235, 235, 235),
    ],
    np.float32,
)
LEAST_PEOPLE, MOST_PEOPLE = 5, 9
FARTHEST, NEAREST = 56, 122
"""Rows of the feet of people."""
SMALLEST, TALLEST = 32, 52
"""Heights of people on these rows, pixels."""
BREADTH = 0.42
"""Width of a person as a share of its height."""
STRIPES = ((0.0, 0.24, 0.55), (0.24, 0.62, 1.0), (0.62, 1.0, 0.75))
"""Top, bottom and width of head, body and legs, as shares of a person."""
SPEED = (1.2, 2.6)
TURN = 0.035
"""Pixels a frame, and the share of frames in which a person takes another way."""
PILLARS, PILLAR_WIDTH = (1, 3), (20, 32)
HIDDEN = 0.15
"""People of whom less is to be seen are not to be counted."""
NOISE = 4.0
TEST_SHARE = 4
"""One in so many of the triples of colours is a person of the test."""


class DrawnSequence(NamedTuple):
    """A sequence.

    Attributes:
        images: uint8 (FRAMES, HEIGHT, WIDTH, 3), RGB.
        boxes: float64 (FRAMES, people, 4) XYXY, whole people, whatever hides them.
        visibility: float64 (FRAMES, people), the share of each that is to be seen.
        posters: float64 (P, 4) XYXY, pictures of people on the wall.
    """

    images: np.ndarray
    boxes: np.ndarray
    visibility: np.ndarray
    posters: np.ndarray


def people_of(split: str) -> np.ndarray:
    """Return the people of a split, int64 (N, 3), the numbers of their colours; ``train`` and ``test`` have none in common."""
    triples = np.array([triple for triple in product(range(len(COLOURS)), repeat=3) if len(set(triple)) > 1])
    tested = (triples @ (1, 3, 7)) % TEST_SHARE == 0
    chosen: np.ndarray = triples[tested == (split == "test")]
    return chosen


def draw_sequence(rng: np.random.Generator, people: np.ndarray) -> DrawnSequence:
    """Return a sequence of some of the people (N, 3)."""
    own = people[rng.choice(len(people), int(rng.integers(LEAST_PEOPLE, MOST_PEOPLE + 1)), replace=False)]
    colours = np.clip(COLOURS[own] * rng.uniform(0.85, 1.1), 0, 255)
    background, posters = _draw_background(rng, people)
    pillars = _place_pillars(rng)
    boxes = _walk(rng, len(own))
    drawn = [_draw_frame(background, pillars, frame, colours) for frame in boxes]
    noise = rng.normal(0, NOISE, (FRAMES, HEIGHT, WIDTH, 1)).astype(np.float32)
    images = np.clip(np.stack([image for image, _ in drawn]) + noise, 0, 255).round().astype(np.uint8)
    return DrawnSequence(images, boxes, np.stack([visibility for _, visibility in drawn]), posters)


def _walk(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return where people are in each frame, float64 (FRAMES, count, 4): they go straight on, turn now and then, and at the edges."""
    feet, x = rng.uniform(FARTHEST, NEAREST, count), rng.uniform(12, WIDTH - 12, count)
    speed = _choose_speed(rng, count)
    boxes = np.zeros((FRAMES, count, 4))
    for frame in range(FRAMES):
        height = SMALLEST + (TALLEST - SMALLEST) * (feet - FARTHEST) / (NEAREST - FARTHEST)
        half = BREADTH * height / 2
        boxes[frame] = np.stack([x - half, feet - height, x + half, feet], axis=1)
        turns = rng.random(count) < TURN
        speed = np.where(turns[:, None], _choose_speed(rng, count), speed)
        speed[:, 0] = np.where(x < half, np.abs(speed[:, 0]), np.where(x > WIDTH - half, -np.abs(speed[:, 0]), speed[:, 0]))
        speed[:, 1] = np.where(feet < FARTHEST, np.abs(speed[:, 1]), np.where(feet > NEAREST, -np.abs(speed[:, 1]), speed[:, 1]))
        x, feet = x + speed[:, 0], feet + speed[:, 1]
    return boxes


def _choose_speed(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.stack([rng.uniform(*SPEED, count) * rng.choice((-1, 1), count), rng.uniform(-0.5, 0.5, count)], axis=1)


def _draw_frame(background: np.ndarray, pillars: np.ndarray, boxes: np.ndarray, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an image, and the share of each person that is to be seen."""
    image = background.copy()
    owners = np.full((HEIGHT, WIDTH), -1, np.int16)
    areas = np.zeros(len(boxes))
    # those who are nearer, lower in the image, hide the others
    for person in np.argsort(boxes[:, 3], kind="stable"):
        before = owners.copy()
        owners[:] = -1
        for part, colour in zip(_stripes(boxes[person]), colours[person], strict=True):
            image[part] = colour
            owners[part] = person
        areas[person] = np.count_nonzero(owners == person)
        owners = np.where(owners == person, owners, before)
    for left, right, *colour in pillars.tolist():
        image[:, int(left) : int(right)] = colour
        owners[:, int(left) : int(right)] = -1
    seen = np.bincount(owners[owners >= 0], minlength=len(boxes))
    return image, seen / np.maximum(areas, 1)


def _stripes(box: np.ndarray) -> list[tuple[slice, slice]]:
    """Return rows and columns of head, body and legs inside of the image."""
    left, top, right, bottom = box.tolist()
    centre, width, height = (left + right) / 2, right - left, bottom - top
    parts = []
    for begin, end, share in STRIPES:
        rows, columns = (top + begin * height, top + end * height), (centre - share * width / 2, centre + share * width / 2)
        first, last, start, stop = np.clip(np.rint([*rows, *columns]), 0, (HEIGHT, HEIGHT, WIDTH, WIDTH)).astype(int)
        parts.append((slice(first, last), slice(start, stop)))
    return parts


def _place_pillars(rng: np.random.Generator) -> np.ndarray:
    """Return left, right and colour of each pillar, (P, 5)."""
    count = int(rng.integers(*PILLARS))
    widths = rng.uniform(*PILLAR_WIDTH, count)
    places = (np.arange(count) + rng.uniform(0.3, 0.7, count)) * WIDTH / count
    return np.column_stack([places - widths / 2, places + widths / 2, rng.uniform(60, 190, (count, 3))])


def _draw_background(rng: np.random.Generator, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a wall and a floor with clutter, float32 (HEIGHT, WIDTH, 3), and the posters on the wall."""
    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    image[:] = rng.uniform(90, 200, 3)
    image[FARTHEST - SMALLEST // 2 :] = rng.uniform(70, 170, 3)
    waves = rng.standard_normal((8, 12, 3)).astype(np.float32) * 14
    image += cv2.resize(waves, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for _ in range(14):
        left, top = int(rng.integers(0, WIDTH - 8)), int(rng.integers(0, HEIGHT - 8))
        width, height = (int(edge) for edge in rng.integers(3, 22, 2))
        image[top : top + height, left : left + width] += rng.uniform(-45, 45, 3)
    posters = np.zeros((int(rng.integers(0, 2)), 4))
    for poster in posters:
        begin, tall = rng.uniform(4, WIDTH - 30), rng.uniform(26, 34)
        poster[:] = begin, 4, begin + BREADTH * tall, 4 + tall
        start, bottom, end = round(poster[0]), round(poster[3]), round(poster[2])
        image[1 : bottom + 3, max(start - 3, 0) : end + 3] = 245
        for part, colour in zip(_stripes(poster), COLOURS[people[rng.integers(len(people))]], strict=True):
            image[part] = colour
    return image, posters
