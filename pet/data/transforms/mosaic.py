"""Four images become one."""

from collections.abc import Iterator, Sequence

import numpy as np

from pet.data.targets.kind import Tile
from pet.data.targets.kinds import kinds_in
from pet.data.transforms.base import GeometricTransform, check_gray, check_probability, check_range, check_share, check_size
from pet.structures.affine import shift
from pet.structures.moves import Chain, CropResize, Move, PadCrop, Size
from petlib.data.protocols import Dataset, Sample
from petlib.errors import ConfigError

TILES = 4


class Mosaic:
    """The sample and three others of the data set meet at a random point of one image.

    Source: Bochkovskiy et al., YOLOv4, 2020 (https://arxiv.org/abs/2004.10934), section 3.3. Samples without targets that
    have places stay as they are. It comes first among the transforms: the other samples come as the data set has them.

    Args:
        size: pixels of the result, one number or [height, width].
        dataset: where the other samples come from; given by the builder.
        scale: least and greatest size of an image as a share of the largest that fits into ``size``.
        centre: least and greatest place of the point as a share of height and width.
        probability: share of the samples.
        fill: gray value from 0 to 255 where there is no image.
        min_share: share of its box that must be left of an object, or it is dropped.
    """

    def __init__(
        self,
        *,
        size: int | Sequence[int],
        dataset: Dataset,
        scale: Sequence[float] = (0.4, 1.0),
        centre: Sequence[float] = (0.3, 0.7),
        probability: float = 1.0,
        fill: int = 116,
        min_share: float = 0.0,
    ) -> None:
        self.size = check_size("Mosaic", size)
        if min(self.size) < 2:
            raise ConfigError(f"Mosaic: size: {size} given, at least 2 pixels expected")
        self.dataset = dataset
        self.scale = check_range("Mosaic: scale", scale)
        if self.scale[0] <= 0.0:
            raise ConfigError(f"Mosaic: scale: {list(scale)} given, numbers above 0 expected")
        self.centre = check_range("Mosaic: centre", centre, high=1.0)
        self.probability = check_probability("Mosaic: probability", probability)
        self.fill = check_gray("Mosaic: fill", fill)
        self.min_share = check_share("Mosaic: min_share", min_share)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the joined sample; what else than places the first one has, it keeps."""
        if not kinds_in(sample).has_places or rng.random() >= self.probability:
            return sample
        y, x = (min(max(round(length * rng.uniform(*self.centre)), 1), length - 1) for length in self.size)
        others = rng.integers(len(self.dataset), size=TILES - 1)
        tiles = []
        for place, window in enumerate(_windows(self.size, y, x)):
            tile = sample if place == 0 else self.dataset[int(others[place - 1])]
            move = _FitWindow(window, self.size, rng.uniform(*self.scale), self.fill, self.min_share)
            tiles.append(Tile(move(tile, rng), *window[:2]))
        return self._join(tiles)

    def _join(self, tiles: Sequence[Tile]) -> Sample:
        first, top, left = tiles[0]
        meta = first["meta"]
        joined = {**first, "meta": {**meta, "matrix": shift(left, top) @ meta["matrix"]}}
        kinds = kinds_in(first)
        for kind in (*kinds.pixels, *kinds.targets):
            joined.update(kind.join(tiles, self.size))
        return joined


class _FitWindow(GeometricTransform):
    """An image is resized and cut so that it fills a window of the mosaic from the corner that lies at the meeting point."""

    def __init__(self, window: tuple[int, int, int, int], canvas: Size, scale: float, fill: int, min_share: float) -> None:
        self.window = window
        self.canvas = canvas
        self.scale = scale
        self.fill = fill
        self.min_share = min_share

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Compute size and place."""
        top, left, height, width = self.window
        scale = self.scale * min(self.canvas[0] / size[0], self.canvas[1] / size[1])
        scaled = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
        lacking = max(height - scaled[0], 0), max(width - scaled[1], 0)
        surplus = max(scaled[0] - height, 0), max(scaled[1] - width, 0)
        # in the upper windows the lower edge of the image counts, in the left ones the right edge
        upper, leftmost = top == 0, left == 0
        padding = (
            lacking[0] if upper else 0,
            0 if upper else lacking[0],
            lacking[1] if leftmost else 0,
            0 if leftmost else lacking[1],
        )
        start = surplus[0] if upper else 0, surplus[1] if leftmost else 0
        resize = CropResize(0, 0, size[0], size[1], scaled)
        return Chain((resize, PadCrop(padding, *start, (height, width), fill=self.fill)))


def _windows(size: Size, y: int, x: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield top, left, height and width of the windows around (y, x)."""
    for top, height in ((0, y), (y, size[0] - y)):
        for left, width in ((0, x), (x, size[1] - x)):
            yield top, left, height, width
