"""Random changes of colours."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pet.data.transforms.base import ImageTransform, check_probability, check_range
from petlib.errors import ConfigError

GRAY_WEIGHTS = (0.299, 0.587, 0.114)
"""How much red, green and blue count in a gray value (ITU-R BT.601)."""


@dataclass
class ColourMap:
    """Channel ``x`` of a pixel with gray value ``g`` becomes ``scale * x + gray * g + offset``, rounded, clipped to 0 to 255.

    Brightness, contrast and saturation are such maps, and so is one after another: several become a single pass over
    the image, as long as no step before the last can clip.
    """

    scale: float = 1.0
    gray: float = 0.0
    offset: float = 0.0

    def brighten(self, factor: float) -> None:
        """Continue with a blend of black and the image."""
        self.scale *= factor
        self.gray *= factor
        self.offset *= factor

    def change_contrast(self, factor: float, mean: float) -> None:
        """Continue with a blend of the mean gray value and the image; ``mean`` is that of the image before the map."""
        mean = (self.scale + self.gray) * mean + self.offset
        self.scale *= factor
        self.gray *= factor
        self.offset += (factor - 1.0) * (self.offset - mean)

    def saturate(self, factor: float) -> None:
        """Continue with a blend of the gray image and the image."""
        self.gray = factor * self.gray + (1.0 - factor) * (self.scale + self.gray)
        self.scale *= factor

    def may_clip(self) -> bool:
        """Return whether a pixel can leave 0 to 255."""
        low = self.offset + 255.0 * min(self.gray, 0.0)
        high = self.offset + 255.0 * (self.scale + max(self.gray, 0.0))
        return low < -0.5 or high > 255.5

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the changed image, (H, W, 3) uint8."""
        red, green, blue = (self.gray * weight for weight in GRAY_WEIGHTS)
        matrix = (
            (red + self.scale, green, blue, self.offset),
            (red, green + self.scale, blue, self.offset),
            (red, green, blue + self.scale, self.offset),
        )
        return cv2.transform(image, np.array(matrix, np.float32))


def mean_gray(image: np.ndarray) -> float:
    """Return the mean gray value of an RGB image."""
    sums = cv2.sumElems(image)[:3]
    total = sum(weight * value for weight, value in zip(GRAY_WEIGHTS, sums, strict=True))
    return float(total / (image.shape[0] * image.shape[1]))


def shift_hue(image: np.ndarray, share: float) -> np.ndarray:
    """Turn all hues by a ``share`` of the colour circle, from -0.5 to 0.5, in 256 steps as PIL does."""
    table = np.tile(np.arange(256, dtype=np.uint8)[:, None], (1, 3))
    table[:, 0] += np.uint8(round(share * 256) % 256)
    turned = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL), table[None])
    return cv2.cvtColor(turned, cv2.COLOR_HSV2RGB_FULL)


class ColorJitter(ImageTransform):
    """Brightness, contrast, saturation and hue are changed by random amounts, in random order.

    The factors and their effects are those of torchvision's ``ColorJitter``, except that values are rounded, not cut
    off, and that the hue moves in 256 steps.

    Args:
        brightness: greatest distance of the factor from 1, or its [least, greatest] value; 0: unchanged, black is factor 0.
        contrast: likewise; factor 0 is the mean gray.
        saturation: likewise; factor 0 is a gray image.
        hue: greatest turn as a share of the colour circle, up to 0.5, or [least, greatest].
        probability: share of the images that are changed.

    Attributes:
        ranges: (name, least, greatest amount) of each change that is on.
    """

    def __init__(
        self,
        *,
        brightness: float | Sequence[float] = 0.0,
        contrast: float | Sequence[float] = 0.0,
        saturation: float | Sequence[float] = 0.0,
        hue: float | Sequence[float] = 0.0,
        probability: float = 1.0,
    ) -> None:
        self.probability = check_probability("ColorJitter: probability", probability)
        ranges = {
            "brightness": _factor_range("brightness", brightness),
            "contrast": _factor_range("contrast", contrast),
            "saturation": _factor_range("saturation", saturation),
            "hue": _hue_range(hue),
        }
        self.ranges = [(name, *bounds) for name, bounds in ranges.items() if bounds != ((0.0, 0.0) if name == "hue" else (1.0, 1.0))]

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image in other colours."""
        drawn = self.draw(rng)
        if drawn is None:
            return image
        amounts, order = drawn
        pending: ColourMap | None = None
        for index in order:
            name, amount = self.ranges[index][0], amounts[index]
            if pending is not None and (name == "hue" or pending.may_clip()):
                image, pending = pending(image), None
            if name == "hue":
                image = shift_hue(image, amount)
                continue
            pending = pending or ColourMap()
            if name == "brightness":
                pending.brighten(amount)
            elif name == "contrast":
                pending.change_contrast(amount, mean_gray(image))
            else:
                pending.saturate(amount)
        return image if pending is None else pending(image)

    def draw(self, rng: np.random.Generator) -> tuple[list[float], list[int]] | None:
        """Return the amount of each of ``ranges``, and in which order they come; None: the image stays as it is."""
        if self.probability < 1.0 and rng.random() >= self.probability:
            return None
        shares = rng.random(2 * len(self.ranges)).tolist()
        order = sorted(range(len(self.ranges)), key=shares[len(self.ranges) :].__getitem__)
        return [low + (high - low) * share for (_, low, high), share in zip(self.ranges, shares, strict=False)], order


class RandomGrayscale(ImageTransform):
    """A share of the images loses its colours; the three channels become equal.

    Args:
        probability: the share, from 0 to 1.
    """

    def __init__(self, *, probability: float = 0.1) -> None:
        self.probability = check_probability("RandomGrayscale: probability", probability)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image, gray or as it is."""
        if rng.random() >= self.probability:
            return image
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _factor_range(name: str, value: float | Sequence[float]) -> tuple[float, float]:
    if isinstance(value, Sequence):
        return check_range(f"ColorJitter: {name}", value)
    if value < 0.0:
        raise ConfigError(f"ColorJitter: {name}: {value} given, a number of at least 0 or [least, greatest] expected")
    return max(0.0, 1.0 - value), 1.0 + value


def _hue_range(value: float | Sequence[float]) -> tuple[float, float]:
    if isinstance(value, Sequence):
        return check_range("ColorJitter: hue", value, low=-0.5, high=0.5)
    if not 0.0 <= value <= 0.5:
        raise ConfigError(f"ColorJitter: hue: {value} given, a number from 0 to 0.5 or [least, greatest] expected")
    return -value, value
