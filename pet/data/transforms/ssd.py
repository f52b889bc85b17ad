"""The crops and borders that the single shot detector was trained with."""

from collections.abc import Sequence

import numpy as np

from pet.data.transforms.base import GeometricTransform, check_gray, check_probability, check_range
from pet.structures.moves import CropResize, Move, PadCrop, Stay
from petlib.data.protocols import Sample
from petlib.errors import ConfigError

ROUNDS = 50
"""How often a threshold is drawn at most; then the image stays as it is."""


class RandomIoUCrop(GeometricTransform):
    """A window is cut out that has the centre of an object inside and overlaps enough with one of these; others are dropped.

    Source: Liu et al., SSD: Single Shot MultiBox Detector, 2015 (https://arxiv.org/abs/1512.02325), section 2.2. Images without
    objects stay as they are.

    Args:
        thresholds: intersections over union of window and box, one of which is drawn; from 1 on: the image stays as it is.
        scale: least and greatest share of the image's height and width, drawn apart.
        ratio: least and greatest width / height of the window.
        trials: windows that are tried for a threshold before another one is drawn.
    """

    def __init__(
        self,
        *,
        thresholds: Sequence[float] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0),
        scale: Sequence[float] = (0.3, 1.0),
        ratio: Sequence[float] = (0.5, 2.0),
        trials: int = 40,
    ) -> None:
        if not thresholds or min(thresholds) < 0.0:
            raise ConfigError(f"RandomIoUCrop: thresholds: {list(thresholds)} given, numbers of at least 0 expected")
        if trials < 1:
            raise ConfigError(f"RandomIoUCrop: trials: {trials} given, at least 1 expected")
        self.thresholds = tuple(thresholds)
        self.scale = check_range("RandomIoUCrop: scale", scale, high=1.0)
        self.ratio = check_range("RandomIoUCrop: ratio", ratio)
        self.trials = trials

    def plan(self, sample: Sample, rng: np.random.Generator) -> Move:
        """Draw threshold and window."""
        boxes = sample.get("boxes")
        size = sample["image"].shape[:2]
        for _ in range(ROUNDS if boxes is not None and len(boxes) else 0):
            threshold = self.thresholds[rng.integers(len(self.thresholds))]
            if threshold >= 1.0:
                break
            windows = self._draw_windows(size, rng)
            good = np.flatnonzero(_best_overlaps(windows, np.asarray(boxes, np.float64)) >= threshold)
            if len(good):
                left, top, right, bottom = (int(edge) for edge in windows[good[0]])
                return CropResize(top, left, bottom - top, right - left, (bottom - top, right - left))
        return Stay()

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Let an image without objects be."""
        return Stay()

    def survivors(self, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return which boxes have their centres in the window."""
        inside: np.ndarray = _holds_centres(np.array([[0, 0, size[1], size[0]]]), boxes)[0]
        return inside

    def _draw_windows(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Return (W, 4) windows, XYXY in whole pixels, of the right aspect ratio."""
        lengths = (rng.uniform(*self.scale, (self.trials, 2)) * (size[1], size[0])).astype(np.int64)
        starts = (rng.random((self.trials, 2)) * ((size[1], size[0]) - lengths + 1)).astype(np.int64)
        ratios = lengths[:, 0] / np.maximum(lengths[:, 1], 1)
        valid = (lengths >= 1).all(axis=1) & (ratios >= self.ratio[0]) & (ratios <= self.ratio[1])
        return np.concatenate([starts, starts + lengths], axis=1)[valid]


class Expand(GeometricTransform):
    """The image comes to lie somewhere in a greater one of gray.

    Source: Liu et al., SSD: Single Shot MultiBox Detector, 2015 (https://arxiv.org/abs/1512.02325), section 3.6.

    Args:
        ratio: least and greatest height (and width) of the new image as a multiple of the old one's.
        probability: share of the samples.
        fill: gray value from 0 to 255; 116 is about the mean of ImageNet.
    """

    def __init__(self, *, ratio: Sequence[float] = (1.0, 4.0), probability: float = 0.5, fill: int = 116) -> None:
        self.ratio = check_range("Expand: ratio", ratio, low=1.0)
        self.probability = check_probability("Expand: probability", probability)
        self.fill = check_gray("Expand: fill", fill)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw size and place."""
        if rng.random() >= self.probability:
            return Stay()
        ratio = rng.uniform(*self.ratio)
        height, width = int(size[0] * ratio), int(size[1] * ratio)
        top, left = int(rng.integers(height - size[0] + 1)), int(rng.integers(width - size[1] + 1))
        return PadCrop((top, height - size[0] - top, left, width - size[1] - left), 0, 0, (height, width), fill=self.fill)


def _holds_centres(windows: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return bool (W, N): which windows (W, 4) hold the centres of which boxes (N, 4)."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside: np.ndarray = ((windows[:, None, :2] < centres) & (centres < windows[:, None, 2:])).all(axis=-1)
    return inside


def _best_overlaps(windows: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return (W,): the greatest intersection over union with a box whose centre is inside; -1: there is none inside."""
    low, high = np.maximum(windows[:, None, :2], boxes[:, :2]), np.minimum(windows[:, None, 2:], boxes[:, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=-1)
    areas = [(item[:, 2:] - item[:, :2]).prod(axis=-1) for item in (windows, boxes)]
    overlaps = shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-9)
    best: np.ndarray = np.where(_holds_centres(windows, boxes), overlaps, -1.0).max(axis=1, initial=-1.0)
    return best
