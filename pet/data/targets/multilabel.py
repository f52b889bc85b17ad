"""Several classes of a whole image or clip."""

from collections.abc import Iterator

import numpy as np

from pet.data.targets.dataset import Expectation, ImageTruth, sample_name
from pet.data.targets.kind import Fields, Judgement
from pet.data.targets.label import Classes
from pet.data.targets.observation import Found, Observation
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.palette import class_colour
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample
from petlib.errors import DataError


class Multilabel(Classes):
    """The classes that an image or a clip has: ``multilabel``, uint8 (K,), 1 for each of them and 0 for the others."""

    name = "multilabel"
    fields = ("multilabel",)
    whole_image = True
    truth_fields = {"multilabel": "multilabel"}
    layer = 50

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check that there is a 0 or a 1 for each class of the model."""
        values, known = np.asarray(sample["multilabel"]), expected.counts.get(self.name)
        if values.ndim != 1 or not np.isin(values, (0, 1)).all() or (known is not None and len(values) != known):
            count = "each class" if known is None else f"each of {known} classes"
            raise DataError(f"{sample_name(sample)}: multilabel is {values.dtype} {values.shape}, a 0 or a 1 for {count} expected")

    def renumber(self, fields: Fields, table: np.ndarray) -> tuple[Fields, np.ndarray | None]:
        """Return the classes under their new numbers."""
        if "multilabel" not in fields:
            return {}, None
        renumbered = np.zeros(int(table.max()) + 1, np.uint8)
        found = table[np.flatnonzero(fields["multilabel"])]
        renumbered[found[found >= 0]] = 1
        return {"multilabel": renumbered}, None

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Look at the classes."""
        seen.labels = np.flatnonzero(sample["multilabel"]).tolist()
        if not seen.labels:
            yield "a sample is of no class", "", False

    def judge(self, predictions: Fields, sample: Fields, truth: ImageTruth | None, names: TargetNames) -> Judgement | None:
        """Return the mean over the classes of the probability of what is true of each."""
        scores, classes = predictions.get("class_scores"), sample.get("multilabel")
        if scores is None or classes is None:
            return None
        own = np.where(classes > 0, scores, 1 - scores)
        worst = int(own.argmin())
        return Judgement(float(own.mean()), f"least sure of {names.of_class(worst)}: {own[worst]:.0%}")

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Write the classes into the upper left corner."""
        for label in np.flatnonzero(fields["multilabel"]).tolist():
            canvas.labels.add(names.of_class(label), "", (0, 0, canvas.size[1], canvas.size[0]), class_colour(label))
        return {}
