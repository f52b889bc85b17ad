"""The last step of a sample with targets, before it joins a batch."""

from collections.abc import Sequence

import numpy as np

from pet.data.targets.kind import Kind
from pet.data.targets.kinds import find_kind, kinds_in, select_objects
from petlib.data.protocols import Sample


class FinishTargets:
    """Leaves the pixels, ``meta`` and the fields of some kinds of targets, as a batch takes them.

    An object of whose mask no pixel is left, as when a crop has left an empty corner of its box, is dropped from all fields.

    Args:
        kinds: names of :data:`pet.data.targets.kinds.KINDS`.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = [find_kind(kind) for kind in kinds]
        self.fields = tuple(field for kind in self._kinds for field in kind.fields)
        self._finishing = [kind for kind in self._kinds if type(kind).finish is not Kind.finish]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample.

        Raises:
            DataError: ``semseg`` has several channels, or masks would fill the memory.
        """
        finished = {kind.name: sample[kind.name] for kind in kinds_in(sample).pixels}
        finished |= {field: sample[field] for field in self.fields}
        finished["meta"] = sample["meta"]
        for kind in self._finishing:
            fields, kept = kind.finish(finished)
            finished.update(fields)
            if kept is not None:
                finished = select_objects(finished, kept, kind.objects)
        return finished
