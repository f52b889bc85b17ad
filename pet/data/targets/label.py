"""The class of a whole image."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from pet.data.targets.dataset import DatasetInfo, Expectation, ImageTruth, sample_name
from pet.data.targets.kind import Fields, Judgement, Kind
from pet.data.targets.numbering import describe_difference, describe_misfit
from pet.data.targets.observation import LABEL_OUTSIDE, Evidence, Found, Observation
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.palette import class_colour
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample
from petlib.errors import DataError

SEVERAL_CLASSES = "equal samples have several classes"
NO_IMAGE = "classes have no image"
ONE_IMAGE = "classes have a single image"
MOST_FILES = 5
"""Files or classes that a finding lists."""


class Classes(Kind):
    """What has classes: whole images, and objects."""

    counted = "classes"
    classifies = True

    def names(self, info: DatasetInfo) -> Sequence[str]:
        """Return the names of the classes."""
        return info.classes

    def count(self, info: DatasetInfo) -> int:
        """Return the number of classes, which need no names."""
        return info.num_classes

    def check_info(self, info: DatasetInfo, expected: Expectation, source: str) -> None:
        """Compare the classes; bare numbers say nothing of the last classes where these have no sample."""
        known = expected.counts.get(self.name)
        if known is None or (info.num_classes <= known if info.numbered else info.num_classes == known):
            return
        if info.numbered and info.first_label:
            first, last = info.first_label, info.num_classes - 1
            raise DataError(
                f"{source} have the labels {first} to {last} and none below, and labels count the classes from 0: subtract {first} from "
                f"every label, or write names of classes for numbers; the model has {known} classes"
            )
        hint = ", or Source.classes to the names of all classes" if self.name in expected.settings and info.classes else ""
        raise DataError(describe_misfit(self, info, expected, source) + hint)

    def compare(self, first: DatasetInfo, second: DatasetInfo) -> str:
        """Return how the classes differ; numbers alone do not differ."""
        same = list(first.classes) == list(second.classes) and first.num_classes == second.num_classes
        if same or (first.numbered and second.numbered):
            return ""
        return f"{describe_difference(first.classes, second.classes)}; set Source.classes to the classes of all"

    def renamed(self, info: DatasetInfo, names: Sequence[str], table: np.ndarray) -> DatasetInfo:
        """Return other names of the classes; those that the data lack get ids in result files that no class of theirs has."""
        own = {int(new): int(number) for number, new in zip(info.category_ids, table, strict=True) if new >= 0}
        free = count(max(info.category_ids, default=0) + 1)
        ids = [own[label] if label in own else next(free) for label in range(len(names))]
        return replace(info, classes=names, num_classes=len(names), numbered=False, category_ids=ids)


class Label(Classes):
    """The class of an image: ``label``, a number from 0."""

    name = "label"
    fields = ("label",)
    whole_image = True
    truth_fields = {"label": "label"}
    layer = 50

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check that the label is one of the classes: on a GPU it would end a training in an unreadable assertion."""
        known = expected.counts.get(self.name)
        if known is not None and not 0 <= int(sample["label"]) < known:
            setting = f"set {expected.settings[self.name]} or " if self.name in expected.settings else ""
            raise DataError(
                f"{sample_name(sample)}: the label {sample['label']} lies outside of 0 to {known - 1}; {setting}correct the label"
            )

    def renumber(self, fields: Fields, table: np.ndarray) -> tuple[Fields, np.ndarray | None]:
        """Return the new label; what is known of an image apart from its pixels has none."""
        return ({"label": int(table[fields["label"]])} if "label" in fields else {}), None

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Look at the class of the image."""
        label, known = int(sample["label"]), expected.counts.get(self.name)
        seen.labels = [label]
        if isinstance(sample.get("image"), np.ndarray):
            seen.digest = hash(sample["image"].tobytes())
        if known is not None and not 0 <= label < known:
            yield LABEL_OUTSIDE, f"label {label}, 0 to {known - 1} expected", True

    def survey(self, seen: Sequence[Observation], info: DatasetInfo) -> Iterator[Found]:
        """Look for samples that are equal and have several classes, and for classes without an image or with a single one."""
        equal: dict[int, list[Observation]] = {}
        for observation in seen:
            if observation.digest:
                equal.setdefault(observation.digest, []).append(observation)
        for group in equal.values():
            if len({label for observation in group for label in observation.labels}) > 1:
                files = tuple(observation.file for observation in group[:MOST_FILES])
                yield SEVERAL_CLASSES, ", ".join(files), False, Evidence(files)
        counts = Counter(label for observation in seen for label in observation.labels)
        for kind, number in ((NO_IMAGE, 0), (ONE_IMAGE, 1)):
            found = [self._name(info, label) for label in range(info.num_classes) if counts[label] == number]
            if found and counts:
                more = ", ..." if len(found) > MOST_FILES else ""
                yield kind, f"{len(found)} of {info.num_classes}: {', '.join(found[:MOST_FILES])}{more}", False

    def _name(self, info: DatasetInfo, label: int) -> str:
        return info.classes[label] if label < len(info.classes) else str(label)

    def judge(self, predictions: Fields, sample: Fields, truth: ImageTruth | None, names: TargetNames) -> Judgement | None:
        """Return the probability of the label."""
        logits, label = predictions.get("logits"), sample.get("label")
        if logits is None or label is None or not 0 <= int(label) < len(logits):
            return None
        probabilities = softmax(logits)
        own, best = float(probabilities[int(label)]), int(probabilities.argmax())
        guess = "" if best == int(label) else f"; taken for {names.of_class(best)} ({probabilities[best]:.0%})"
        return Judgement(own, f"{names.of_class(int(label))}: {own:.0%}{guess}")

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Write the class into the upper left corner."""
        if settings.classes:
            label = int(fields["label"])
            canvas.labels.add(names.of_class(label), "", _whole(canvas), class_colour(label))
        return {}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of classes of which a sample has one, float64 (K,)."""
    shifted: np.ndarray = np.exp(logits.astype(np.float64) - logits.max())
    probabilities: np.ndarray = shifted / shifted.sum()
    return probabilities


def write_most_probable(canvas: Canvas, probabilities: np.ndarray, names: TargetNames, count: int) -> None:
    """Write the most probable classes of an image, with their probabilities (K,), into its upper left corner."""
    for label in np.argsort(-probabilities, kind="stable")[:count]:
        canvas.labels.add(names.of_class(int(label)), f"{probabilities[label]:.2f}", _whole(canvas), class_colour(int(label)))


def _whole(canvas: Canvas) -> tuple[int, int, int, int]:
    return 0, 0, canvas.size[1], canvas.size[0]
