"""Transforms under PaddleSeg's names and with its arguments (https://github.com/PaddlePaddle/PaddleSeg, release 2.3); they are Pet's.

Sizes are (width, height) here, as in PaddleSeg. Lists of them go into :class:`pet.compat.paddleseg.datasets.Dataset`, with transforms of
the user in between, see :mod:`pet.compat.paddleseg.pipeline`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from pet.data.files.images import read_image
from pet.data.files.label_images import read_label_image
from pet.data.targets.dataset import IGNORE
from pet.data.transforms import geometry, label_values, normalize, operations, photometric, rotate, scales
from pet.data.transforms.base import GeometricTransform, ImageTransform, check_probability, check_range
from pet.data.transforms.colour import shift_hue
from pet.data.transforms.normalize import as_eight_bits
from pet.structures.moves import CropResize, Move, Size, Stay
from petlib.data.protocols import SampleTransform
from petlib.data.seeding import generator_of_global_state
from petlib.errors import ConfigError

RGB = 3
INTERPOLATIONS = {"LINEAR": "linear", "CUBIC": "cubic", "AREA": "area", "NEAREST": "nearest"}


class Transform:
    """A transform of Pet that is called as in PaddleSeg, ``transform(im, label)``.

    Args:
        transform: of samples.

    Attributes:
        transform: the same.
    """

    def __init__(self, transform: SampleTransform) -> None:
        self.transform = transform

    def __call__(self, im: np.ndarray, label: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """Return ``(im,)``, or with a label ``(im, label)``, transformed.

        Random numbers come from numpy's global generator. In a training they come from the run's own generators instead.

        Args:
            im: (H, W, C) uint8, uint16 or float32.
            label: integer (H, W).
        """
        labels = {} if label is None else {"semseg": label}
        sample = self.transform({"image": im, **labels, "meta": {}}, generator_of_global_state())
        moved = sample.get("semseg")
        return (sample["image"],) if moved is None else (sample["image"], moved)


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


class RandomBlur(Transform):
    """``prob`` of the images are blurred by a Gaussian of 3 to 9 pixels."""

    def __init__(self, prob: float = 0.1) -> None:
        super().__init__(photometric.RandomBlur(probability=prob))


class Resize(Transform):
    """The whole image becomes another size, whatever its aspect ratio.

    Args:
        target_size: (width, height), pixels.
        interp: ``LINEAR``, ``CUBIC``, ``AREA`` or ``NEAREST``; shrinking does not weigh all pixels except with ``AREA``. Labels take
            the nearest pixel.
    """

    def __init__(self, target_size: Sequence[int] = (512, 512), interp: str = "LINEAR") -> None:
        if interp not in INTERPOLATIONS:
            raise ConfigError(f"Resize: interp: {interp!r} given, one of {', '.join(INTERPOLATIONS)} expected")
        size = height_width("Resize: target_size", target_size)
        super().__init__(geometry.Resize(size=size, interpolation=INTERPOLATIONS[interp], antialias=False))


class ResizeStepScaling(Transform):
    """The image is resized by a factor that is drawn; its aspect ratio stays.

    Args:
        min_scale_factor: least factor.
        max_scale_factor: greatest factor.
        scale_step_size: about how far factors lie apart, evenly from the least to the greatest; 0: any between them is drawn.
    """

    def __init__(self, min_scale_factor: float = 0.75, max_scale_factor: float = 1.25, scale_step_size: float = 0.25) -> None:
        super().__init__(StepScale(min_scale_factor, max_scale_factor, scale_step_size))


class StepScale(GeometricTransform):
    """What :class:`ResizeStepScaling` does to a sample.

    Args:
        least: factor, above 0.
        greatest: factor.
        step: see there.
    """

    def __init__(self, least: float, greatest: float, step: float) -> None:
        if not 0.0 < least <= greatest or step < 0.0:
            raise ConfigError(
                f"ResizeStepScaling: min_scale_factor {least}, max_scale_factor {greatest} and scale_step_size {step} given; two ascending "
                "numbers above 0 and a step of at least 0 expected"
            )
        self.bounds = least, greatest
        # as many as PaddleSeg has; the last one is the greatest, whatever the step is
        self.factors = np.linspace(least, greatest, int((greatest - least) / step + 1)).tolist() if step else []

    def decide(self, size: Size, rng: np.random.Generator) -> Move:
        """Draw the factor and compute the size."""
        factor = self.factors[rng.integers(len(self.factors))] if self.factors else rng.uniform(*self.bounds)
        target = max(round(factor * size[0]), 1), max(round(factor * size[1]), 1)
        return Stay() if target == size else CropResize(0, 0, *size, target, cv2.INTER_LINEAR, antialias=False)


class RandomDistort(Transform):
    """Brightness, contrast, saturation and hue change, each in a share of the samples, in an order that is drawn.

    Args:
        brightness_range, contrast_range, saturation_range: greatest distance of the factor from 1; factor 0 is a black image, its mean
            gray value, and a gray image.
        brightness_prob, contrast_prob, saturation_prob, hue_prob: share of the samples that each changes.
        hue_range: greatest turn of the hue to either side, in 256ths of the colour circle.
    """

    def __init__(  # noqa: PLR0917 -- PaddleSeg's order
        self,
        brightness_range: float = 0.5,
        brightness_prob: float = 0.5,
        contrast_range: float = 0.5,
        contrast_prob: float = 0.5,
        saturation_range: float = 0.5,
        saturation_prob: float = 0.5,
        hue_range: float = 18,
        hue_prob: float = 0.5,
    ) -> None:
        super().__init__(
            Distort(
                [
                    ColourChange("brightness", operations.brightness, 1.0, brightness_range, brightness_prob),
                    ColourChange("contrast", operations.contrast, 1.0, contrast_range, contrast_prob),
                    ColourChange("saturation", operations.color, 1.0, saturation_range, saturation_prob),
                    ColourChange("hue", lambda image, steps: shift_hue(image, steps / 256), 0.0, hue_range, hue_prob),
                ]
            )
        )


class ColourChange(NamedTuple):
    """One of the changes of :class:`RandomDistort`.

    Attributes:
        name: for messages.
        apply: takes an RGB image and an amount.
        neutral: the amount that changes nothing.
        reach: greatest distance of the amount from it.
        probability: share of the samples.
    """

    name: str
    apply: Callable[[np.ndarray, float], np.ndarray]
    neutral: float
    reach: float
    probability: float


class Distort(ImageTransform):
    """What :class:`RandomDistort` does to the pixels of an image."""

    takes_any_image = True

    def __init__(self, changes: Sequence[ColourChange]) -> None:
        for change in changes:
            check_probability(f"RandomDistort: {change.name}_prob", change.probability)
            check_range(f"RandomDistort: {change.name}_range", [0.0, change.reach], high=change.neutral or 128.0)
        self.changes = changes

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the image (H, W, 3) in other colours, uint8; of float32 the fractions are cut off, as in PaddleSeg.

        Raises:
            ConfigError: the image has other channels, or was normalised before.
        """
        if image.shape[2] != RGB or (image.dtype.kind == "f" and image.min(initial=0) < 0):
            raise ConfigError(f"RandomDistort: an image {image.shape} from {image.min():g} on given; RGB from 0 to 255, before Normalize")
        image = as_eight_bits(image).clip(0, 255).astype(np.uint8)
        for place in rng.permutation(len(self.changes)):
            _, change, neutral, reach, probability = self.changes[place]
            if rng.random() < probability:
                image = change(image, rng.uniform(neutral - reach, neutral + reach))
        return image


class Compose:
    """Several transforms, one after another, for :func:`pet.compat.paddleseg.core.predict`, a data set, or a call.

    Args:
        transforms: the list.
        to_rgb: the network sees RGB; False: BGR, and a call changes no colours.

    Raises:
        ConfigError: it is no list.

    Attributes:
        transforms: the list.
        to_rgb: see above.
    """

    def __init__(self, transforms: Sequence[Any], to_rgb: bool = True) -> None:
        if not isinstance(transforms, list | tuple):
            raise ConfigError(f"Compose: transforms: {transforms!r} given, a list of transforms expected")
        self.transforms = list(transforms)
        self.to_rgb = to_rgb

    def __call__(self, im: str | Path | np.ndarray, label: str | Path | np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the image, float32 (C, H, W), and the label, transformed.

        Args:
            im: a file, or (H, W, 3) BGR as OpenCV reads it.
            label: a file, or integer (H, W); None: there is none.

        Raises:
            DataError: a file cannot be read.
        """
        image = im[..., ::-1] if isinstance(im, np.ndarray) else read_image(im)
        image = np.ascontiguousarray(image if self.to_rgb else image[..., ::-1])
        found = label if label is None or isinstance(label, np.ndarray) else read_label_image(Path(label))
        for transform in self.transforms:
            outputs = transform(image, found)
            image, found = outputs if len(outputs) == 2 else (outputs[0], found)
        return np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32), found


class Normalize(Transform):
    """``(im / 255 - mean) / std``.

    At the end of a list it is computed on the device, for whole batches.

    Args:
        mean: of R, G and B, from 0 to 1.
        std: likewise, above 0.

    Attributes:
        normalize: the transform of Pet.
    """

    def __init__(self, mean: Sequence[float] = (0.5, 0.5, 0.5), std: Sequence[float] = (0.5, 0.5, 0.5)) -> None:
        self.normalize = normalize.Normalize(mean=mean, std=std)
        super().__init__(self.normalize)


class InitMask:
    """Labels that are painted, as 0 and 255, become 0 and 1, and of three equal channels one stays.

    It is what the class of this name in the notebook is for, which turns every value above 0 into 1; this one can keep a value that
    does not count.

    Args:
        ignore: the value of pixels that do not count, which become 255; None: there is none.
    """

    def __init__(self, ignore: int | None = None) -> None:
        self._init_mask = label_values.InitMask(ignore=ignore)

    def __call__(self, im: np.ndarray, label: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """Return ``(im,)``, or with a label ``(im, label)``, the label uint8 (H, W)."""
        if label is None:
            return (im,)
        return im, self._init_mask({"semseg": label}, generator_of_global_state())["semseg"]


def one_gray(name: str, values: float | Sequence[float]) -> float:
    """Return the gray value that a number, or several equal ones, mean.

    Raises:
        ConfigError: they differ.
    """
    given = list(values) if isinstance(values, Sequence) else [values]
    if not given or any(value != given[0] for value in given):
        raise ConfigError(f"{name}: im_padding_value: {values} given, one gray value for all channels expected")
    return float(given[0])


def height_width(name: str, size: Sequence[int]) -> list[int]:
    """Return [height, width] for (width, height).

    Raises:
        ConfigError: there are not two positive whole numbers.
    """
    if not isinstance(size, Sequence) or len(size) != 2 or not all(isinstance(value, int) and value > 0 for value in size):
        raise ConfigError(f"{name}: {size!r} given, (width, height) in pixels expected, e.g. (512, 512)")
    return [size[1], size[0]]
