"""Samples as pictures show them: three channels of 8 bits, the dates of a pair side by side."""

from typing import Any

import numpy as np

from pet.data.targets.kinds import IMAGE_FIELDS
from petlib.data.protocols import Sample

DARKEST, BRIGHTEST = 2.0, 98.0
"""Percentiles of the values of a deep image that become black and white."""


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W, C) of any type as uint8 (H, W, 3): its first three channels, or the first one as gray.

    Values of other types than uint8 are stretched, all channels alike, so that 2 % of them are black and 2 % white.
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


def side_by_side(title: str, sample: Sample) -> list[tuple[str, dict[str, Any]]]:
    """Return the pictures of a sample with their titles: itself, or of a pair both dates and the second one with the labels."""
    shown = {**sample, **{field: as_rgb(sample[field]) for field in IMAGE_FIELDS if field in sample}}
    if "semseg" in shown and shown["semseg"].ndim == 3:
        shown["semseg"] = shown["semseg"][..., 0]
    if "image2" not in shown:
        return [(title, shown)]
    second = {key: value for key, value in shown.items() if key != "image2"} | {"image": shown["image2"]}
    return [(title, {"image": shown["image"]}), ("second date", {"image": shown["image2"]}), ("labels", second)]
