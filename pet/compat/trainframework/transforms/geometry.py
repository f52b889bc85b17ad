"""Flips, sizes and crops with the names and arguments of TrainFramework; what moves is Pet's."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from pet.compat.shared.moving import PlacedFields, described, move_fields, move_image
from pet.compat.trainframework.transforms.fields import MASK_DTYPES, Results, images_of, listed, size_of
from pet.data.targets.boxes import clip_boxes
from pet.data.targets.dataset import IGNORE
from pet.data.transforms import geometry, scales
from pet.data.transforms.base import check_label, check_probability, check_size
from pet.structures.moves import CropResize, Flip, Move, QuarterTurns, Size, Stay
from petlib.data.seeding import generator_of_global_state
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

FLIPS: dict[str, Move] = {"horizontal": Flip(1), "vertical": Flip(0), "diagonal": QuarterTurns(2)}

INTERPOLATIONS = {
    f"INTER_{name}": getattr(cv2, f"INTER_{name}")
    for name in ("NEAREST", "NEAREST_EXACT", "LINEAR", "LINEAR_EXACT", "CUBIC", "AREA", "LANCZOS4")
}


class GeometricTransform(ABC):
    """Moves all the fields of ``results`` that have a place, by the same move; what is drawn comes from numpy's global generator.

    Attributes:
        takes_any_sizes: images and masks may have sizes of their own.
        clips_boxes: boxes are cut off at the edges of the image.
        mask_fill: the label of what comes into a mask from outside.
    """

    takes_any_sizes = False
    clips_boxes = True
    mask_fill = IGNORE

    def __call__(self, results: Results) -> Results:
        """Return ``results``, moved.

        Raises:
            DataError: a field is missing, or has a shape that cannot be moved, or images and masks differ in size.
        """
        asker = type(self).__name__
        sizes = placed_sizes(results, asker=asker)
        if not sizes:
            raise DataError(f"{asker}: img_fields is empty; name the fields that hold images, e.g. ['img']")
        size = next(iter(sizes.values()))
        if not self.takes_any_sizes and set(sizes.values()) != {size}:
            found = ", ".join(f"{name} {height}x{width}" for name, (height, width) in sizes.items())
            raise DataError(f"{asker}: images and masks of a sample have different sizes, height x width: {found}; one size expected")
        move = self.decide(size, generator_of_global_state())
        if isinstance(move, Stay):
            return results
        return self._move(results, move, size)

    def _move(self, results: Results, move: Move, size: Size) -> Results:
        """Return ``results``, moved.

        No box or point is dropped, since the labels that belong to them are the user's: a box that is cut off and has left the image
        has no area, a point has the visibility 0.
        """
        owner = type(self).__name__
        boxes = list(listed(results, "bbox_fields", asker=owner))
        images = images_of(results, "img_fields", asker=owner)
        own = own_interpolations(results, images, asker=owner)
        fields = PlacedFields(
            images=[name for name in images if name not in own],
            label_maps=list(listed(results, "mask_fields", asker=owner)),
            boxes=boxes,
            keypoints=list(listed(results, "keypoint_fields", asker=owner)),
        )
        swap = results.get("keypoint_swap")
        moved = move_fields(results, fields, move, size=size, label_fill=self.mask_fill, keypoint_swap=swap, owner=owner)
        for name, interpolation in own.items():
            resampled = replace(move, interpolation=interpolation) if isinstance(move, CropResize) else move
            moved[name] = move_image(images[name], resampled)
        after = move.size_after(size)
        for name in boxes:
            moved[name] = clip_boxes(moved[name], after, 0.0)[0] if self.clips_boxes else moved[name].astype(np.float32)
        return {**results, "img_shape": after, **moved}

    @abstractmethod
    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Return what is done to images of ``size`` (height, width)."""


class RandomFlip(GeometricTransform):
    """A share of the samples is mirrored.

    Args:
        direction: ``"horizontal"``: left and right change places, ``"vertical"``: top and bottom, ``"diagonal"``: both; of several one
            is drawn, all with the same chance.
        p: share of the samples, from 0 to 1.
    """

    takes_any_sizes = True
    clips_boxes = False

    def __init__(self, direction: str | Sequence[str] = "horizontal", p: float = 0.5) -> None:
        directions = [direction] if isinstance(direction, str) else list(direction)
        for given in directions:
            if given not in FLIPS:
                raise ConfigError(f"RandomFlip: direction: {given!r} given, {', '.join(FLIPS)} expected{did_you_mean(str(given), FLIPS)}")
        if not directions:
            raise ConfigError(f"RandomFlip: direction is empty; one or more of {', '.join(FLIPS)} expected")
        self._moves = [FLIPS[given] for given in directions]
        self._probability = check_probability("RandomFlip: p", p)

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Draw whether, and how."""
        return self._moves[rng.integers(len(self._moves))] if rng.random() < self._probability else Stay()


class Resize(GeometricTransform):
    """The whole image gets another size.

    Args:
        target_size: one number or (height, width), pixels.
        interpolation: OpenCV's name, ``"INTER_LINEAR"`` and the like; masks take the nearest pixel.
        keep_ratio: the aspect ratio stays and the image just fits into ``target_size``; otherwise it gets exactly that size.
        clip_border: cut boxes off at the edges of the image.
    """

    def __init__(
        self,
        target_size: int | Sequence[int],
        interpolation: str = "INTER_LINEAR",
        keep_ratio: bool = False,
        clip_border: bool = True,
    ) -> None:
        self._size = check_size("Resize: target_size", target_size)
        self._interpolation = check_interpolation("Resize", interpolation)
        self._keeps_ratio = keep_ratio
        self.clips_boxes = clip_border

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Compute the size."""
        target = self._size
        if self._keeps_ratio:
            scale = min(target[0] / size[0], target[1] / size[1])
            target = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
        return Stay() if target == size else CropResize(0, 0, size[0], size[1], target, self._interpolation, antialias=False)


class RandomCrop(GeometricTransform):
    """A window at a random place; smaller images are padded.

    Args:
        target_size: one number or (height, width), pixels.
        padding: pixels that are added on each side first.
        fill: gray value from 0 to 255 of what is added.
        mask_fill: its label in masks.
    """

    def __init__(self, target_size: int | Sequence[int], padding: int = 0, fill: float = 0, mask_fill: int = IGNORE) -> None:
        self._crop = geometry.RandomCrop(size=check_size("RandomCrop: target_size", target_size), padding=padding, fill=fill)
        self.mask_fill = check_label("RandomCrop: mask_fill", mask_fill)

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Draw the place."""
        return self._crop.decide(size, rng)


class CenterCrop(GeometricTransform):
    """The window in the middle; smaller images are padded.

    Args:
        target_size: one number or (height, width), pixels.
        fill: gray value from 0 to 255 of what is added.
        mask_fill: its label in masks.
    """

    def __init__(self, target_size: int | Sequence[int], fill: int = 0, mask_fill: int = IGNORE) -> None:
        self._crop = geometry.CenterCrop(size=check_size("CenterCrop: target_size", target_size), fill=fill)
        self.mask_fill = check_label("CenterCrop: mask_fill", mask_fill)

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Find the middle."""
        return self._crop.decide(size, rng)


class Pad(GeometricTransform):
    """Images are padded on the right and at the bottom.

    Args:
        target_size: what height and width are at least, one number or (height, width), pixels; None: whatever they are.
        divisor: height and width become multiples of it.
        fill: gray value from 0 to 255 of what is added.
        mask_fill: its label in masks.
    """

    def __init__(self, target_size: int | Sequence[int] | None = None, divisor: int = 1, fill: int = 0, mask_fill: int = IGNORE) -> None:
        least = None if target_size is None else check_size("Pad: target_size", target_size)
        if least is None and divisor == 1:
            raise ConfigError("Pad: neither target_size nor divisor given, so nothing would be padded; give one")
        self._pad = scales.Pad(divisor=divisor, least=least, fill=fill)
        self.mask_fill = check_label("Pad: mask_fill", mask_fill)

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Compute the size."""
        return self._pad.decide(size, rng)


def own_interpolations(results: Results, images: Sequence[str] | dict[str, np.ndarray], *, asker: str) -> dict[str, int]:
    """Return OpenCV's number for each image that ``results["interpolation"]`` speaks of.

    Raises:
        DataError: it names a field that is no image, or no interpolation.
    """
    given = results.get("interpolation")
    names = dict.fromkeys(images, given) if isinstance(given, str) else given or {}
    if not isinstance(names, dict) or (unknown := [name for name in names if name not in images]):
        said = f"{unknown[0]!r}, which is not among img_fields ({', '.join(images)})" if isinstance(names, dict) else f"{given!r}"
        raise DataError(f"{asker}: interpolation has {said}; names of images and interpolations expected, {{'gt': 'INTER_NEAREST'}}")
    try:
        return {name: check_interpolation(f"{asker}: results['interpolation']", value) for name, value in names.items()}
    except ConfigError as error:
        raise DataError(str(error)) from error


def placed_sizes(results: Results, *, asker: str) -> dict[str, Size]:
    """Return (height, width) of every image and mask, the first image first.

    Raises:
        DataError: a field is missing, or is no image or mask.
    """
    arrays = {**images_of(results, "img_fields", asker=asker), **listed(results, "mask_fields", asker=asker)}
    for name in results.get("mask_fields", []):
        mask = arrays[name]
        if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype.name not in MASK_DTYPES:
            raise DataError(f"{asker}: the mask {name!r} is {described(mask)}; (height, width) of {' or '.join(MASK_DTYPES)} expected")
    return {name: size_of(array) for name, array in arrays.items()}


def check_interpolation(asker: str, name: str) -> int:
    """Return OpenCV's number of an interpolation.

    Raises:
        ConfigError: it is unknown.
    """
    if name not in INTERPOLATIONS:
        raise ConfigError(
            f"{asker}: interpolation: {name!r} given, one of {', '.join(INTERPOLATIONS)} expected{did_you_mean(str(name), INTERPOLATIONS)}"
        )
    number: int = INTERPOLATIONS[name]
    return number
