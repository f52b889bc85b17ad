"""The data set ``facets``: drawn heads of people that do not exist, for experiments without photographs of faces."""

from typing import Any, NamedTuple

import cv2
import numpy as np

from pet.data.catalog.source import Source, check_split
from pet.data.datasets.verification import Pairs, VerificationImages
from pet.data.targets.dataset import Dataset, DatasetInfo

EDGE = 64
"""Height and width of an image, pixels."""
SHARPNESS = 16
"""Parts of a pixel that OpenCV draws with: four bits."""
SHIFT = 4
TRAIN_IDENTITIES, TRAIN_IMAGES = 200, 20
TEST_IDENTITIES, TEST_IMAGES = 60, 10
FIRST_UNSEEN = 10_000_000
"""Number of the first identity of the test: no training has so many."""
PAIRS_A_KIND = 600
PAIR_SEED = 0
SPLIT_SEEDS = {"identity": 11, "image": 12}


class Face(NamedTuple):
    """What a person looks like; lengths in units of half the width of the head.

    Attributes:
        tall: height of the head.
        jaw: how much narrower the lower half is.
        skin, hair, iris: colours, (3,) RGB.
        hairline: where hair begins, from the top, as a share of the height.
        parting: how far hair hangs down on the left and on the right.
        eyes: distance from the middle, height, width and height of an eye.
        brows: distance above the eye, length, thickness, slope.
        nose: length and width.
        mouth: place, width, thickness.
        mole: place, and radius; 0: none.
        glasses: radius; 0: none.
    """

    tall: float
    jaw: float
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    hairline: float
    parting: tuple[float, float]
    eyes: tuple[float, float, float, float]
    brows: tuple[float, float, float, float]
    nose: tuple[float, float]
    mouth: tuple[float, float, float]
    mole: tuple[float, float, float]
    glasses: float


def draw_person(identity: int) -> Face:
    """Return what the person of a number looks like."""
    rng = np.random.default_rng((SPLIT_SEEDS["identity"], identity))
    between = rng.uniform
    tone = between(0.35, 1.0)
    return Face(
        tall=between(1.1, 1.45),
        jaw=between(0.0, 0.35),
        skin=np.array([235, 195, 165]) * tone + between(-15, 15, 3),
        hair=np.array([90, 65, 45]) * between(0.2, 2.2) + between(-25, 25, 3),
        iris=between(20, 160, 3),
        hairline=between(0.12, 0.38),
        parting=(between(0.2, 1.0), between(0.2, 1.0)),
        eyes=(between(0.3, 0.5), between(-0.25, 0.05), between(0.13, 0.24), between(0.06, 0.13)),
        brows=(between(0.14, 0.3), between(0.16, 0.3), between(0.03, 0.1), between(-0.25, 0.25)),
        nose=(between(0.2, 0.5), between(0.08, 0.22)),
        mouth=(between(0.5, 0.8), between(0.2, 0.48), between(0.04, 0.14)),
        mole=(between(-0.5, 0.5), between(0.1, 0.7), between(0.03, 0.07) if rng.random() < 0.3 else 0.0),
        glasses=between(0.25, 0.34) if rng.random() < 0.25 else 0.0,
    )


def draw_image(identity: int, number: int) -> np.ndarray:
    """Return an image of a person, uint8 (64, 64, 3), RGB: turned, moved, lit, with an expression, sometimes partly hidden."""
    rng = np.random.default_rng((SPLIT_SEEDS["image"], identity, number))
    canvas = np.empty((EDGE, EDGE, 3), np.float32)
    canvas[:] = rng.uniform(30, 225, 3)
    _Sketch(canvas, rng).draw(draw_person(identity))
    light = 1 + rng.uniform(-0.35, 0.35) * np.linspace(-1, 1, EDGE)[None, :, None] + rng.uniform(-0.25, 0.25)
    noisy = canvas * light + rng.normal(0, 6, canvas.shape)
    if rng.random() < 0.2:
        top, left = rng.integers(0, EDGE - 16, 2)
        noisy[top : top + rng.integers(6, 16), left : left + rng.integers(6, 16)] = rng.uniform(0, 255, 3)
    return np.clip(noisy, 0, 255).astype(np.uint8)


class _Sketch:
    """Draws a face on a canvas, in the pose and with the expression that it takes from ``rng``."""

    def __init__(self, canvas: np.ndarray, rng: np.random.Generator) -> None:
        self._canvas = canvas
        angle, scale = rng.uniform(-0.3, 0.3), rng.uniform(17, 21)
        self._turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self._centre = EDGE / 2 + rng.uniform(-4, 4, 2)
        # to the side: what lies in front of the head moves further than the head itself
        self._sideways = rng.uniform(-0.15, 0.15)
        self._smile, self._open = rng.uniform(-0.12, 0.15), rng.uniform(0.5, 1.15)

    def draw(self, face: Face) -> None:
        """Draw hair, head and what is in it."""
        self._head(face)
        for side in (-1, 1):
            self._eye(face, side)
        length, width = face.nose
        tip = face.eyes[1] + length + 0.1
        self._line([(0, face.eyes[1]), (width, tip), (-width * 0.6, tip)], face.skin * 0.7, 0.05)
        place, wide, thick = face.mouth
        corners = [(-wide, place - self._smile), (0, place + self._smile), (wide, place - self._smile)]
        self._line(corners, np.array([170, 70, 75]), thick)
        if face.mole[2]:
            self._oval(face.mole[:2], (face.mole[2],) * 2, face.skin * 0.35)

    def _head(self, face: Face) -> None:
        self._oval((0, -0.1), (1.12, face.tall * 1.06), face.hair, shift=False)
        for side, length in zip((-1, 1), face.parting, strict=True):
            self._oval((side * 0.95, length * 0.6), (0.22, 0.3 + length * 0.5), face.hair, shift=False)
        angles = np.linspace(0, 2 * np.pi, 40)
        narrow = 1 - face.jaw * np.clip(np.sin(angles), 0, 1)
        self._area(np.stack([np.cos(angles) * narrow, np.sin(angles) * face.tall], axis=1), face.skin, shift=False)
        top = -face.tall + 2 * face.tall * face.hairline
        fringe = [(-0.95, top), (-0.6, -face.tall * 0.9), (0.6, -face.tall * 0.9), (0.95, top), (0, top - 0.12)]
        self._area(np.array(fringe), face.hair, shift=False)

    def _eye(self, face: Face, side: int) -> None:
        apart, height, wide, tall = face.eyes
        centre = (side * apart, height)
        self._oval(centre, (wide, tall * self._open), np.array([240, 240, 240]))
        self._oval(centre, (tall * 0.8, tall * 0.8 * min(self._open, 1)), face.iris)
        above, length, thick, slope = face.brows
        y = height - above
        self._line([(side * (apart - length), y + slope * length), (side * (apart + length), y - slope * length)], face.hair * 0.8, thick)
        if face.glasses:
            angles = np.linspace(0, 2 * np.pi, 24)
            ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * face.glasses + centre
            self._line([tuple(point) for point in ring], np.array([30, 30, 30]), 0.05)

    def _oval(self, centre: tuple[float, float], radii: tuple[float, float], colour: np.ndarray, *, shift: bool = True) -> None:
        angles = np.linspace(0, 2 * np.pi, 32)
        self._area(np.stack([np.cos(angles) * radii[0], np.sin(angles) * radii[1]], axis=1) + centre, colour, shift=shift)

    def _area(self, points: np.ndarray, colour: np.ndarray, *, shift: bool = True) -> None:
        cv2.fillPoly(self._canvas, [self._placed(points, shift)], _colour(colour), cv2.LINE_AA, SHIFT)

    def _line(self, points: list[tuple[float, float]], colour: np.ndarray, thickness: float) -> None:
        pixels = max(1, round(thickness * float(np.hypot(*self._turn[:, 0]))))
        cv2.polylines(self._canvas, [self._placed(np.array(points), True)], False, _colour(colour), pixels, cv2.LINE_AA, SHIFT)

    def _placed(self, points: np.ndarray, shift: bool) -> np.ndarray:
        moved = points + (self._sideways if shift else 0, 0)
        placed: np.ndarray = np.rint((moved @ self._turn.T + self._centre) * SHARPNESS).astype(np.int32)
        return placed


def _colour(colour: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in np.clip(colour, 0, 255))


class Facets(Dataset):
    """Images of drawn people with their numbers.

    Args:
        identities: number of people.
        images: of each.
    """

    def __init__(self, *, identities: int = TRAIN_IDENTITIES, images: int = TRAIN_IMAGES) -> None:
        self._identities, self._images = identities, images
        self.info = DatasetInfo(kinds=frozenset({"label"}), num_classes=identities)

    def __len__(self) -> int:
        return self._identities * self._images

    def __getitem__(self, index: int) -> dict[str, Any]:
        identity, number = divmod(index, self._images)
        image = draw_image(identity, number)
        return {"image": image, "label": identity, "meta": {"id": index, "file": f"facets/{identity}/{number}"}}

    def labels_of(self, index: int) -> np.ndarray:
        """Return the person in an image."""
        return np.array([index // self._images], np.int64)


class FacetPairs(VerificationImages):
    """Pairs of images of drawn people whom no training has: half of them show one person."""

    def __init__(self) -> None:
        rng = np.random.default_rng(PAIR_SEED)
        person = rng.integers(0, TEST_IDENTITIES, (PAIRS_A_KIND, 2))
        other = (person[:, 0] + rng.integers(1, TEST_IDENTITIES, PAIRS_A_KIND)) % TEST_IDENTITIES
        number = rng.integers(0, TEST_IMAGES, (PAIRS_A_KIND, 3))
        second = (number[:, 0] + rng.integers(1, TEST_IMAGES, PAIRS_A_KIND)) % TEST_IMAGES
        same = np.stack([person[:, 1] * TEST_IMAGES + number[:, 0], person[:, 1] * TEST_IMAGES + second], axis=1)
        different = np.stack([person[:, 0] * TEST_IMAGES + number[:, 1], other * TEST_IMAGES + number[:, 2]], axis=1)
        # in turn, so that each fold has both
        self.pairs = Pairs(np.stack([same, different], axis=1).reshape(-1, 2), np.tile([True, False], PAIRS_A_KIND))

    def __len__(self) -> int:
        return TEST_IDENTITIES * TEST_IMAGES

    def __getitem__(self, index: int) -> dict[str, Any]:
        identity, number = divmod(index, TEST_IMAGES)
        image = draw_image(FIRST_UNSEEN + identity, number)
        return {"image": image, "meta": {"id": index, "file": f"facets/unseen/{identity}/{number}"}}


def build_facets(source: Source) -> Facets | FacetPairs:
    """Return the split of the drawn heads that a source names: ``train`` 200 people with 20 images each, ``test`` pairs of 60 others.

    Raises:
        ConfigError: there is no such split.
    """
    check_split("facets", source.split)
    return Facets() if source.split == "train" else FacetPairs()
