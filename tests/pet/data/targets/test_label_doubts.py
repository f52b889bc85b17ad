import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from pet.data.targets import label_doubts
from pet.data.targets.dataset import ImageTruth
from pet.data.targets.label_doubts import LabelDoubts, doubtful_classes, kinds_of
from pet.data.targets.observation import SamplePlace
from pet.visual.names import TargetNames

NAMES = TargetNames(classes=("cat", "dog"), semseg_classes=("ground", "road"))
PLACE = SamplePlace("pets", 3)


def truth(*boxes: tuple[float, ...], labels: tuple[int, ...], crowd: bool = False) -> ImageTruth:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return ImageTruth(1, "a.jpg", 100, 100, array, np.array(labels), np.full(len(array), crowd), (array[:, 2:] - array[:, :2]).prod(axis=1))


def found(*objects: tuple[tuple[float, ...], int, float]) -> dict[str, np.ndarray]:
    return {
        "boxes": np.array([box for box, _, _ in objects], np.float32).reshape(-1, 4),
        "labels": np.array([label for _, label, _ in objects], np.int64),
        "scores": np.array([score for _, _, score in objects], np.float32),
    }


def doubts_of(objects: ImageTruth, predictions: dict[str, np.ndarray]) -> list[tuple[str, float]]:
    doubts = LabelDoubts(NAMES)
    doubts.look(PLACE, {"meta": {"file": "a.jpg"}}, objects, predictions)
    ranked = doubts.ranked()
    assert all(doubt.finding.samples == (PLACE,) and doubt.finding.place == "a.jpg" for doubt in ranked)
    return [(doubt.finding.kind, round(doubt.score, 2)) for doubt in ranked]


def test_planted_wrong_classes_are_found() -> None:
    """Two in a hundred digits have another label; each is predicted by a model that has not seen it."""
    digits, rng = load_digits(), np.random.default_rng(0)
    flipped = rng.choice(len(digits.target), 36, replace=False)
    labels = digits.target.copy()
    labels[flipped] = (labels[flipped] + rng.integers(1, 10, len(flipped))) % 10
    model = LogisticRegression(max_iter=300)
    probabilities = cross_val_predict(model, digits.data / 16, labels, cv=3, method="predict_proba")
    listed = doubtful_classes(probabilities, labels)
    first = [row for row, _, _ in sorted(listed, key=lambda entry: -entry[2])[: len(flipped)]]
    right = set(first) & set(flipped.tolist())

    assert len(right) / len(first) > 0.75
    assert len({row for row, _, _ in listed} & set(flipped.tolist())) / len(flipped) > 0.9
    suggested = {row: label for row, label, _ in listed}
    assert np.mean([suggested[row] == digits.target[row] for row in right]) > 0.9


def test_classes_are_weighed_by_how_sure_the_model_is_of_each() -> None:
    # a model that is never sure of the second class: 0.4 is much for it
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.45, 0.55]])
    labels = np.array([0, 0, 1, 1, 0])
    assert [(row, label) for row, label, _ in doubtful_classes(probabilities, labels)] == [(3, 0), (4, 1)]
    assert doubtful_classes(probabilities, labels)[1][2] == pytest.approx(0.1)


def test_another_class_and_another_place_of_an_object() -> None:
    box = (10.0, 10.0, 50.0, 50.0)
    assert doubts_of(truth(box, labels=(0,)), found((box, 1, 0.9))) == [(label_doubts.OTHER_CLASS, 0.9)]
    assert doubts_of(truth(box, labels=(0,)), found((box, 1, 0.9), (box, 0, 0.6))) == [(label_doubts.OTHER_CLASS, 0.3)]
    assert doubts_of(truth(box, labels=(0,)), found((box, 0, 0.9))) == []
    shifted = (30.0, 10.0, 70.0, 50.0)
    assert doubts_of(truth(box, labels=(0,)), found((shifted, 0, 0.9))) == [(label_doubts.OTHER_PLACE, 0.6)]


def test_missing_and_superfluous_objects() -> None:
    box, other = (10.0, 10.0, 50.0, 50.0), (60.0, 60.0, 90.0, 90.0)
    both = found((box, 0, 0.9), (other, 1, 0.8))
    assert doubts_of(truth(box, labels=(0,)), both) == [(label_doubts.NO_LABEL, 0.8)]
    assert doubts_of(truth(box, other, labels=(0, 1)), found((box, 0, 0.9))) == [(label_doubts.NOT_FOUND, 0.5)]
    # crowd regions excuse what lies on them
    assert doubts_of(truth(other, labels=(1,), crowd=True), found((other, 1, 0.8))) == []
    # unsure predictions say nothing
    assert doubts_of(truth(labels=()), found((other, 1, 0.4))) == []


def test_the_share_of_doubted_labels_says_whether_the_model_may_judge() -> None:
    box, other, crowd = (10.0, 10.0, 50.0, 50.0), (60.0, 60.0, 90.0, 90.0), (0.0, 0.0, 5.0, 5.0)
    objects = truth(box, other, labels=(0, 1))
    for predictions, share in ((found(), 1.0), (found((box, 0, 0.9)), 0.5), (found((box, 0, 0.9), (other, 1, 0.9), (crowd, 1, 0.9)), 0.0)):
        doubts = LabelDoubts(NAMES)
        doubts.look(PLACE, {"meta": {"file": "a.jpg"}}, objects, predictions)
        assert (doubts.labels, doubts.doubted_share()) == (2, share)
    # a model that learnt nothing: all classes are as probable as any other
    rng, doubts = np.random.default_rng(0), LabelDoubts(NAMES)
    for number in range(300):
        sample = {"label": number % 10, "meta": {"file": f"{number}.jpg"}}
        doubts.look(SamplePlace("digits", number), sample, None, {"logits": rng.normal(0, 0.01, 10)})
    assert doubts.labels == 300 and doubts.doubted_share() > 0.8


def test_label_images_are_compared_away_from_borders() -> None:
    labels = np.zeros((100, 100), np.uint8)
    labels[:, 50:] = 1
    shifted = np.zeros_like(labels)
    shifted[:, 51:] = 1
    wrong = labels.copy()
    wrong[70:, :30] = 1
    for predicted, expected in ((shifted, []), (wrong, [label_doubts.OTHER_PIXELS])):
        doubts = LabelDoubts(NAMES)
        doubts.look(PLACE, {"semseg": labels, "meta": {}}, None, {"semseg": predicted})
        assert [doubt.finding.kind for doubt in doubts.ranked()] == expected
    (doubt,) = doubts.ranked()
    assert doubts.doubted_share() == doubt.score
    assert doubt.score == pytest.approx(900 / (100 * 96), rel=0.01)
    assert doubt.finding.detail == "9.4% of the pixels, mostly ground that is predicted as road"
    assert doubt.finding.evidence.box == (0, 70, 30, 100)
    assert kinds_of([doubt, doubt]) == {label_doubts.OTHER_PIXELS: 2}
