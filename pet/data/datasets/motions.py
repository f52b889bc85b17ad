"""The data set ``motions``: drawn clips of moving figures, whose classes are pairs of time reversals."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pet.data.catalog.source import Source, check_split
from pet.data.files.videos import FrameSource
from pet.data.targets.dataset import Dataset, DatasetInfo

CLASSES = [
    "moving right",
    "moving left",
    "moving down",
    "moving up",
    "turning clockwise",
    "turning counterclockwise",
    "growing",
    "shrinking",
]
"""The second of each pair is the first one in reversed time."""

COUNTS = {"train": 1600, "test": 400}
SEEDS = {"train": 1, "test": 2}
FRAMES = 24
SIZE = 32
CORNERS = 7
RADIUS = 9.0
THINNESS = 0.45
"""Of a figure: pixels, and its width as a share of its length."""
PATH = 16.0
ANGLE = 110.0
GROWTH = 1.9
"""What happens in a clip: pixels, degrees, a factor."""
CELLS = 6
DARK, BRIGHT = 110, 130
"""Cells of a random texture, and where the background ends and the figure begins."""


class DrawnMotion(FrameSource):
    """A clip of a random textured polygon that moves before a random background; frames are drawn when they are read.

    Args:
        label: a place in :data:`CLASSES`.
        seed: of its random numbers.
    """

    count = stated = FRAMES
    rate = 12.0

    def __init__(self, label: int, seed: tuple[int, int]) -> None:
        self.path = Path(f"motions/{seed[0]}/{seed[1]:04}")
        self._label, self._seed = label, seed

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame."""
        return SIZE, SIZE

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return frames by their numbers."""
        figure = _draw_figure(self._seed, self._label // 2)
        times = np.asarray(numbers) / (FRAMES - 1)
        return np.stack([figure.at(1.0 - time if self._label % 2 else time) for time in times.tolist()])


class _Figure:
    """A polygon and its background, and where it is at each time from 0 to 1."""

    def __init__(self, rng: np.random.Generator, motion: int) -> None:
        self._background, self._texture = _texture(rng, 0, DARK), _texture(rng, BRIGHT, 256)
        angles = np.sort(rng.uniform(0, 2 * np.pi, CORNERS))
        radii = RADIUS * rng.uniform(0.7, 1.0, CORNERS)
        self._corners = np.stack([np.cos(angles), THINNESS * np.sin(angles)], axis=1) * radii[:, None]
        self._centre = SIZE / 2 + rng.uniform(-4, 4, 2)
        self._angle = rng.uniform(0, 360)
        self._motion = motion
        self._pace = rng.uniform(0.8, 1.2)

    def at(self, time: float) -> np.ndarray:
        """Return the frame at a time, uint8 (SIZE, SIZE, 3)."""
        way = (time - 0.5) * self._pace
        shift = np.array([PATH * way * (self._motion == 0), PATH * way * (self._motion == 1)])
        angle = np.radians(self._angle + ANGLE * way * (self._motion == 2))
        scale = GROWTH**way if self._motion == 3 else 1.0
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        place = self._centre + shift
        matrix = np.concatenate([turn, (place - turn @ [SIZE / 2, SIZE / 2])[:, None]], axis=1)
        figure = cv2.warpAffine(self._texture, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        mask = np.zeros((SIZE, SIZE), np.uint8)
        outline = np.rint((self._corners @ turn.T + place) * 16).astype(np.int32)
        cv2.fillPoly(mask, [outline], 255, lineType=cv2.LINE_AA, shift=4)
        share = mask[..., None].astype(np.float32) / 255
        return np.rint(self._background * (1 - share) + figure * share).astype(np.uint8)


def _texture(rng: np.random.Generator, low: int, high: int) -> np.ndarray:
    coarse = rng.integers(low, high, (CELLS, CELLS, 3), dtype=np.uint8)
    texture: np.ndarray = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return texture


@lru_cache(maxsize=8)
def _draw_figure(seed: tuple[int, int], motion: int) -> _Figure:
    return _Figure(np.random.default_rng(seed), motion)


class Motions(Dataset):
    """Clips of 24 frames of 32 x 32 pixels of a figure that moves, turns or grows; 1,600 for training and 400 for testing.

    A class and its partner are the same clips in reversed time, so a network that does not see the order of frames cannot know them apart.

    Args:
        split: ``train`` or ``test``.

    Raises:
        ConfigError: there is no such split.
    """

    info = DatasetInfo(kinds=frozenset({"label"}), classes=CLASSES, sided_classes=True)

    def __init__(self, *, split: str) -> None:
        check_split("motions", split)
        self._split = split

    def __len__(self) -> int:
        return COUNTS[self._split]

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self))[index]
        label = index % len(CLASSES)
        clip = DrawnMotion(label, (SEEDS[self._split], index))
        return {"clip": clip, "label": label, "meta": {"id": index, "file": f"motions/{self._split}/{index:04}"}}

    def labels_of(self, index: int) -> np.ndarray:
        """Return the class of a clip."""
        return np.array([range(len(self))[index] % len(CLASSES)], np.int64)


def build_motions(source: Source) -> Motions:
    """Return the split that a source names."""
    return Motions(split=source.split)
