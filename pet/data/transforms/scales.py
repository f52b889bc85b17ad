"""Sizes of images: the shorter edge, jittered scales, padding."""

import math
from collections.abc import Sequence

import numpy as np

from pet.data.transforms.base import GeometricTransform, check_gray, check_range, check_share, check_size
from pet.data.transforms.geometry import WINDOWS, check_interpolation
from pet.structures.moves import Chain, CropResize, Move, PadCrop, Stay
from petlib.errors import ConfigError

SAMPLING = ("choice", "range")


class ResizeShortestEdge(GeometricTransform):
    """The shorter edge gets one of several lengths, unless the longer one would become too long; the aspect ratio stays.

    Source: Lin et al., Feature Pyramid Networks, 2016 (https://arxiv.org/abs/1612.03144), section 5.2. Lengths are rounded down
    as by torchvision's ``GeneralizedRCNNTransform``.

    Args:
        sizes: pixels of the shorter edge; by default ``RESIZE.SCALES``.
        max_size: greatest number of pixels of the longer edge.
        sample: ``choice``: one of ``sizes`` is drawn; ``range``: any length from the least to the greatest of them.
        interpolation: ``linear``, ``cubic``, ``area`` or ``nearest``.
        antialias: whether linear and cubic shrinking weigh all pixels, as PIL does; the published detectors go without.
    """

    def __init__(
        self,
        *,
        sizes: Sequence[int],
        max_size: int = 1333,
        sample: str = "choice",
        interpolation: str = "linear",
        antialias: bool = False,
    ) -> None:
        if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
            raise ConfigError(f"ResizeShortestEdge: sizes: {list(sizes)} given, at least one positive number of pixels expected")
        if max_size < 1:
            raise ConfigError(f"ResizeShortestEdge: max_size: {max_size} given, a positive number of pixels expected")
        if sample not in SAMPLING:
            raise ConfigError(f"ResizeShortestEdge: sample: {sample!r} given, one of {', '.join(SAMPLING)} expected")
        self.sizes = tuple(sizes)
        self.max_size = max_size
        self.draws_range = sample == "range"
        self.interpolation = check_interpolation("ResizeShortestEdge", interpolation)
        self.antialias = antialias

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw the length and compute the size."""
        if self.draws_range:
            shortest = int(rng.integers(min(self.sizes), max(self.sizes) + 1))
        else:
            shortest = self.sizes[rng.integers(len(self.sizes))] if len(self.sizes) > 1 else self.sizes[0]
        scale = min(shortest / min(size), self.max_size / max(size))
        target = max(int(size[0] * scale), 1), max(int(size[1] * scale), 1)
        return Stay() if target == size else CropResize(0, 0, size[0], size[1], target, self.interpolation, self.antialias)


class ScaleJitterCrop(GeometricTransform):
    """The image is resized by a random scale; a window of fixed size is cut out of it, or it is padded right and bottom.

    Sources: Tan et al., EfficientDet, 2019 (https://arxiv.org/abs/1911.09070); as large scale jitter: Ghiasi et al., Simple
    Copy-Paste, 2020 (https://arxiv.org/abs/2012.07177).

    Args:
        size: pixels of the result, one number or [height, width].
        scale: least and greatest scale; at 1 the image just fits into ``size``.
        interpolation: ``linear``, ``cubic``, ``area`` or ``nearest``.
        antialias: whether linear and cubic shrinking weigh all pixels, as PIL does.
        fill: gray value from 0 to 255 of the padding.
        min_share: share of its box that must be in the window, or an object is dropped.
    """

    def __init__(
        self,
        *,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.1, 2.0),
        interpolation: str = "linear",
        antialias: bool = True,
        fill: int = 0,
        min_share: float = 0.0,
    ) -> None:
        self.size = check_size("ScaleJitterCrop", size)
        self.scale = check_range("ScaleJitterCrop: scale", scale)
        if self.scale[0] <= 0.0:
            raise ConfigError(f"ScaleJitterCrop: scale: {list(scale)} given, numbers above 0 expected")
        self.interpolation = check_interpolation("ScaleJitterCrop", interpolation)
        self.antialias = antialias
        self.fill = check_gray("ScaleJitterCrop: fill", fill)
        self.min_share = check_share("ScaleJitterCrop: min_share", min_share)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw scale and place."""
        scale = rng.uniform(*self.scale) * min(self.size[0] / size[0], self.size[1] / size[1])
        scaled = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
        resize = CropResize(0, 0, size[0], size[1], scaled, self.interpolation, self.antialias)
        top, left = (int(rng.integers(max(scaled[axis] - self.size[axis], 0) + 1)) for axis in (0, 1))
        lacking = max(self.size[0] - scaled[0], 0), max(self.size[1] - scaled[1], 0)
        return Chain((resize, PadCrop((0, lacking[0], 0, lacking[1]), top, left, self.size, fill=self.fill)))


class RandomScale(GeometricTransform):
    """The image gets a random size; its aspect ratio stays.

    Source: RandomResize of MMSegmentation (https://github.com/open-mmlab/mmsegmentation), whose ratio is drawn evenly.

    Args:
        size: the image of ratio 1 just fits into this, lying or standing as it is: one number or [height, width].
        ratio: least and greatest multiple of that.
        interpolation: ``linear``, ``cubic``, ``area`` or ``nearest``.
        antialias: whether linear and cubic shrinking weigh all pixels, as PIL does; the source goes without.
    """

    def __init__(
        self, *, size: int | Sequence[int], ratio: Sequence[float] = (0.5, 2.0), interpolation: str = "linear", antialias: bool = False
    ) -> None:
        self.size = check_size("RandomScale", size)
        self.ratio = check_range("RandomScale: ratio", ratio)
        if self.ratio[0] <= 0.0:
            raise ConfigError(f"RandomScale: ratio: {list(ratio)} given, numbers above 0 expected")
        self.interpolation = check_interpolation("RandomScale", interpolation)
        self.antialias = antialias

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw the ratio and compute the size."""
        scale = rng.uniform(*self.ratio) * min(max(self.size) / max(size), min(self.size) / min(size))
        target = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
        return Stay() if target == size else CropResize(0, 0, size[0], size[1], target, self.interpolation, self.antialias)


class RandomScaleAspect(GeometricTransform):
    """A window of random area and aspect ratio is resized to the size of the image.

    Source: the transform of this name of PaddleSeg (https://github.com/PaddlePaddle/PaddleSeg). Ten windows are tried; where none
    fits into the image, it stays as it is.

    Args:
        min_scale: least area of the window as a share of the image's; the greatest is 1.
        aspect_ratio: least ratio of its edges; the greatest is the inverse. Drawn evenly, then width and height change places in
            half of the cases.
        interpolation: ``linear``, ``cubic``, ``area`` or ``nearest``.
    """

    def __init__(self, *, min_scale: float = 0.5, aspect_ratio: float = 0.33, interpolation: str = "linear") -> None:
        self.min_scale = check_share("RandomScaleAspect: min_scale", min_scale)
        if not 0.0 < aspect_ratio <= 1.0:
            raise ConfigError(f"RandomScaleAspect: aspect_ratio: {aspect_ratio} given, a number above 0 and up to 1 expected")
        self.aspect_ratio = aspect_ratio
        self.interpolation = check_interpolation("RandomScaleAspect", interpolation)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Draw the window."""
        rows, columns = size
        for _ in range(WINDOWS):
            area = rows * columns * rng.uniform(self.min_scale, 1.0)
            ratio = rng.uniform(self.aspect_ratio, 1.0 / self.aspect_ratio)
            edges = int(math.sqrt(area * ratio)), int(math.sqrt(area / ratio))
            height, width = edges if rng.random() < 0.5 else edges[::-1]
            if 0 < height <= rows and 0 < width <= columns:
                top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
                return CropResize(top, left, height, width, size, self.interpolation, antialias=False)
        return Stay()


class Pad(GeometricTransform):
    """The image is padded right and bottom.

    Args:
        divisor: height and width become multiples of it.
        least: height and width become at least this, one number or [height, width]; None: whatever they are.
        fill: gray value from 0 to 255.
    """

    def __init__(self, *, divisor: int = 1, least: int | Sequence[int] | None = None, fill: int = 0) -> None:
        if divisor < 1:
            raise ConfigError(f"Pad: divisor: {divisor} given, at least 1 expected")
        self.divisor = divisor
        self.least = (1, 1) if least is None else check_size("Pad: least", least)
        self.fill = check_gray("Pad: fill", fill)

    def decide(self, size: tuple[int, int], rng: np.random.Generator) -> Move:
        """Compute the size."""
        height, width = (-(-max(length, least) // self.divisor) * self.divisor for length, least in zip(size, self.least, strict=True))
        if (height, width) == size:
            return Stay()
        return PadCrop((0, height - size[0], 0, width - size[1]), 0, 0, (height, width), fill=self.fill)
