"""What the augmentation policies are made of: operations on images, (H, W, 3) uint8, without any randomness.

They do what their namesakes of torchvision and PIL do, except that blends are rounded, not cut off. None writes into
the image that it is given; where nothing changes it may be returned itself.
"""

from typing import NamedTuple

import cv2
import numpy as np

from pet.data.transforms.colour import ColourMap, mean_gray

LEVELS = np.arange(256)


class Canvas(NamedTuple):
    """How a moved image is drawn.

    Attributes:
        interpolation: OpenCV's number of it.
        fill: gray value from 0 to 255 of what lies outside of the image.
    """

    interpolation: int = cv2.INTER_NEAREST
    fill: int = 0


def autocontrast(image: np.ndarray) -> np.ndarray:
    """Stretch each channel to the values from 0 to 255."""
    table = np.empty((256, 3), np.uint8)
    for index, channel in enumerate(cv2.split(image)):
        low, high, _, _ = cv2.minMaxLoc(channel)
        stretched = (LEVELS - low) * (255.0 / (high - low)) if high > low else LEVELS
        table[:, index] = np.clip(stretched, 0, 255)
    return cv2.LUT(image, table[None])


def equalize(image: np.ndarray) -> np.ndarray:
    """Give each channel values that are spread evenly, as PIL counts them."""
    table = np.empty((256, 3), np.uint8)
    for index in range(3):
        counts = cv2.calcHist([image], [index], None, [256], [0, 256]).ravel().astype(np.int64)
        step = (counts.sum() - counts[counts.nonzero()[0][-1]]) // 255
        below = np.cumsum(counts) - counts
        table[:, index] = np.minimum((below + step // 2) // step, 255) if step else LEVELS
    return cv2.LUT(image, table[None])


def invert(image: np.ndarray) -> np.ndarray:
    """Turn every value v into 255 - v."""
    return cv2.bitwise_not(image)


def posterize(image: np.ndarray, bits: int) -> np.ndarray:
    """Keep the highest ``bits`` (0 to 8) of each value."""
    return cv2.LUT(image, (LEVELS & (0xFF << (8 - bits))).astype(np.uint8))


def solarize(image: np.ndarray, threshold: float) -> np.ndarray:
    """Invert the values from ``threshold`` (0 to 256) on."""
    return cv2.LUT(image, np.where(threshold <= LEVELS, 255 - LEVELS, LEVELS).astype(np.uint8))


def solarize_add(image: np.ndarray, addition: float, threshold: float = 128) -> np.ndarray:
    """Add ``addition`` to the values below ``threshold``."""
    return cv2.LUT(image, np.where(threshold > LEVELS, np.clip(LEVELS + addition, 0, 255), LEVELS).astype(np.uint8))


def brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Blend black (factor 0) and the image (factor 1); greater factors go beyond."""
    change = ColourMap()
    change.brighten(factor)
    return change(image)


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Blend the mean gray value (factor 0) and the image (factor 1); greater factors go beyond."""
    change = ColourMap()
    change.change_contrast(factor, mean_gray(image))
    return change(image)


def color(image: np.ndarray, factor: float) -> np.ndarray:
    """Blend the gray image (factor 0) and the image (factor 1); greater factors go beyond."""
    change = ColourMap()
    change.saturate(factor)
    return change(image)


def sharpness(image: np.ndarray, factor: float) -> np.ndarray:
    """Blend a smoothed image (factor 0) and the image (factor 1); greater factors go beyond. The border stays as it is."""
    kernel = np.full((3, 3), 1 / 13, np.float32)
    kernel[1, 1] = 5 / 13
    smooth = image.copy()
    smooth[1:-1, 1:-1] = cv2.filter2D(image, -1, kernel)[1:-1, 1:-1]
    return cv2.addWeighted(image, factor, smooth, 1.0 - factor, 0.0)


def shear_x(image: np.ndarray, slope: float, canvas: Canvas) -> np.ndarray:
    """Move each row to the left by ``slope`` times its distance from the top."""
    return _warp(image, [[1.0, slope, 0.5 * slope], [0.0, 1.0, 0.0]], canvas)


def shear_y(image: np.ndarray, slope: float, canvas: Canvas) -> np.ndarray:
    """Move each column upwards by ``slope`` times its distance from the left."""
    return _warp(image, [[1.0, 0.0, 0.0], [slope, 1.0, 0.5 * slope]], canvas)


def translate_x(image: np.ndarray, pixels: int, canvas: Canvas) -> np.ndarray:
    """Move the image to the right."""
    return _warp(image, [[1.0, 0.0, -pixels], [0.0, 1.0, 0.0]], canvas)


def translate_y(image: np.ndarray, pixels: int, canvas: Canvas) -> np.ndarray:
    """Move the image downwards."""
    return _warp(image, [[1.0, 0.0, 0.0], [0.0, 1.0, -pixels]], canvas)


def rotate(image: np.ndarray, degrees: float, canvas: Canvas) -> np.ndarray:
    """Turn the image counter-clockwise around its centre; the size stays."""
    height, width = image.shape[:2]
    # the other way round: it is used from the turned image to the given one
    backwards = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    return _warp(image, backwards, canvas)


def _warp(image: np.ndarray, backwards: object, canvas: Canvas) -> np.ndarray:
    """Draw at each place what is at ``backwards`` (2, 3) times (x, y, 1)."""
    return cv2.warpAffine(
        image,
        np.asarray(backwards, np.float64),
        (image.shape[1], image.shape[0]),
        flags=canvas.interpolation | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(canvas.fill,) * 3,
    )
