"""Which objects of several images are the same one."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pet.data.targets.dataset import DatasetInfo, Expectation, sample_name
from pet.data.targets.kind import Fields, Kind
from pet.data.targets.observation import Found, Observation
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.palette import class_colour
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample
from petlib.errors import DataError

TWICE = "an identity occurs more than once in an image"
NONE_AT_ALL = "no object has an identity"


class Identities(Kind):
    """``identities``, int64 (N,), of the objects that have boxes: the same number in all images that show an object; -1: none.

    They are numbered from 0 to ``DatasetInfo.num_identities`` - 1 over all sequences of a data set, and of data sets that are joined.
    In predictions they are the numbers of tracks, from 1 on, and ``trails``, an array (N,) of objects, holds where each track
    was, float (T, 2), x and y in pixels of the image, the oldest place first.
    """

    name = "identities"
    fields = ("identities",)
    object_fields = ("identities", "trails")
    objects = "boxes"
    counted = "identities"
    layer = 20

    def count(self, info: DatasetInfo) -> int:
        """Return how many identities there are; they have no names."""
        return info.num_identities

    def compare(self, first: DatasetInfo, second: DatasetInfo) -> str:
        """Return that data sets agree: each has identities of its own."""
        return ""

    def follow(self, fields: dict[str, Any], before: Sequence[DatasetInfo]) -> Fields:
        """Return the identities behind those of the other data sets."""
        own = fields.get("identities")
        return {} if own is None else {"identities": np.where(own >= 0, own + sum(info.num_identities for info in before), own)}

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check that each box has an identity, or -1."""
        identities, known = sample["identities"], expected.counts.get(self.name)
        if len(identities) != len(sample["boxes"]):
            raise DataError(
                f"{sample_name(sample)}: {len(identities)} identities and {len(sample['boxes'])} boxes; one identity a box expected, or -1"
            )
        outside = np.flatnonzero((identities < -1) | (identities >= (np.inf if known is None else known)))
        if len(outside):
            most = "a number from 0 on" if known is None else f"0 to {known - 1}"
            raise DataError(
                f"{sample_name(sample)}: object {outside[0]} has the identity {identities[outside[0]]}, {most} expected, or -1 for none"
            )

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Look for identities that are in two places at once."""
        seen.identities = [int(identity) for identity in sample["identities"]]
        own, counts = np.unique(sample["identities"][sample["identities"] >= 0], return_counts=True)
        for identity, count in zip(own[counts > 1], counts[counts > 1], strict=True):
            yield TWICE, f"identity {identity}: {count} times", False

    def summarise(self, seen: Sequence[Observation]) -> Iterator[Found]:
        """Say where no object of the samples has one: nothing can be learned of them."""
        given = [identity for observation in seen for identity in observation.identities or ()]
        if given and max(given) < 0:
            yield NONE_AT_ALL, f"all {len(given):,} objects of {len(seen):,} images have -1", False

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Draw where tracks were."""
        for identity, trail in zip(fields["identities"], fields.get("trails", ()), strict=False):
            canvas.draw_path(trail, class_colour(int(identity)))
        return {}


def colour_number(fields: Fields, index: int) -> int:
    """Return the number that gives an object its colour: its identity where it has one, else its label."""
    identity = int(fields["identities"][index]) if "identities" in fields else -1
    return identity if identity >= 0 else int(fields["labels"][index])
