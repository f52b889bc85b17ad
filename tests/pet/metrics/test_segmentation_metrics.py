"""Figures of semantic segmentation against torchmetrics and hand calculation."""

import math

import pytest
import torch
from torchmetrics.functional import classification as reference

from pet.metrics.segmentation import SegmentationMetrics, SegmentationResult, report_lines
from petlib.errors import DataError

CLASSES = 5


def images() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return predictions and label images of several sizes, with ignored pixels; class 4 occurs nowhere."""
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for height, width in ((7, 9), (12, 5), (1, 1), (20, 20)):
        truth = torch.randint(0, 4, (height, width), generator=generator, dtype=torch.uint8)
        noise = torch.randint(0, 4, (height, width), generator=generator, dtype=torch.uint8)
        prediction = torch.where(torch.rand(height, width, generator=generator) < 0.6, truth, noise)
        truth = truth.where(torch.rand(height, width, generator=generator) < 0.9, 255)
        pairs.append((prediction, truth.to(torch.uint8)))
    return pairs


def count() -> SegmentationResult:
    metrics = SegmentationMetrics(CLASSES)
    for prediction, truth in images():
        metrics.update(prediction, truth)
    return metrics.merge()


def test_figures_are_those_of_torchmetrics() -> None:
    result = count()
    prediction = torch.cat([pair[0].flatten() for pair in images()]).long()
    truth = torch.cat([pair[1].flatten() for pair in images()]).long()
    arguments = {"num_classes": CLASSES, "ignore_index": 255}
    matrix = reference.multiclass_confusion_matrix(prediction, truth, **arguments)
    assert torch.equal(result.confusion_matrix, matrix)
    assert result.num_pixels == int((truth != 255).sum())
    known = slice(0, 4)
    for ours, theirs in (
        (result.per_class_iou(), reference.multiclass_jaccard_index(prediction, truth, average=None, **arguments)),
        (result.per_class_accuracy(), reference.multiclass_recall(prediction, truth, average=None, **arguments)),
        (result.per_class_precision(), reference.multiclass_precision(prediction, truth, average=None, **arguments)),
        (result.per_class_f1(), reference.multiclass_f1_score(prediction, truth, average=None, **arguments)),
    ):
        torch.testing.assert_close(ours[known], theirs[known].double(), atol=1e-6, rtol=0)
        assert ours[4].isnan()
    accuracy = reference.multiclass_accuracy(prediction, truth, average="micro", **arguments)
    assert result.pixel_accuracy == pytest.approx(accuracy.item(), abs=1e-6)
    kappa = reference.multiclass_cohen_kappa(prediction, truth, **arguments)
    assert result.kappa == pytest.approx(kappa.item(), abs=1e-6)
    assert result.mean_iou == pytest.approx(float(result.per_class_iou()[known].mean()))
    f1 = reference.multiclass_f1_score(prediction, truth, average="macro", **arguments)
    assert result.mean_f1 == pytest.approx(f1.item(), abs=1e-6)


def test_figures_of_two_classes_are_the_binary_ones_of_torchmetrics() -> None:
    generator = torch.Generator().manual_seed(1)
    prediction, truth = torch.randint(0, 2, (2, 30, 40), generator=generator)
    truth[torch.rand(30, 40, generator=generator) < 0.2] = 255
    metrics = SegmentationMetrics(2)
    metrics.update(prediction.to(torch.uint8), truth.to(torch.uint8))
    figures = metrics.merge().foreground()
    for ours, theirs in (
        (figures.iou, reference.binary_jaccard_index),
        (figures.precision, reference.binary_precision),
        (figures.recall, reference.binary_recall),
        (figures.f1, reference.binary_f1_score),
        (figures.accuracy, reference.binary_accuracy),
    ):
        assert ours == pytest.approx(theirs(prediction, truth, ignore_index=255).item(), abs=1e-6)
    assert metrics.merge().kappa == pytest.approx(reference.binary_cohen_kappa(prediction, truth, ignore_index=255).item(), abs=1e-6)


def test_foreground_by_hand() -> None:
    # class 1: 6 found, 2 missed, 3 wrongly taken for it, of 20 pixels
    result = SegmentationResult(confusion_matrix=torch.tensor([[5, 1, 0], [2, 6, 0], [1, 2, 3]]))
    figures = result.foreground()
    assert (figures.iou, figures.precision, figures.recall) == (6 / 11, 6 / 9, 6 / 8)
    assert figures.f1 == pytest.approx(2 * (6 / 9) * (6 / 8) / (6 / 9 + 6 / 8))
    assert figures.accuracy == 15 / 20
    assert result.foreground(label=2).recall == 3 / 6
    nothing = SegmentationResult(confusion_matrix=torch.tensor([[4, 0], [0, 0]])).foreground()
    assert all(math.isnan(value) for value in (nothing.iou, nothing.precision, nothing.recall, nothing.f1))
    assert nothing.accuracy == 1.0
    never_taken = SegmentationResult(confusion_matrix=torch.tensor([[4, 0], [2, 0]])).foreground()
    assert (never_taken.iou, never_taken.recall, never_taken.f1, math.isnan(never_taken.precision)) == (0.0, 0.0, 0.0, True)
    taken_wrongly = SegmentationResult(confusion_matrix=torch.tensor([[4, 2], [0, 0]])).foreground()
    assert (taken_wrongly.iou, taken_wrongly.precision, math.isnan(taken_wrongly.recall)) == (0.0, 0.0, True)


def test_the_report_has_the_shape_of_the_document() -> None:
    result = SegmentationResult(confusion_matrix=torch.tensor([[3, 1], [2, 4]]))
    assert report_lines(result, 5000) == [
        "[EVAL] #Images: 5000 mIoU: 0.5357 Acc: 0.7000 Kappa: 0.4000",
        "[EVAL] Class IoU:",
        "[0.5    0.5714]",
        "[EVAL] Class Acc:",
        "[0.6 0.8]",
        "[EVAL] Class Precision:",
        "[0.6 0.8]",
        "[EVAL] Class Recall:",
        "[0.75   0.6667]",
        "[EVAL] Class F1:",
        "[0.6667 0.7273]",
    ]


def test_the_report_keeps_many_classes_and_small_values_in_one_line() -> None:
    matrix = torch.eye(1200, dtype=torch.int64)
    matrix[0, 1] = 9999
    matrix[5, 5] = 0
    lines = report_lines(SegmentationResult(confusion_matrix=matrix), 1)
    assert lines[2].startswith("[0.0001 0.0001 1.     1.     1.        nan 1. ")
    assert len(lines[2].strip("[]").split()) == 1200


def test_means_by_hand() -> None:
    metrics = SegmentationMetrics(4)
    # class 0: 2 of 3 found, 1 of class 1 taken for it; class 2 only predicted; class 3 nowhere
    metrics.update(torch.tensor([0, 0, 2, 0, 1]), torch.tensor([0, 0, 0, 1, 1]))
    result = metrics.merge()
    assert result.per_class_iou()[:3].tolist() == [0.5, 0.5, 0.0]
    assert result.mean_iou == pytest.approx(1 / 3)
    assert result.mean_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert result.pixel_accuracy == pytest.approx(3 / 5)


def test_figures_of_no_pixel_are_undefined() -> None:
    metrics = SegmentationMetrics(3)
    metrics.update(torch.zeros(4, 4, dtype=torch.uint8), torch.full((4, 4), 255, dtype=torch.uint8))
    for result in (metrics.merge(), SegmentationMetrics(3).merge()):
        figures = (result.mean_iou, result.pixel_accuracy, result.mean_accuracy, result.kappa, result.mean_f1)
        assert all(math.isnan(value) for value in (*figures, result.foreground().iou, result.foreground().accuracy))


def test_one_class_that_is_right_everywhere_is_perfect_but_not_beyond_chance() -> None:
    metrics = SegmentationMetrics(3)
    metrics.update(torch.ones(4, 4, dtype=torch.uint8), torch.ones(4, 4, dtype=torch.uint8))
    result = metrics.merge()
    assert (result.mean_iou, result.pixel_accuracy, result.mean_accuracy) == (1.0, 1.0, 1.0)
    assert math.isnan(result.kappa)


def test_a_label_outside_of_the_classes_is_reported() -> None:
    metrics = SegmentationMetrics(3)
    metrics.update(torch.zeros(2, 2, dtype=torch.uint8), torch.tensor([[0, 3], [254, 255]], dtype=torch.uint8))
    with pytest.raises(DataError, match=r"2 pixels of the label images have a label outside of 0 to 2 that is not 255"):
        metrics.merge()
    metrics = SegmentationMetrics(3)
    metrics.update(torch.full((2, 2), 7, dtype=torch.uint8), torch.zeros(2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="4 predicted pixels"):
        metrics.merge()


def test_shapes_have_to_be_equal() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and a truth of shape \(3, 2\)"):
        SegmentationMetrics(3).update(torch.zeros(2, 3), torch.zeros(3, 2))
