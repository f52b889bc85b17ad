"""How toolboxes of poses count pixels: where crops lie in images, and heatmaps in crops.

In Pet pixel i covers [i, i + 1). Elsewhere whole numbers are the centres of pixels, and weights that were trained so need it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

Size = tuple[int, int]
"""Height and width in pixels."""


class MapGrid(NamedTuple):
    """Where the pixels of a map lie in the crop that it belongs to.

    Attributes:
        first: x and y of the centre of the first pixel, in pixels of the crop.
        step: pixels of the crop from one centre to the next, along x and y.
    """

    first: tuple[float, float]
    step: tuple[float, float]


@dataclass(frozen=True)
class PixelConvention:
    """What a toolbox takes coordinates for.

    Attributes:
        origin: what leads from boxes and keypoints of the data to Pet's coordinates: 0.5 where whole numbers are centres of pixels.
        unit_lengths: a length is counted between the centres of the outermost pixels, w - 1 for w pixels.
        rounds: a keypoint is learned at the nearest pixel of its map.
        mirrored_shift: pixels by which maps of mirrored crops are moved to the right before they are averaged with the others.
    """

    origin: float = 0.0
    unit_lengths: bool = False
    rounds: bool = False
    mirrored_shift: int = 0

    def lengths(self, size: Size) -> tuple[float, float]:
        """Return width and height as they are counted."""
        less = 1.0 if self.unit_lengths else 0.0
        return size[1] - less, size[0] - less

    def grid(self, crop: Size, maps: Size) -> MapGrid:
        """Return where the pixels of maps lie in a crop, in Pet's coordinates."""
        (width, height), (columns, rows) = self.lengths(crop), self.lengths(maps)
        step = width / columns, height / rows
        return MapGrid((self.origin or step[0] / 2, self.origin or step[1] / 2), step)


CONVENTIONS: Mapping[str, PixelConvention] = {
    "pet": PixelConvention(),
    "msra": PixelConvention(origin=0.5, rounds=True, mirrored_shift=1),
    "udp": PixelConvention(origin=0.5, unit_lengths=True),
}
"""Pet's; that of SimpleBaseline and HRNet (https://arxiv.org/abs/1804.06208), whose mirrored maps lie three quarters of a pixel off the
others; and that of UDP (https://arxiv.org/abs/1911.07524), whose maps do not."""
