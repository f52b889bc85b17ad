"""Losses, metrics and predictions from logits."""

import pytest
import torch
from torch.nn import functional

from pet.models.classification import ClassificationHead

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, 3.0, 1.0], [1.0, 1.5, 0.0], [0.2, 0.1, 0.0]])
LABELS = torch.tensor([0, 1, 0, 2])


def test_training_gives_loss_and_accuracy() -> None:
    outputs = ClassificationHead(num_classes=3)(LOGITS, {"label": LABELS})
    torch.testing.assert_close(outputs["losses"]["loss_cls"], functional.cross_entropy(LOGITS, LABELS))
    assert outputs["metrics"]["acc1"].item() == 0.5


def test_labels_are_smoothed() -> None:
    outputs = ClassificationHead(num_classes=3, label_smoothing=0.2)(LOGITS, {"label": LABELS})
    torch.testing.assert_close(outputs["losses"]["loss_cls"], functional.cross_entropy(LOGITS, LABELS, label_smoothing=0.2))


def test_class_weights_of_mixup_take_the_place_of_labels() -> None:
    weights = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.4, 0.6], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    outputs = ClassificationHead(num_classes=3)(LOGITS, {"label_weights": weights})
    expected = -(weights * LOGITS.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(outputs["losses"]["loss_cls"], expected)
    assert outputs["metrics"]["acc1"].item() == 0.25


def test_metrics_can_be_left_out() -> None:
    assert ClassificationHead(num_classes=3, with_metrics=False)(LOGITS, {"label": LABELS})["metrics"] == {}


def test_evaluation_gives_one_prediction_for_each_sample() -> None:
    predictions = ClassificationHead(num_classes=3).eval()(LOGITS.bfloat16(), {})
    assert len(predictions) == 4
    assert predictions[1]["logits"].dtype == torch.float32
    assert torch.equal(predictions[1]["logits"], LOGITS[1])


def test_predictions_are_views_of_the_logits() -> None:
    logits = LOGITS.clone()
    predictions = ClassificationHead(num_classes=3).eval()(logits, {})
    logits[2, 0] = 9.0
    assert predictions[2]["logits"][0] == 9.0


@pytest.mark.parametrize("shape", [(4, 2), (4, 3, 1, 1)])
def test_logits_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"logits of shape \(B, 3\) expected"):
        ClassificationHead(num_classes=3)(torch.zeros(shape), {"label": LABELS})
