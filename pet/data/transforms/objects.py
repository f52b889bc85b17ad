"""The object of a sample is cut out: window, scale, rotation, mirroring and half bodies in one step, so that pixels are read once."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pet.data.transforms.base import GeometricTransform, check_gray, check_probability, check_size
from pet.data.transforms.geometry import check_interpolation
from pet.structures.affine import move_points, rectangle
from pet.structures.moves import Affine, Move
from pet.structures.pixel_conventions import CONVENTIONS
from petlib.data.protocols import Sample
from petlib.errors import ConfigError

HALF_BODY_PADDING = 1.5
FEWEST_KEYPOINTS = 3
"""Of a half body, below which its window would be arbitrary."""


class Window(NamedTuple):
    """An upright window in an image, in Pet's coordinates.

    Attributes:
        centre: x and y.
        width: pixels.
        height: pixels.
    """

    centre: tuple[float, float]
    width: float
    height: float


class CropObject(GeometricTransform):
    """The box of a sample's object becomes an image of one size: the box is grown to the shape of that size, then by a margin.

    Samples come from :class:`pet.data.objects.ObjectCrops`; of others, which have no box, the whole image is taken for the object.

    Args:
        size: of the result, one number or [height, width].
        padding: what the grown box is multiplied by, 1.25 as in https://arxiv.org/abs/1804.06208.
        interpolation: ``linear``, ``cubic`` or ``nearest``.
        fill: gray value from 0 to 255 of what comes in from outside of the image.
        convention: how pixels are counted: ``pet``, or ``msra`` or ``udp`` for weights that were trained so, see docs/instance.md.
    """

    def __init__(
        self,
        *,
        size: int | Sequence[int],
        padding: float = 1.25,
        interpolation: str = "linear",
        fill: float = 0,
        convention: str = "pet",
    ) -> None:
        name = type(self).__name__
        self.size = check_size(name, size)
        if padding <= 0:
            raise ConfigError(f"{name}: padding: {padding:g} given, a number above 0 expected, usually 1.25")
        if interpolation == "area":
            raise ConfigError(f"{name}: interpolation: 'area' given, one of linear, cubic, nearest expected")
        self.padding = float(padding)
        self.interpolation = check_interpolation(name, interpolation)
        self.fill = check_gray(f"{name}: fill", fill)
        if convention not in CONVENTIONS:
            raise ConfigError(f"{name}: convention: {convention!r} given, one of {', '.join(CONVENTIONS)} expected")
        self.convention = CONVENTIONS[convention]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with its object cut out; its keypoints are read as the convention has them."""
        origin, keypoints = self.convention.origin, sample.get("keypoints")
        if origin and keypoints is not None:
            sample = {**sample, "keypoints": keypoints + np.array([origin, origin, 0.0], np.float32)}
        return super().__call__(sample, rng)

    def plan(self, sample: Sample, rng: np.random.Generator) -> Move:
        """Return the crop of the box in ``meta``."""
        return self._crop(self.window(sample, self.padding))

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Return the crop of a whole image."""
        left, top, right, bottom = (length + self.convention.origin for length in (0.0, 0.0, float(size[1]), float(size[0])))
        return self._crop(self._shaped(left, top, right, bottom, self.padding))

    def window(self, sample: Sample, padding: float) -> Window:
        """Return the window around the object of a sample, in the coordinates of its image."""
        height, width = sample["image"].shape[:2]
        meta = sample.get("meta", {})
        corners = rectangle(*map(float, meta.get("box", (0.0, 0.0, width, height)))) + self.convention.origin
        corners = move_points(corners, meta["matrix"]) if "matrix" in meta else corners
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        return self._shaped(left, top, right, bottom, padding)

    def _shaped(self, left: float, top: float, right: float, bottom: float, padding: float) -> Window:
        """Return the smallest window of the shape of the result around a box, grown by ``padding``."""
        ratio = self.size[1] / self.size[0]
        width, height = max(right - left, (bottom - top) * ratio), max(bottom - top, (right - left) / ratio)
        return Window(((left + right) / 2, (top + bottom) / 2), width * padding, height * padding)

    def _crop(self, window: Window, *, degrees: float = 0.0, mirrored: bool = False) -> Affine:
        (width, height), origin = self.convention.lengths(self.size), self.convention.origin
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        across, down = width / max(window.width, 1e-6), height / max(window.height, 1e-6)
        across = -across if mirrored else across
        matrix = np.array([[across * cosine, across * sine, 0.0], [-down * sine, down * cosine, 0.0], [0.0, 0.0, 1.0]])
        # the centre of the window becomes that of the crop
        matrix[:2, 2] = np.array([width, height]) / 2 + origin - matrix[:2, :2] @ window.centre
        return Affine(matrix, self.size, interpolation=self.interpolation, fill=self.fill)


class RandomCropObject(CropObject):
    """The same for training: the window varies in size, is turned and mirrored, and now and then holds half of the body.

    The defaults are those of the published code of https://arxiv.org/abs/1902.09212 for COCO, but for half bodies, which need to know the
    keypoints of the upper half.

    Args:
        size: of the result, one number or [height, width].
        padding: what the grown box is multiplied by.
        scale: standard deviation of the factor of the window around 1, which is cut off at one deviation.
        rotation: standard deviation of the angle in degrees, cut off at two deviations.
        rotation_probability: share of the samples that are turned.
        flip: share of the samples that are mirrored; left and right keypoints and parts change places.
        half_body: share of the samples with enough keypoints whose window holds those of the upper or of the lower half only.
        upper_body: the keypoints of the upper half, counted from 0, e.g. 0 to 10 of COCO's 17.
        half_body_from: marked keypoints that an object needs for it, and one more.
        interpolation: ``linear``, ``cubic`` or ``nearest``.
        fill: gray value from 0 to 255 of what comes in from outside of the image.
        convention: how pixels are counted, as of ``CropObject``.
    """

    def __init__(
        self,
        *,
        size: int | Sequence[int],
        padding: float = 1.25,
        scale: float = 0.35,
        rotation: float = 45.0,
        rotation_probability: float = 0.6,
        flip: float = 0.5,
        half_body: float = 0.0,
        upper_body: Sequence[int] = (),
        half_body_from: int = 8,
        interpolation: str = "linear",
        fill: float = 0,
        convention: str = "pet",
    ) -> None:
        super().__init__(size=size, padding=padding, interpolation=interpolation, fill=fill, convention=convention)
        name = type(self).__name__
        if not 0.0 <= scale < 1.0:
            raise ConfigError(f"{name}: scale: {scale:g} given, a share from 0 to below 1 expected, e.g. 0.35")
        if not 0.0 <= rotation <= 90.0:
            raise ConfigError(f"{name}: rotation: {rotation:g} given, degrees from 0 to 90 expected")
        self.scale, self.rotation = float(scale), float(rotation)
        self.rotation_probability = check_probability(f"{name}: rotation_probability", rotation_probability)
        self.flip = check_probability(f"{name}: flip", flip)
        self.half_body = check_probability(f"{name}: half_body", half_body)
        self.upper_body = [int(place) for place in upper_body]
        self.half_body_from = half_body_from
        self.mirrors = self.flip > 0
        if self.half_body and not self.upper_body:
            raise ConfigError(f"{name}: half_body: {half_body:g} given, but upper_body names no keypoints; list those of the upper half")

    def plan(self, sample: Sample, rng: np.random.Generator) -> Move:
        """Draw the crop."""
        # drawn whether they are needed or not, so that one setting does not change the draws of the others
        half, upper, turns, flips = rng.random(4)
        factor, angle = rng.standard_normal(2)
        window = self.window(sample, self.padding)
        if half < self.half_body:
            window = self._half_body(sample, prefer_upper=upper < 0.5) or window
        factor = float(np.clip(1.0 + self.scale * factor, 1.0 - self.scale, 1.0 + self.scale))
        window = Window(window.centre, window.width * factor, window.height * factor)
        degrees = self.rotation * float(np.clip(angle, -2.0, 2.0)) if turns < self.rotation_probability else 0.0
        return self._crop(window, degrees=degrees, mirrored=bool(flips < self.flip))

    def _half_body(self, sample: Sample, *, prefer_upper: bool) -> Window | None:
        """Return the window around half of the keypoints; None: too few are marked, or they have no extent."""
        keypoints = sample.get("keypoints")
        if keypoints is None or len(keypoints) != 1:
            return None
        points, marked = keypoints[0, :, :2], keypoints[0, :, 2] > 0
        if marked.sum() <= self.half_body_from:
            return None
        is_upper = np.isin(np.arange(len(points)), self.upper_body)
        upper, lower = points[marked & is_upper], points[marked & ~is_upper]
        first, second = (upper, lower) if prefer_upper else (lower, upper)
        chosen = first if len(first) >= FEWEST_KEYPOINTS else second
        if len(chosen) < FEWEST_KEYPOINTS:
            return None
        (left, top), (right, bottom) = chosen.min(axis=0), chosen.max(axis=0)
        window = self._shaped(float(left), float(top), float(right), float(bottom), HALF_BODY_PADDING)
        middle = tuple(map(float, chosen.mean(axis=0)))
        return Window((middle[0], middle[1]), window.width, window.height) if min(window.width, window.height) >= 1.0 else None
