"""Parts of images are covered."""

import math
from collections.abc import Sequence

import numpy as np

from pet.data.transforms.base import ImageTransform, check_probability, check_range
from petlib.errors import ConfigError

ATTEMPTS = 10


class RandomErasing(ImageTransform):
    """A rectangle of a share of the images is covered.

    Source: Zhong et al., Random Erasing Data Augmentation, 2017 (https://arxiv.org/abs/1708.04896). Ten rectangles are
    tried; where none fits into the image, it stays as it is.

    Images are covered before they are normalised: the mean colour of ImageNet, which is 0 elsewhere, is
    ``value: [124, 116, 104]`` here.

    Args:
        probability: share of the images.
        area: least and greatest area of the rectangle as shares of the image's.
        aspect: least and greatest height / width of the rectangle, drawn evenly on a logarithmic scale.
        value: what covers it, from 0 to 255: one gray value, [red, green, blue], or ``random`` values, another for each
            pixel and channel.

    Attributes:
        colour: uint8 (1,) or (3,) of what covers it; None: random values.
    """

    def __init__(
        self,
        *,
        probability: float = 0.25,
        area: Sequence[float] = (0.02, 1 / 3),
        aspect: Sequence[float] = (0.3, 3.3),
        value: int | Sequence[int] | str = 0,
    ) -> None:
        self.probability = check_probability("RandomErasing: probability", probability)
        self._area = check_range("RandomErasing: area", area, high=1.0)
        low, high = check_range("RandomErasing: aspect", aspect)
        if low <= 0.0:
            raise ConfigError(f"RandomErasing: aspect: {list(aspect)} given, numbers above 0 expected")
        self._log_aspect = math.log(low), math.log(high)
        self.colour = _check_value(value)

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image, covered in part or as it is."""
        box = self.draw((image.shape[0], image.shape[1]), rng)
        if box is None:
            return image
        top, left, height, width = box
        return self._cover(image, (slice(top, top + height), slice(left, left + width)), rng)

    def draw(self, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int] | None:
        """Return top, left, height and width of the rectangle in an image of ``size`` (height, width); None: it stays as it is."""
        if rng.random() >= self.probability:
            return None
        rows, columns = size
        for _ in range(ATTEMPTS):
            area = rows * columns * rng.uniform(*self._area)
            aspect = math.exp(rng.uniform(*self._log_aspect))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < height < rows and 0 < width < columns:
                return int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1)), height, width
        return None

    def _cover(self, image: np.ndarray, place: tuple[slice, slice], rng: np.random.Generator) -> np.ndarray:
        covered = image.copy()
        rectangle = covered[place]
        rectangle[:] = rng.integers(0, 256, rectangle.shape, np.uint8) if self.colour is None else self.colour
        return covered


def _check_value(value: int | Sequence[int] | str) -> np.ndarray | None:
    """Return the colour, or None for random values."""
    if isinstance(value, str):
        if value == "random":
            return None
    else:
        colours = [value] if isinstance(value, int) else list(value)
        if len(colours) in (1, 3) and all(isinstance(colour, int) and 0 <= colour <= 255 for colour in colours):
            return np.array(colours, np.uint8)
    raise ConfigError(f"RandomErasing: value: {value!r} given, a number from 0 to 255, [red, green, blue] or 'random' expected")
