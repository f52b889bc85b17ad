"""The last step of a sample with targets, before it joins a batch."""

from collections.abc import Sequence

import numpy as np

from pet.data.targets.kinds import IMAGE_FIELDS, TARGET_FIELDS
from pet.data.targets.moving import OBJECT_FIELDS, check_label_map
from petlib.data.protocols import Sample
from petlib.errors import DataError


class FinishTargets:
    """Leaves the image or the two of a pair, ``meta`` and the fields of some kinds of targets; instance masks become uint8 (N, H, W).

    Masks are drawn here and not before, so that transforms move a few corners instead of many pixels. An object of whose mask no
    pixel is left, as when a crop has left an empty corner of its box, is dropped from all fields.

    Args:
        kinds: keys of :data:`pet.data.targets.kinds.TARGET_FIELDS`.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self.fields = tuple(field for kind in kinds for field in TARGET_FIELDS[kind])

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample.

        Raises:
            DataError: ``semseg`` has several channels, or the masks would fill the memory.
        """
        check_label_map(sample)
        images = {field: sample[field] for field in IMAGE_FIELDS if field in sample}
        finished = {**images, **{field: sample[field] for field in self.fields}, "meta": sample["meta"]}
        if "masks" in finished:
            try:
                finished["masks"] = finished["masks"].rasterise()
            except DataError as error:
                raise DataError(f"{sample['meta'].get('file', 'a sample')}: {error}") from error
            return _without_empty(finished)
        return finished


def _without_empty(sample: Sample) -> Sample:
    masks = sample["masks"]
    # max takes a third of the time of any
    kept = masks.reshape(len(masks), masks.shape[1] * masks.shape[2]).max(axis=1, initial=0) > 0
    if kept.all():
        return sample
    return {**sample, **{field: sample[field][kept] for field in OBJECT_FIELDS if field in sample}}
