"""The numbers of label images."""

import numpy as np

from pet.data.targets.dataset import IGNORE
from pet.data.transforms.base import check_label
from petlib.data.protocols import Sample

LABEL_FIELDS = ("semseg", "truth_semseg")
"""Labels that move with the image, and those that an evaluation compares as the file has them."""


class InitMask:
    """Labels that are painted, as 0 and 255, become classes: 0 the background and 1 the foreground.

    Every value above 0 is foreground, in any channel where the label image has several (which are equal in a gray image that was
    saved as RGB). Samples without ``semseg`` stay as they are.

    Args:
        ignore: the value of pixels that do not count; they become 255. None: there is none, and 255 is foreground too.
    """

    def __init__(self, *, ignore: int | None = None) -> None:
        self.ignore = None if ignore is None else check_label("InitMask: ignore", ignore)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with ``semseg``, and the ``truth_semseg`` of an evaluation, as uint8 (H, W)."""
        classes = {field: self._classes_of(sample[field]) for field in LABEL_FIELDS if field in sample}
        return {**sample, **classes} if classes else sample

    def _classes_of(self, labels: np.ndarray) -> np.ndarray:
        values = labels if labels.ndim == 2 else labels.max(axis=2)
        classes = (values > 0).astype(np.uint8)
        if self.ignore is not None:
            classes[values == self.ignore] = IGNORE
        return classes
