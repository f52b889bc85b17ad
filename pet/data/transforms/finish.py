"""The last step of a sample with targets, before it joins a batch."""

from collections.abc import Sequence

import numpy as np

from pet.data.targets import TARGET_FIELDS
from petlib.data.protocols import Sample


class FinishTargets:
    """Leaves the image, ``meta`` and the fields of some kinds of targets; instance masks become uint8 (N, H, W).

    Masks are drawn here and not before, so that transforms move a few corners instead of many pixels.

    Args:
        kinds: keys of :data:`pet.data.targets.TARGET_FIELDS`.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self.fields = tuple(field for kind in kinds for field in TARGET_FIELDS[kind])

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample."""
        finished = {"image": sample["image"], **{field: sample[field] for field in self.fields}, "meta": sample["meta"]}
        if "masks" in finished:
            finished["masks"] = finished["masks"].rasterise()
        return finished
