"""Samples as pictures show them: three channels of 8 bits, the dates of a pair side by side, several on a sheet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.targets.drawing import draw_targets
from pet.data.targets.image import IMAGES
from pet.data.targets.kinds import kinds_in
from pet.data.transforms.views import LOCAL
from pet.visual.canvas import scale_to_fit
from pet.visual.names import TargetNames
from pet.visual.settings import DrawSettings
from pet.visual.sheet import make_sheet
from petlib.data.protocols import Sample

CELL = (400, 480)
"""Height and width of the room of a sample on a sheet, pixels."""

GAP_SHARE = 40
"""Of the width of two views: what lies between them."""

FRAMES = "img1"
"""The folder of the frames in each sequence of MOT."""

DARKEST, BRIGHTEST = 2.0, 98.0
"""Percentiles of the values of a deep image that become black and white."""


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W, C) of any type as uint8 (H, W, 3): its first three channels, or the first one as gray.

    Values of other types than uint8 are stretched, all channels in the same way, so that 2 % of them are black and 2 % white.
    """
    shown = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    if shown.dtype == np.uint8:
        return np.ascontiguousarray(shown)
    finite = shown[np.isfinite(shown)]
    low, high = np.percentile(finite, [DARKEST, BRIGHTEST]) if finite.size else (0.0, 1.0)
    spread = float(high - low) or 1.0
    stretched = (np.nan_to_num(shown.astype(np.float32), nan=float(low)) - low) / spread * 255
    pixels: np.ndarray = np.clip(np.rint(stretched), 0, 255).astype(np.uint8)
    return pixels


def title_of(sample: Sample, index: int) -> str:
    """Return what a picture of a sample is called: its file with the folder that it is in, which may be its class, or its number.

    Frames of a sequence have the sequence's name too.
    """
    file = sample["meta"].get("file")
    if file is None:
        return str(index)
    parts = Path(str(file)).parts
    return "/".join(parts[-3:] if parts[-2:-1] == (FRAMES,) else parts[-2:])


def side_by_side(title: str, sample: Sample) -> list[tuple[str, dict[str, Any]]]:
    """Return the pictures of a sample with their titles: itself, or of a pair both dates and the second one with the labels."""
    kinds = kinds_in(sample).pixels
    shown = {name: value for name, value in sample.items() if name not in {kind.name for kind in kinds}}
    shown["image"], *others = [as_rgb(kind.picture(sample[kind.name])) for kind in kinds]
    labels = shown.get("semseg")
    if labels is not None and labels.ndim == 3:
        shown["semseg"] = labels[..., 0]
    if not others:
        return [(title, shown)]
    later = others[0]
    return [(title, {"image": shown["image"]}), ("second date", {"image": later}), ("labels", {**shown, "image": later})]


def changed_side_by_side(title: str, sample: Sample, original: Sample) -> list[tuple[str, dict[str, Any]]]:
    """Return the pictures of a sample after its transforms; where they made several views of one image, one picture of all of them."""
    if len(kinds_in(sample).pixels) == len(kinds_in(original).pixels):
        return side_by_side(title, sample)
    return [(title, {"image": _views_together(sample), "meta": sample["meta"]})]


def _views_together(sample: Sample) -> np.ndarray:
    """Return the views of an image: the large ones next to each other, small ones in rows below."""
    large = [as_rgb(sample[name]) for name in IMAGES]
    gap = max(sum(view.shape[1] for view in large) // GAP_SHARE, 1)
    rows = [_in_a_row(large, gap)]
    small = [as_rgb(view) for view in sample.get(LOCAL, ())]
    fitting = max((rows[0].shape[1] + gap) // (small[0].shape[1] + gap), 1) if small else 1
    rows += [_in_a_row(small[start : start + fitting], gap) for start in range(0, len(small), fitting)]
    column = _in_a_row([row.transpose(1, 0, 2) for row in rows], gap)
    return np.ascontiguousarray(column.transpose(1, 0, 2))


def _in_a_row(pictures: Sequence[np.ndarray], gap: int) -> np.ndarray:
    """Return pictures (h, w, 3) from left to right on white."""
    width = sum(picture.shape[1] for picture in pictures) + gap * (len(pictures) - 1)
    row = np.full((max(picture.shape[0] for picture in pictures), width, 3), 255, np.uint8)
    left = 0
    for picture in pictures:
        row[: picture.shape[0], left : left + picture.shape[1]] = picture
        left += picture.shape[1] + gap
    return row


def draw_sample_sheet(
    samples: Sequence[tuple[str, Mapping[str, Any], TargetNames]], settings: DrawSettings, *, columns: int = 4, cell: tuple[int, int] = CELL
) -> np.ndarray:
    """Return samples of data sets with their targets drawn, on one sheet, uint8 (H, W, 3).

    Args:
        samples: of each its title, the sample and the names of its targets.
        settings: what is drawn; the size follows from the cells.
        columns: samples of a row.
        cell: (height, width) of the room of each, pixels.
    """
    pictures = []
    for _, sample, names in samples:
        fitting = settings._replace(scale=scale_to_fit(sample["image"].shape[:2], cell))
        pictures.append(draw_targets(sample, names, fitting))
    # a legend below an image may need more room than the cell has
    highest = max([cell[0], *(picture.shape[0] for picture in pictures)])
    return make_sheet(pictures, [title for title, _, _ in samples], columns=columns, cell=(highest, cell[1]))
