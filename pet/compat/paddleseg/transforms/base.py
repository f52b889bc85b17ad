"""What a transform under PaddleSeg's name is, and the arguments that several of them share."""

from collections.abc import Sequence

import numpy as np

from petlib.data.protocols import SampleTransform
from petlib.data.seeding import generator_of_global_state
from petlib.errors import ConfigError


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
