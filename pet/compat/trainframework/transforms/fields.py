"""The ``results`` that a data set hands to its transforms, and what they hold.

``results`` is a dictionary. These keys have a meaning, every other one passes through:

- ``img``: an image, (H, W, C) or (H, W), uint8, uint16, float32 or float64; 8-bit colours are RGB.
- ``img_shape``: (height, width) of the images now, ``ori_shape``: before the transforms.
- ``img_fields``: names of the fields that hold images, which move together; ``["img"]`` where it is missing.
- ``color_fields``: names of those among them whose colours change; ``["img"]`` where it is missing.
- ``interpolation``: OpenCV's name for some of ``img_fields``, ``{"gt": "INTER_NEAREST"}``, or one for all; instead of a transform's.
- ``mask_fields``: names of fields with a label for each pixel, (H, W) uint8 or uint16; no labels are mixed.
- ``bbox_fields``: names of fields with boxes, (N, 4), left, top, right and bottom in pixels; pixel i covers [i, i + 1).
- ``keypoint_fields``: names of fields with points, (..., K, 2) x and y in pixels, or (..., K, 3) with a visibility.
- ``keypoint_swap``: K places; point i of a mirrored image is point ``keypoint_swap[i]`` of the image (left and right change).
"""

from typing import Any

import numpy as np

from pet.compat.shared.moving import described
from petlib.errors import DataError
from petlib.suggest import did_you_mean

Results = dict[str, Any]

IMAGE_DTYPES = ("uint8", "uint16", "float32", "float64")
MASK_DTYPES = ("uint8", "uint16")


def images_of(results: Results, key: str, *, asker: str) -> dict[str, np.ndarray]:
    """Return the images that ``results[key]`` names; without that key ``img``.

    Args:
        results: see the module.
        key: ``"img_fields"`` or ``"color_fields"``.
        asker: who wants them, for messages.

    Raises:
        DataError: a field is missing, or is no image.
    """
    images = listed(results, key if key in results else None, asker=asker)
    for name, image in images.items():
        if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or image.dtype.name not in IMAGE_DTYPES:
            raise DataError(
                f"{asker}: the field {name!r} is {described(image)}; an image (height, width, channels) of {', '.join(IMAGE_DTYPES)} "
                "expected"
            )
    return images


def listed(results: Results, key: str | None, *, asker: str) -> dict[str, Any]:
    """Return the fields that ``results[key]`` names, ``img`` for no key; nothing where the key is missing.

    Raises:
        DataError: ``results[key]`` is no list of names, or a name is none of a field.
    """
    names = ["img"] if key is None else results.get(key, [])
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{asker}: {key} is {names!r}, a list of names expected, e.g. ['img']")
    for name in names:
        if name not in results:
            said = f"{key} names {name!r}, which" if key else f"{name!r}"
            fields = [str(field) for field in results]
            raise DataError(f"{asker}: {said} is not in results{did_you_mean(name, fields)} (it has {', '.join(fields) or 'nothing'})")
    return {name: results[name] for name in names}


def size_of(array: np.ndarray) -> tuple[int, int]:
    """Return (height, width) of an image or a mask."""
    return array.shape[0], array.shape[1]
