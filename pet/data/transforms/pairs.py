"""Samples of two images of the same place."""

from collections.abc import Sequence

import numpy as np

from pet.data.transforms.base import check_label, check_probability
from petlib.data.protocols import Sample
from petlib.errors import ConfigError


class SwapImages:
    """The two dates change places in a share of the samples: what has changed from one to the other has changed back.

    ``meta`` stays as it is.

    Args:
        probability: share of the samples.
        label_pairs: labels of ``semseg`` that change places with the dates, as ``[[1, 2]]`` where 1 is a new building and 2 a
            demolished one; none where a label has no direction.
    """

    def __init__(self, *, probability: float = 0.5, label_pairs: Sequence[Sequence[int]] = ()) -> None:
        self.probability = check_probability("SwapImages: probability", probability)
        self._table = np.arange(256, dtype=np.uint8)
        for pair in label_pairs:
            if len(pair) != 2:
                raise ConfigError(f"SwapImages: label_pairs: {list(pair)} given, two labels expected")
            first, second = (check_label("SwapImages: label_pairs", label) for label in pair)
            self._table[[first, second]] = second, first

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample, its images swapped or as it is.

        Raises:
            ConfigError: it has one image only.
        """
        first, second = sample["image"], sample.get("image2")
        if second is None:
            raise ConfigError("transform SwapImages: the samples have one image, two expected; take it out of TRANSFORMS")
        if rng.random() >= self.probability:
            return sample
        swapped = {**sample, "image": second, "image2": first}
        labels = sample.get("semseg")
        return swapped if labels is None else {**swapped, "semseg": self._table[labels]}
