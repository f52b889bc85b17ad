"""Labels that a trained model doubts: of images, of objects, and of pixels, the most doubtful first."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from pet.data.targets.dataset import IGNORE, ImageTruth
from pet.data.targets.label import softmax
from pet.data.targets.observation import Evidence, Finding, SamplePlace, evidence_of_box
from pet.metrics.box_matching import NOTHING, box_overlaps, match_boxes
from pet.visual.names import TargetNames

OTHER_CLASS_OF_IMAGE = "the model expects another class of the image"
OTHER_CLASS = "the model expects another class of the object"
OTHER_PLACE = "the model finds the object at another place"
NOT_FOUND = "the model finds nothing where an object is labelled"
NO_LABEL = "the model finds an object that has no label"
OTHER_PIXELS = "the model expects other classes of pixels"

CONFIDENT = 0.5
"""Score from which a found object speaks against a label."""

SAME_OBJECT, SAME_PLACE = 0.5, 0.1
"""Intersection over union from which a found object is the labelled one, and from which it may be it, badly placed."""

HARD_SHARE = 0.5
"""An object that is not found may be hard to see: half as doubtful as one that is contradicted."""

BORDER_SHARE = 0.02
"""Of the edge of an image: pixels so near to a border between classes do not count."""


class Doubt(NamedTuple):
    """A label that may be wrong.

    Attributes:
        score: from 0 to 1, the higher the more doubtful; comparable within one kind of label.
        finding: what and where.
    """

    score: float
    finding: Finding


class _LabelledImage(NamedTuple):
    probabilities: np.ndarray
    label: int
    place: SamplePlace
    file: str


class LabelDoubts:
    """Compares labels with predictions, sample by sample, and ranks the doubts when all were seen.

    Args:
        names: what the numbers mean.
        confident: score from which a found object speaks against a label.

    Attributes:
        compared: samples whose labels were compared.
        labels: how many these were: classes of images, objects, label images.
    """

    def __init__(self, names: TargetNames, *, confident: float = CONFIDENT) -> None:
        self._names, self._confident = names, confident
        self._images: list[_LabelledImage] = []
        self._doubts: list[Doubt] = []
        self.compared = self.labels = 0

    def look(self, place: SamplePlace, sample: Mapping[str, Any], truth: ImageTruth | None, predictions: Mapping[str, Any]) -> None:
        """Compare a sample with what the model says of it, in the coordinates of its image."""
        file = str(sample["meta"].get("file", f"sample {place.number}"))
        logits, label = predictions.get("logits"), sample.get("label")
        labels, found = sample.get("semseg"), predictions.get("semseg")
        self.compared += 1
        self.labels += 1
        if logits is not None and label is not None:
            self._images.append(_LabelledImage(softmax(logits), int(label), place, file))
        elif labels is not None and found is not None and labels.shape == found.shape:
            self._doubts += doubts_of_pixels(place, file, labels, found, self._names)
        elif truth is not None and predictions.get("scores") is not None and predictions.get("boxes") is not None:
            self._doubts += self._of_objects(place, file, truth, predictions)
            self.labels += int((~truth.crowd).sum()) - 1
        else:
            self.compared -= 1
            self.labels -= 1

    def ranked(self) -> list[Doubt]:
        """Return the doubts, the greatest first."""
        return sorted([*self._doubts, *self._of_images()], key=lambda doubt: -doubt.score)

    def doubted_share(self) -> float:
        """Return the share of the labels that the model contradicts, of a label image the share of its pixels."""
        doubted = [doubt.score if doubt.finding.kind == OTHER_PIXELS else 1.0 for doubt in self.ranked() if doubt.finding.kind != NO_LABEL]
        return sum(doubted) / max(self.labels, 1)

    def _of_images(self) -> Iterator[Doubt]:
        if not self._images:
            return
        probabilities = np.stack([image.probabilities for image in self._images])
        labels = np.array([image.label for image in self._images])
        for number, suggested, margin in doubtful_classes(probabilities, labels):
            image = self._images[number]
            own = f"labelled {self._names.of_class(image.label)} ({probabilities[number, image.label]:.0%})"
            detail = f"{own}, probably {self._names.of_class(suggested)} ({probabilities[number, suggested]:.0%})"
            yield Doubt(margin, Finding(OTHER_CLASS_OF_IMAGE, image.file, detail, False, samples=(image.place,)))

    def _of_objects(self, place: SamplePlace, file: str, truth: ImageTruth, predictions: Mapping[str, Any]) -> Iterator[Doubt]:
        for kind, score, detail, box in doubts_of_boxes(truth, predictions, self._names, self._confident):
            yield Doubt(score, Finding(kind, file, detail, False, evidence_of_box(box), (place,)))


def doubtful_classes(probabilities: np.ndarray, labels: np.ndarray) -> list[tuple[int, int, float]]:
    """Return sample, likely class and margin of each label that is probably another one, by confident learning.

    A class counts as likely for a sample where its probability is at least the mean of that class among the samples labelled so. Of the
    likely ones the most probable is suggested, where none is likely the most probable of all; the margin is by how much it is more
    probable than the label (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels",
    https://arxiv.org/abs/1911.00068).

    Args:
        probabilities: (N, K).
        labels: int (N,).
    """
    classes = range(probabilities.shape[1])
    thresholds = np.array([probabilities[labels == own, own].mean() if (labels == own).any() else np.inf for own in classes])
    likely = np.where(probabilities >= thresholds, probabilities, -1.0)
    suggested = np.where((likely >= 0).any(axis=1), likely.argmax(axis=1), probabilities.argmax(axis=1))
    rows = np.arange(len(labels))
    margins = probabilities[rows, suggested] - probabilities[rows, labels]
    doubtful = np.flatnonzero((suggested != labels) & (margins > 0))
    return [(int(row), int(suggested[row]), float(margins[row])) for row in doubtful]


def doubts_of_boxes(
    truth: ImageTruth, predictions: Mapping[str, Any], names: TargetNames, confident: float
) -> Iterator[tuple[str, float, str, np.ndarray]]:
    """Yield kind, score, detail and box of the doubts about the objects of an image."""
    boxes, scores, labels = (np.asarray(predictions[name]) for name in ("boxes", "scores", "labels"))
    sure = np.flatnonzero(scores >= confident)
    places = match_boxes(truth.boxes, boxes[sure], scores[sure], ignored=truth.crowd, least=SAME_OBJECT).places
    overlaps = box_overlaps(boxes, truth.boxes)
    explained: set[int] = set()
    for target in np.flatnonzero(~truth.crowd).tolist():
        box, name = truth.boxes[target], names.of_class(int(truth.labels[target]))
        right = scores[(overlaps[:, target] >= SAME_OBJECT) & (labels == truth.labels[target])].max(initial=0.0)
        taken = sure[places == target]
        if len(taken):
            found = int(taken[0])
            if labels[found] != truth.labels[target] and scores[found] > right:
                detail = f"object {target}: labelled {name}, found as {names.of_class(int(labels[found]))} ({scores[found]:.0%})"
                yield OTHER_CLASS, float(scores[found] - right), detail, box
            continue
        free = sure[(places == NOTHING) & (overlaps[sure, target] >= SAME_PLACE) & (labels[sure] == truth.labels[target])]
        if len(free):
            found = int(free[scores[free].argmax()])
            explained.add(found)
            detail = f"object {target}: {name} found ({scores[found]:.0%}) with an overlap of {overlaps[found, target]:.2f} only"
            yield OTHER_PLACE, float(scores[found] * (1 - overlaps[found, target])), detail, box
        else:
            best = scores[overlaps[:, target] >= SAME_OBJECT].max(initial=0.0)
            yield NOT_FOUND, HARD_SHARE * float(1 - best), f"object {target}: {name}", box
    for found in sure[places == NOTHING].tolist():
        if found not in explained and overlaps[found].max(initial=0.0) < SAME_OBJECT:
            yield NO_LABEL, float(scores[found]), f"{names.of_class(int(labels[found]))} ({scores[found]:.0%})", boxes[found]


def doubts_of_pixels(place: SamplePlace, file: str, labels: np.ndarray, found: np.ndarray, names: TargetNames) -> Iterator[Doubt]:
    """Yield a doubt about a label image, by the share of its pixels that are predicted as another class.

    Predictions have no probability of each pixel; they are least sure near borders, so pixels near a border of the labels do not count.
    """
    edge = max(round(BORDER_SHARE * max(labels.shape)), 1)
    kernel = np.ones((2 * edge + 1, 2 * edge + 1), np.uint8)
    inside = cv2.dilate(labels, kernel) == cv2.erode(labels, kernel)
    counts = inside & (labels != IGNORE) & (found != IGNORE)
    wrong = counts & (labels != found)
    if not wrong.any():
        return
    pairs, numbers = np.unique(np.stack([labels[wrong], found[wrong]]), axis=1, return_counts=True)
    own, other = pairs[:, numbers.argmax()].tolist()
    share = float(wrong.sum() / counts.sum())
    detail = f"{share:.1%} of the pixels, mostly {names.of_pixel_class(own)} that is predicted as {names.of_pixel_class(other)}"
    left, top, width, height = cv2.boundingRect(wrong.astype(np.uint8))
    evidence = Evidence(box=(float(left), float(top), float(left + width), float(top + height)))
    yield Doubt(share, Finding(OTHER_PIXELS, file, detail, False, evidence, (place,)))


def kinds_of(doubts: Sequence[Doubt]) -> dict[str, int]:
    """Return how many doubts there are of each kind."""
    kinds = [doubt.finding.kind for doubt in doubts]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
