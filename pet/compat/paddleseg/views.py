"""How a network of the layer looks at images without learning: several views of each, and windows that overlap."""

from collections.abc import Sequence
from typing import NamedTuple

from pet.models.segmentation.network import SegmentationNetwork
from pet.models.segmentation.sliding_window import ViewedNetwork
from petlib.errors import ConfigError


class Views(NamedTuple):
    """What :func:`read_views` found in PaddleSeg's arguments.

    Attributes:
        scales: sizes of the views, as factors; empty: the image as it is.
        flip: look at each size also mirrored.
        window: edge of the windows, pixels; 0: whole images.
        overlap: share of a window that its neighbour sees too.
    """

    scales: tuple[float, ...] = ()
    flip: bool = False
    window: int = 0
    overlap: float = 0.0

    def of(self, network: SegmentationNetwork) -> SegmentationNetwork | ViewedNetwork:
        """Return the network with these views; windows are the matter of what calls it."""
        return ViewedNetwork(network, scales=self.scales, flip=self.flip) if self.scales else network


WHOLE_IMAGES = Views()


def read_views(
    place: str,
    *,
    augment: bool,
    scales: float | Sequence[float],
    flip_horizontal: bool,
    flip_vertical: bool,
    is_slide: bool,
    stride: Sequence[int] | None,
    crop_size: Sequence[int] | None,
) -> Views:
    """Return the views that PaddleSeg's arguments ask for; ``place`` is the function, for messages.

    Raises:
        ConfigError: an argument is wrong, or asks for what does not exist here.
    """
    if flip_vertical and augment:
        raise ConfigError(f"{place}: flip_vertical: True given; views are mirrored left and right only (flip_horizontal)")
    sizes = tuple(scales) if isinstance(scales, Sequence) else (scales,)
    if augment and (not sizes or min(sizes) <= 0):
        raise ConfigError(f"{place}: scales: {scales} given, a factor above 0 or several expected, e.g. [0.75, 1.0, 1.25]")
    window, overlap = _window(place, crop_size, stride) if is_slide else (0, 0.0)
    return Views(sizes if augment else (), augment and flip_horizontal, window, overlap)


def _window(place: str, crop_size: Sequence[int] | None, stride: Sequence[int] | None) -> tuple[int, float]:
    """Return the edge of a window and the share of it that its neighbour sees too."""
    crop, step = list(crop_size or ()), list(stride or ())
    if len(crop) != 2 or len(step) != 2 or crop[0] != crop[1] or step[0] != step[1] or not 0 < step[0] <= crop[0]:
        raise ConfigError(
            f"{place}: is_slide with crop_size {crop_size} and stride {stride} given; two equal numbers of pixels each, and a stride up to "
            "the crop_size, expected, e.g. crop_size=(512, 512), stride=(384, 384)"
        )
    return crop[0], 1.0 - step[0] / crop[0]
