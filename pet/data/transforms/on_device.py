"""Transforms of samples as operations on whole batches of images, with the random numbers that each sample would have drawn.

What a sample draws is a row of numbers, drawn wherever samples are read; what is done with it is a few tensor operations on the
device. The pixels are those of the transform itself; OpenCV rounds changed colours otherwise on some processors, by 1 of 255.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from pet.data.transforms.colour import GRAY_WEIGHTS, ColorJitter, RandomGrayscale
from pet.data.transforms.erasing import RandomErasing
from pet.data.transforms.geometry import CenterCrop, RandomCrop, RandomHorizontalFlip, RandomVerticalFlip
from pet.data.transforms.photometric import Solarize
from pet.structures.moves import Flip, PadCrop, Size
from petlib.errors import ConfigError

GRAY_INTEGERS, GRAY_BITS = (9798, 19235, 3735), 15
"""The weights of OpenCV's gray image of 8 bits, and the bits that are shifted out."""
COLOUR_BITS = 10
"""The bits after the point of the factors that OpenCV changes the colours of 8 bits by."""
SMALLEST_GRAY = 1e-7
CHANNELS_OF_COLOURS = 3


class OnDevice(ABC):
    """A transform, divided into the numbers that a sample draws and what a batch does with them."""

    needs_colours = False
    """It takes images with three channels alone."""

    @abstractmethod
    def draw(self, size: Size, rng: np.random.Generator) -> list[float]:
        """Return the numbers of a sample, as many for each; ``size`` is that of its image before the transform."""

    @abstractmethod
    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return the changed images, uint8 (B, h, w, C), of images uint8 (B, H, W, C) and numbers float64 (B, N) on their device."""

    def size_after(self, size: Size) -> Size:
        """Return the size that images of ``size`` get."""
        return size


class Crops(OnDevice):
    """``RandomCrop`` and ``CenterCrop``.

    Args:
        transform: it decides where a window is.
    """

    def __init__(self, transform: RandomCrop | CenterCrop) -> None:
        self._transform = transform
        self._border = transform.border if isinstance(transform, RandomCrop) else cv2.BORDER_CONSTANT
        self._fill = int(np.rint(transform.fill))

    def draw(self, size: Size, rng: np.random.Generator) -> list[float]:
        """Return row and column of the upper left corner, in pixels of the image without padding."""
        move = self._transform.decide(size, rng)
        assert isinstance(move, PadCrop)
        return [move.top - move.padding[0], move.left - move.padding[2]]

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return the windows."""
        starts = numbers.long()
        rows, inside = self._places(starts[:, 0], self._transform.size[0], images.shape[1])
        columns, inside_columns = self._places(starts[:, 1], self._transform.size[1], images.shape[2])
        batch = torch.arange(len(images), device=images.device)
        windows = images[batch[:, None, None], rows[:, :, None], columns[:, None, :]]
        if self._border != cv2.BORDER_CONSTANT:
            return windows
        return windows.masked_fill_(~(inside[:, :, None] & inside_columns[:, None, :])[..., None], self._fill)

    def size_after(self, size: Size) -> Size:
        """Return the size of the window."""
        return self._transform.size

    def _places(self, starts: Tensor, count: int, length: int) -> tuple[Tensor, Tensor]:
        """Return where along an edge of ``length`` pixels those of the windows come from, (B, count), and which are inside."""
        places = starts[:, None] + torch.arange(count, device=starts.device)
        inside = (places >= 0) & (places < length)
        if self._border == cv2.BORDER_REFLECT_101 and length > 1:
            period = 2 * (length - 1)
            places = places.remainder(period)
            return torch.minimum(places, period - places), inside
        return places.clamp(0, length - 1), inside


class Flips(OnDevice):
    """``RandomHorizontalFlip`` and ``RandomVerticalFlip``.

    Args:
        transform: it decides whether to flip.

    Raises:
        ConfigError: the class of a mirrored image is another one.
    """

    def __init__(self, transform: RandomHorizontalFlip | RandomVerticalFlip) -> None:
        if isinstance(transform, RandomHorizontalFlip) and transform.swap is not None:
            raise ConfigError("classes that change with a mirrored image cannot change there; give it swap_classes: false")
        self._transform = transform
        self._axis = 2 if isinstance(transform, RandomHorizontalFlip) else 1

    def draw(self, size: Size, rng: np.random.Generator) -> list[float]:
        """Return whether to flip."""
        return [float(isinstance(self._transform.decide(size, rng), Flip))]

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return the images, some of them flipped."""
        return _where(numbers[:, 0] > 0, images.flip(self._axis), images)


class Covers(OnDevice):
    """``RandomErasing``.

    Args:
        transform: it decides where the rectangle is.

    Raises:
        ConfigError: it covers by random values.
    """

    needs_colours = True

    def __init__(self, transform: RandomErasing) -> None:
        if transform.colour is None:
            raise ConfigError("value: random is drawn pixel by pixel; give it a colour")
        self._transform = transform
        self._colour = np.broadcast_to(transform.colour, CHANNELS_OF_COLOURS).tolist()

    def draw(self, size: Size, rng: np.random.Generator) -> list[float]:
        """Return first row and column of the rectangle, and those after its last ones."""
        top, left, height, width = self._transform.draw(size, rng) or (0, 0, 0, 0)
        return [top, left, top + height, left + width]

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return the images with their rectangles."""
        rows, columns = (torch.arange(length, device=images.device) for length in images.shape[1:3])
        top, left, bottom, right = numbers[:, :, None].unbind(1)
        covered = ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]
        return torch.stack([images[..., place].masked_fill(covered, value) for place, value in enumerate(self._colour)], dim=-1)


class Jitters(OnDevice):
    """``ColorJitter`` without hue.

    Args:
        transform: it draws amounts and order of the changes.

    Raises:
        ConfigError: it turns hues.
    """

    needs_colours = True

    def __init__(self, transform: ColorJitter) -> None:
        self._names = [name for name, _, _ in transform.ranges]
        if "hue" in self._names:
            raise ConfigError("hues are not turned there; leave hue out")
        self._transform = transform

    def draw(self, size: Size, rng: np.random.Generator) -> list[float]:
        """Return whether the image changes, the amounts, and the order."""
        drawn = self._transform.draw(rng)
        if drawn is None:
            return [0.0, *(0.0,) * len(self._names), *map(float, range(len(self._names)))]
        return [1.0, *drawn[0], *map(float, drawn[1])]

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return the images in other colours: changes that cannot clip are one pass, as with a ``ColourMap``."""
        count = len(self._names)
        changes, amounts, order = numbers[:, 0] > 0, numbers[:, 1 : 1 + count], numbers[:, 1 + count :].long()
        scale, gray, offset = torch.ones_like(numbers[:, 0]), torch.zeros_like(numbers[:, 0]), torch.zeros_like(numbers[:, 0])
        for step in range(count):
            which = order[:, step]
            amount = amounts.gather(1, which[:, None])[:, 0]
            low = offset + 255.0 * gray.clamp(max=0.0)
            high = offset + 255.0 * (scale + gray.clamp(min=0.0))
            clips = (low < -0.5) | (high > 255.5)
            images = _where(clips, _mapped(images, scale, gray, offset), images)
            scale, gray, offset = scale.masked_fill(clips, 1.0), gray.masked_fill(clips, 0.0), offset.masked_fill(clips, 0.0)
            changed = {name: getattr(self, f"_{name}")(images, amount, scale, gray, offset) for name in self._names}
            for place, name in enumerate(self._names):
                here = changes & (which == place)
                scale, gray, offset = (torch.where(here, new, old) for new, old in zip(changed[name], (scale, gray, offset), strict=True))
        return _where(changes, _mapped(images, scale, gray, offset), images)

    def _brightness(self, images: Tensor, factor: Tensor, scale: Tensor, gray: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return scale * factor, gray * factor, offset * factor

    def _contrast(self, images: Tensor, factor: Tensor, scale: Tensor, gray: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = (scale + gray) * _gray(images.sum(dim=(1, 2)).double()) / (images.shape[1] * images.shape[2]) + offset
        return scale * factor, gray * factor, offset + (factor - 1.0) * (offset - mean)

    def _saturation(self, images: Tensor, factor: Tensor, scale: Tensor, gray: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return scale * factor, factor * gray + (1.0 - factor) * (scale + gray), offset


class Grays(OnDevice):
    """``RandomGrayscale``.

    Args:
        transform: its probability counts.
    """

    needs_colours = True

    def __init__(self, transform: RandomGrayscale) -> None:
        self._transform = transform

    def draw(self, size: Size, rng: np.random.Generator) -> list[float]:
        """Return whether the image becomes gray."""
        return [float(rng.random() < self._transform.probability)]

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return the images, some of them gray."""
        red, green, blue = (images[..., channel].int() * weight for channel, weight in enumerate(GRAY_INTEGERS))
        gray = (red + green + blue + (1 << GRAY_BITS - 1)) >> GRAY_BITS
        return _where(numbers[:, 0] > 0, gray.to(torch.uint8)[..., None].expand_as(images), images)


class Solarizes(OnDevice):
    """``Solarize``.

    Args:
        transform: its threshold and probability count.
    """

    needs_colours = True

    def __init__(self, transform: Solarize) -> None:
        self._transform = transform

    def draw(self, size: Size, rng: np.random.Generator) -> list[float]:
        """Return whether the image changes."""
        return [float(self._transform.probability == 1.0 or rng.random() < self._transform.probability)]

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Return the images, some of them inverted from the threshold on."""
        inverted = torch.where(images.int() >= self._transform.threshold, 255 - images, images)
        return _where(numbers[:, 0] > 0, inverted, images)


FORMS: dict[type, Callable[[Any], OnDevice]] = {
    RandomCrop: Crops,
    CenterCrop: Crops,
    RandomHorizontalFlip: Flips,
    RandomVerticalFlip: Flips,
    RandomErasing: Covers,
    ColorJitter: Jitters,
    RandomGrayscale: Grays,
    Solarize: Solarizes,
}
"""What each transform is on the device."""


def on_device(transform: object) -> OnDevice:
    """Return the form of a transform for batches.

    Raises:
        ConfigError: it has none; the message begins with its name.
    """
    name = type(transform).__name__
    if type(transform) not in FORMS:
        raise ConfigError(f"{name}: it has no form for batches; those that have: {', '.join(kind.__name__ for kind in FORMS)}")
    try:
        return FORMS[type(transform)](transform)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error


def _where(chosen: Tensor, these: Tensor, others: Tensor) -> Tensor:
    """Return for each image of a batch the one of ``these`` where it is chosen, else that of ``others``."""
    return torch.where(chosen[:, None, None, None], these, others)


def _mapped(images: Tensor, scale: Tensor, gray: Tensor, offset: Tensor) -> Tensor:
    """Return ``scale * x + gray * g + offset`` of channel x and gray value g of each pixel, rounded, uint8; the factors are (B,)."""
    pixels = images.int()
    weights = [_fixed_point(gray * weight) for weight in GRAY_WEIGHTS]
    own = [_fixed_point(gray * weight + scale) - fixed for weight, fixed in zip(GRAY_WEIGHTS, weights, strict=True)]
    level = sum((pixels[..., channel] * weight for channel, weight in enumerate(weights)), _fixed_point(offset.float() + 0.5))
    mapped = torch.stack([level + pixels[..., channel] * factor for channel, factor in enumerate(own)], dim=-1)
    # OpenCV rounds without fixed points where no channel counts in another one
    scale, offset = (factor.float().double()[:, None, None, None] for factor in (scale, offset))
    rounded = (images.double() * scale + offset).float().round().int()
    return _where(gray.abs() > SMALLEST_GRAY, mapped >> COLOUR_BITS, rounded).clamp_(0, 255).to(torch.uint8)


def _fixed_point(factors: Tensor) -> Tensor:
    """Return factors (B,) as int32 (B, 1, 1), as OpenCV has them for images of 8 bits."""
    return (factors.float() * (1 << COLOUR_BITS)).round().int()[:, None, None]


def _gray(colours: Tensor) -> Tensor:
    """Return the gray values (...) of red, green and blue (..., 3)."""
    red, green, blue = colours.unbind(-1)
    return red * GRAY_WEIGHTS[0] + green * GRAY_WEIGHTS[1] + blue * GRAY_WEIGHTS[2]
