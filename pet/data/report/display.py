"""Samples as pictures show them: three channels of 8 bits, the dates of a pair side by side."""

from typing import Any

import numpy as np

from pet.data.targets.kinds import kinds_in
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
    shown = {**sample, **{kind.name: as_rgb(sample[kind.name]) for kind in kinds_in(sample).pixels}}
    labels = shown.get("semseg")
    if labels is not None and labels.ndim == 3:
        shown["semseg"] = labels[..., 0]
    later = shown.pop("image2", None)
    if later is None:
        return [(title, shown)]
    return [(title, {"image": shown["image"]}), ("second date", {"image": later}), ("labels", {**shown, "image": later})]
