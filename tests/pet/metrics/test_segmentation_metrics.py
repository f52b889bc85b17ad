"""Figures of semantic segmentation against torchmetrics and hand calculation."""

import pytest
import torch
from torchmetrics.functional import classification as reference

from pet.metrics.segmentation import SegmentationMetrics, SegmentationResult
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


def test_means_by_hand() -> None:
    metrics = SegmentationMetrics(4)
    # class 0: 2 of 3 found, 1 of class 1 taken for it; class 2 only predicted; class 3 nowhere
    metrics.update(torch.tensor([0, 0, 2, 0, 1]), torch.tensor([0, 0, 0, 1, 1]))
    result = metrics.merge()
    assert result.per_class_iou()[:3].tolist() == [0.5, 0.5, 0.0]
    assert result.mean_iou == pytest.approx(1 / 3)
    assert result.mean_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert result.pixel_accuracy == pytest.approx(3 / 5)


def test_no_pixel_gives_zeros() -> None:
    metrics = SegmentationMetrics(3)
    metrics.update(torch.zeros(4, 4, dtype=torch.uint8), torch.full((4, 4), 255, dtype=torch.uint8))
    for result in (metrics.merge(), SegmentationMetrics(3).merge()):
        assert (result.mean_iou, result.pixel_accuracy, result.mean_accuracy, result.kappa) == (0.0, 0.0, 0.0, 0.0)


def test_one_class_that_is_right_everywhere_is_perfect() -> None:
    metrics = SegmentationMetrics(3)
    metrics.update(torch.ones(4, 4, dtype=torch.uint8), torch.ones(4, 4, dtype=torch.uint8))
    result = metrics.merge()
    assert (result.mean_iou, result.pixel_accuracy, result.mean_accuracy, result.kappa) == (1.0, 1.0, 1.0, 1.0)


def test_a_label_outside_of_the_classes_is_told() -> None:
    metrics = SegmentationMetrics(3)
    metrics.update(torch.zeros(2, 2, dtype=torch.uint8), torch.tensor([[0, 3], [254, 255]], dtype=torch.uint8))
    with pytest.raises(DataError, match=r"2 pixels of the label images have a label outside of 0 to 2 that is not 255"):
        metrics.merge()
    metrics = SegmentationMetrics(3)
    metrics.update(torch.full((2, 2), 7, dtype=torch.uint8), torch.zeros(2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="4 predicted pixels"):
        metrics.merge()


def test_shapes_have_to_be_alike() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and a truth of shape \(3, 2\)"):
        SegmentationMetrics(3).update(torch.zeros(2, 3), torch.zeros(3, 2))
