"""Flips, turns and windows under PaddleSeg's names. Sizes are (width, height), as there."""

from collections.abc import Sequence

import cv2
import numpy as np

from pet.compat.paddleseg.transforms.base import Transform, height_width, one_gray
from pet.data.targets.dataset import IGNORE
from pet.data.transforms import geometry, rotate, scales
from pet.data.transforms.base import GeometricTransform, check_label
from pet.structures.moves import Affine, Move, PadCrop, Size
from petlib.errors import ConfigError


class RandomHorizontalFlip(Transform):
    """Left and right change places in ``prob`` of the samples."""

    def __init__(self, prob: float = 0.5) -> None:
        super().__init__(geometry.RandomHorizontalFlip(probability=prob))


class RandomVerticalFlip(Transform):
    """Top and bottom change places in ``prob`` of the samples."""

    def __init__(self, prob: float = 0.1) -> None:
        super().__init__(geometry.RandomVerticalFlip(probability=prob))


class RandomRotation(Transform):
    """Every sample is turned; the image grows so that its corners stay.

    Args:
        max_rotation: greatest angle to either side, degrees.
        im_padding_value: gray value of what comes in from outside; of several numbers all have to be the same.
        label_padding_value: its label.
    """

    def __init__(
        self, max_rotation: float = 15, im_padding_value: float | Sequence[float] = 127.5, label_padding_value: int = IGNORE
    ) -> None:
        fill = one_gray("RandomRotation", im_padding_value)
        super().__init__(rotate.RandomRotation(degrees=max_rotation, fill=fill, label_fill=label_padding_value))


class RandomScaleAspect(Transform):
    """A window of random area and aspect ratio is resized to the size of the image.

    Args:
        min_scale: least area of the window as a share of the image's.
        aspect_ratio: least ratio of its edges; the greatest is the inverse.
    """

    def __init__(self, min_scale: float = 0.5, aspect_ratio: float = 0.33) -> None:
        super().__init__(scales.RandomScaleAspect(min_scale=min_scale, aspect_ratio=aspect_ratio))


class RandomPaddingCrop(Transform):
    """A window of fixed size at a random place; smaller images are padded.

    Args:
        crop_size: (width, height), pixels.
        im_padding_value: gray value of the padding; of several numbers all have to be the same.
        label_padding_value: its label.
    """

    def __init__(
        self,
        crop_size: Sequence[int] = (512, 512),
        im_padding_value: float | Sequence[float] = 127.5,
        label_padding_value: int = IGNORE,
    ) -> None:
        fill = one_gray("RandomPaddingCrop", im_padding_value)
        super().__init__(
            geometry.RandomCrop(size=height_width("RandomPaddingCrop: crop_size", crop_size), fill=fill, label_fill=label_padding_value)
        )


class RandomCenterCrop(Transform):
    """Up to half of what ``retain_ratio`` leaves out is cut off at each edge, at random.

    Args:
        retain_ratio: least share of the width and of the height that is kept.
    """

    def __init__(self, retain_ratio: Sequence[float] = (0.5, 0.5)) -> None:
        super().__init__(KeepShare(retain_ratio))


class KeepShare(GeometricTransform):
    """What :class:`RandomCenterCrop` does to a sample."""

    def __init__(self, shares: Sequence[float]) -> None:
        if len(shares) != 2 or not all(0.0 <= share <= 1.0 for share in shares):
            raise ConfigError(f"RandomCenterCrop: retain_ratio: {shares} given, two numbers from 0 to 1 expected, for width and height")
        self.shares = shares[1], shares[0]

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Draw how much is cut off, and how much of it above and at the left."""
        cut = [int(rng.integers(max(int(length * (1.0 - share)), 1))) for length, share in zip(size, self.shares, strict=True)]
        top, left = (int(rng.integers(max(length, 1))) for length in cut)
        height, width = size[0] - cut[0], size[1] - cut[1]
        return PadCrop((0, 0, 0, 0), top, left, (height, width))


class RandomAffine(Transform):
    """The image is brought to a size, moved, turned and scaled in one step.

    Args:
        size: (width, height) of the result, pixels.
        translation_offset: greatest distance of the centre of turns from the middle, pixels.
        max_rotation: greatest angle to either side, degrees.
        min_scale_factor: least factor; at 1 the image has the mean of the ratios of both widths and both heights.
        max_scale_factor: greatest factor.
        im_padding_value: gray value of what comes in from outside; of several numbers all have to be the same.
        label_padding_value: its label.
    """

    def __init__(  # noqa: PLR0917 -- PaddleSeg's order
        self,
        size: Sequence[int] = (224, 224),
        translation_offset: float = 0,
        max_rotation: float = 15,
        min_scale_factor: float = 0.75,
        max_scale_factor: float = 1.25,
        im_padding_value: float | Sequence[float] = 128,
        label_padding_value: int = IGNORE,
    ) -> None:
        fill = one_gray("RandomAffine", im_padding_value)
        scale = min_scale_factor, max_scale_factor
        super().__init__(
            TurnAndScale(height_width("RandomAffine: size", size), translation_offset, max_rotation, scale, fill, label_padding_value)
        )


class TurnAndScale(GeometricTransform):
    """What :class:`RandomAffine` does to a sample; arguments as there, the size as [height, width]."""

    def __init__(  # noqa: PLR0917 -- the order of RandomAffine
        self, size: Sequence[int], offset: float, degrees: float, scale: tuple[float, float], fill: float, label_fill: int
    ) -> None:
        if not 0.0 < scale[0] <= scale[1]:
            raise ConfigError(
                f"RandomAffine: min_scale_factor {scale[0]} and max_scale_factor {scale[1]} given; ascending numbers above 0 expected"
            )
        self.size = size[0], size[1]
        self.offset = offset
        self.degrees = degrees
        self.scale = scale
        self.fill = fill
        self.label_fill = check_label("RandomAffine: label_padding_value", label_fill)

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Draw centre, angle and scale."""
        height, width = self.size
        rows, columns = max(size[0] - 1, 1), max(size[1] - 1, 1)
        centre_x, centre_y = width / 2 + rng.uniform(-self.offset, self.offset), height / 2 + rng.uniform(-self.offset, self.offset)
        scale = rng.uniform(*self.scale) * (width / columns + height / rows) / 2
        turn = np.vstack([cv2.getRotationMatrix2D((centre_x, centre_y), rng.uniform(-self.degrees, self.degrees), scale), [0.0, 0.0, 1.0]])
        to_middle = np.array([[1.0, 0.0, (width - columns) / 2], [0.0, 1.0, (height - rows) / 2], [0.0, 0.0, 1.0]])
        # PaddleSeg counts from the middles of pixels, moves from their corners
        to_corners = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
        return Affine(to_corners @ turn @ to_middle @ np.linalg.inv(to_corners), self.size, fill=self.fill)
