"""Lists of transforms, pixels as a network takes them, and painted labels, under PaddleSeg's names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.compat.paddleseg.transforms.base import Transform
from pet.data.files.images import read_image
from pet.data.files.label_images import read_label_image
from pet.data.transforms import label_values, normalize
from petlib.data.seeding import generator_of_global_state
from petlib.errors import ConfigError


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
