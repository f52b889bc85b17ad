"""Pictures: labels over their image, and files."""

from pathlib import Path

import cv2
import numpy as np

from pet.data.report.display import as_rgb
from pet.data.targets.dataset import IGNORE
from pet.data.targets.drawing import draw_predictions
from pet.visual.canvas import LONGEST_EDGE, automatic_scale
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from pet.visual.sheet import add_legend
from petlib.files import temporary_path

BAND = 512
"""Rows that are drawn at once: tinting takes many times the memory of the picture."""

TEXT_SHARE, SMALLEST_TEXT = 52, 14
JPEG_QUALITY = 92


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture, uint8 (H, W, 3), RGB, as the suffix of ``path`` says; nothing half-written stays."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == ".jpg" else []
    done, data = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), parameters)
    assert done, f"{path}: {picture.shape} {picture.dtype} cannot be encoded"
    with temporary_path(path) as temporary:
        temporary.write_bytes(data.tobytes())


class Overlay:
    """A picture of an image with its labels, made from rows as they come. Images above 4,096 pixels are scaled down.

    Args:
        size: (height, width) of the image.
        names: of the classes.
        settings: what is drawn, and how.
    """

    def __init__(self, size: tuple[int, int], *, names: TargetNames, settings: DrawSettings) -> None:
        scale = min(LONGEST_EDGE / max(size), 1.0)
        height, width = (max(round(length * scale), 1) for length in size)
        self._rows, self._columns = _places(height, size[0]), _places(width, size[1])
        self._labels = np.zeros((height, width), np.uint8)
        self._pixels: np.ndarray | None = None
        self._names = names
        self._settings = settings

    def add(self, top: int, pixels: np.ndarray, labels: np.ndarray) -> None:
        """Take rows of the image, (h, W, C), and their labels, uint8 (h, W), from the row ``top`` on."""
        begin, end = np.searchsorted(self._rows, (top, top + len(labels)))
        rows = self._rows[begin:end] - top
        if self._pixels is None:
            self._pixels = np.zeros((*self._labels.shape, 3), pixels.dtype)
        self._pixels[begin:end] = _three_channels(pixels)[rows[:, None], self._columns]
        self._labels[begin:end] = labels[rows[:, None], self._columns]

    def finish(self) -> np.ndarray:
        """Return the picture with its legend, uint8 (h, w, 3), RGB."""
        assert self._pixels is not None, "no rows were added"
        image = _to_8_bits(self._pixels, self._labels != IGNORE)
        scale = self._settings.scale or automatic_scale(self._labels.shape)
        settings = self._settings._replace(legend=False, scale=scale)
        bands = range(0, len(image), BAND)
        parts = [
            draw_predictions(image[top : top + BAND], {"semseg": self._labels[top : top + BAND]}, self._names, settings) for top in bands
        ]
        picture = np.concatenate(parts)
        colours = {int(label): self._names.pixel_class_colour(int(label)) for label in np.unique(self._labels)}
        entries = [(self._names.of_pixel_class(label), colour) for label, colour in colours.items() if colour is not None]
        text_size = max(SMALLEST_TEXT, round(float(np.sqrt(picture.shape[0] * picture.shape[1])) / TEXT_SHARE))
        return add_legend(picture, entries if self._settings.legend else [], text_size)


def _places(count: int, length: int) -> np.ndarray:
    """Return ``count`` pixels at equal distances along an axis."""
    return ((np.arange(count) + 0.5) * length / count).astype(np.int64)


def _three_channels(pixels: np.ndarray) -> np.ndarray:
    """Return the first three bands, or the first one as gray where there are fewer."""
    return pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)


def _to_8_bits(pixels: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return an image as uint8; of more bits, stretched to the values of the pixels that count."""
    if pixels.dtype != np.uint8:
        pixels = np.where(counted[..., None], pixels, np.float32(np.nan))
    return as_rgb(pixels)
