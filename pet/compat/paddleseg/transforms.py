"""Transforms under PaddleSeg's names and with its arguments (https://github.com/PaddlePaddle/PaddleSeg, release 2.3); they are Pet's.

Sizes are (width, height) here, as in PaddleSeg. Lists of them go into :class:`pet.compat.paddleseg.datasets.Dataset`, with transforms of
the user in between, see :mod:`pet.compat.paddleseg.pipeline`.
"""

from collections.abc import Sequence

import numpy as np

from pet.data.targets.dataset import IGNORE
from pet.data.transforms import geometry, label_values, normalize, photometric, rotate, scales
from petlib.data.protocols import SampleTransform
from petlib.data.seeding import generator_of_global_state
from petlib.errors import ConfigError

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
