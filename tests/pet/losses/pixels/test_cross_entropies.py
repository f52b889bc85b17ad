"""Losses that look at each pixel for itself against torch, torchvision, segmentation-models-pytorch and hand calculations."""

import math

import pytest
import torch
from segmentation_models_pytorch.losses import FocalLoss as ReferenceFocalLoss
from segmentation_models_pytorch.losses import SoftBCEWithLogitsLoss
from torch import Tensor
from torch.nn import functional

from pet.losses.pixels import BCELoss, CrossEntropyLoss, FocalLoss, OhemCrossEntropyLoss
from petlib.errors import ConfigError


def make_batch(channels: int, classes: int | None = None) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(channels)
    logits = torch.randn(2, channels, 8, 9, generator=generator) * 2
    labels = torch.randint(0, classes or channels, (2, 8, 9), generator=generator)
    return logits, labels.masked_fill(torch.rand(2, 8, 9, generator=generator) < 0.2, 255)


def pixels(*probabilities: float) -> Tensor:
    """Return logits (1, 1, 1, N) of pixels that are foreground with these probabilities."""
    return torch.tensor(probabilities).logit().reshape(1, 1, 1, -1)


def labels_of(*labels: int) -> Tensor:
    return torch.tensor(labels, dtype=torch.uint8).reshape(1, 1, -1)


@pytest.mark.parametrize("weights", [None, [0.2, 1.0, 3.0, 0.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_torch(weights: list[float] | None, smoothing: float) -> None:
    logits, labels = make_batch(4)
    expected = functional.cross_entropy(
        logits, labels, weight=None if weights is None else torch.tensor(weights), label_smoothing=smoothing, ignore_index=255
    )
    torch.testing.assert_close(CrossEntropyLoss(class_weights=weights, label_smoothing=smoothing)(logits, labels), expected)


def test_cross_entropy_of_one_channel_is_that_of_its_sigmoid() -> None:
    logits, labels = pixels(0.9, 0.2, 0.5), labels_of(1, 1, 255)
    assert CrossEntropyLoss()(logits, labels).item() == pytest.approx(-(math.log(0.9) + math.log(0.2)) / 2)
    weighted = CrossEntropyLoss(class_weights=[1.0, 3.0])(pixels(0.9, 0.2), labels_of(1, 0))
    assert weighted.item() == pytest.approx(-(3 * math.log(0.9) + math.log(0.8)) / 4, rel=1e-5)


def test_bce_by_hand() -> None:
    logits, labels = pixels(0.9, 0.2, 0.7), labels_of(1, 0, 255)
    assert BCELoss()(logits, labels).item() == pytest.approx(-(math.log(0.9) + math.log(0.8)) / 2)
    assert BCELoss(positive_weight=5.0)(logits, labels).item() == pytest.approx(-(5 * math.log(0.9) + math.log(0.8)) / 2, rel=1e-5)


def test_bce_of_one_channel_is_that_of_the_reference() -> None:
    logits, labels = make_batch(1, classes=2)
    reference = SoftBCEWithLogitsLoss(ignore_index=255, reduction="none", pos_weight=torch.tensor(2.0))
    expected = reference(logits, labels[:, None].float()).sum() / (labels != 255).sum()
    torch.testing.assert_close(BCELoss(positive_weight=2.0)(logits, labels), expected)


def test_bce_of_classes_takes_each_against_all_others() -> None:
    logits, labels = make_batch(3)
    counted = labels != 255
    truth = functional.one_hot(labels[counted], 3).float()
    expected = functional.binary_cross_entropy_with_logits(logits.movedim(1, -1)[counted], truth)
    torch.testing.assert_close(BCELoss()(logits, labels), expected)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, None), (0.0, None), (1.5, 0.25)])
def test_focal_of_one_channel_is_that_of_the_reference(gamma: float, alpha: float | None) -> None:
    logits, labels = make_batch(1, classes=2)
    expected = ReferenceFocalLoss("binary", alpha=alpha, gamma=gamma, ignore_index=255)(logits, labels)
    torch.testing.assert_close(FocalLoss(gamma=gamma, alpha=alpha)(logits, labels), expected)
    two = torch.cat([torch.full_like(logits, 0.5), logits + 0.5], dim=1)
    torch.testing.assert_close(FocalLoss(gamma=gamma, alpha=alpha)(two, labels), expected)


def test_focal_of_classes_by_hand() -> None:
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    logits = probabilities.log().T.reshape(1, 3, 1, 2)
    expected = -(0.3**2 * math.log(0.7) + 0.7**2 * math.log(0.3)) / 2
    assert FocalLoss()(logits, labels_of(0, 1)).item() == pytest.approx(expected, rel=1e-5)
    weighted = -(2.0 * 0.3**2 * math.log(0.7) + 0.5 * 0.7**2 * math.log(0.3)) / 2
    assert FocalLoss(alpha=[2.0, 0.5, 1.0])(logits, labels_of(0, 1)).item() == pytest.approx(weighted, rel=1e-5)


def test_ohem_takes_the_pixels_below_the_threshold() -> None:
    logits, labels = pixels(0.9, 0.6, 0.2, 0.95), labels_of(1, 1, 1, 255)
    expected = -(math.log(0.6) + math.log(0.2)) / 2
    assert OhemCrossEntropyLoss(threshold=0.7, min_kept=0)(logits, labels).item() == pytest.approx(expected, rel=1e-5)
    assert OhemCrossEntropyLoss(threshold=0.7, min_kept=2)(logits, labels).item() == pytest.approx(expected, rel=1e-5)


def test_ohem_takes_a_number_of_pixels_at_least() -> None:
    logits, labels = pixels(0.9, 0.8, 0.75, 0.1), labels_of(1, 1, 1, 255)
    two = -(math.log(0.8) + math.log(0.75)) / 2
    assert OhemCrossEntropyLoss(threshold=0.7, min_kept=2)(logits, labels).item() == pytest.approx(two, rel=1e-5)
    assert OhemCrossEntropyLoss(threshold=0.7, min_kept=0)(logits, labels).item() == 0.0
    every = CrossEntropyLoss()(logits, labels)
    torch.testing.assert_close(OhemCrossEntropyLoss(threshold=0.7, min_kept=100)(logits, labels), every)


def test_ohem_keeps_confident_mistakes_that_underflow() -> None:
    logits = torch.tensor([[[[-200.0, 8.0, 9.0]]]])
    assert OhemCrossEntropyLoss(min_kept=1)(logits, labels_of(1, 1, 1)).item() == pytest.approx(200.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrossEntropyLoss(label_smoothing=1.0), "CrossEntropyLoss: label_smoothing: 1 given, a number from 0 to below 1"),
        (lambda: CrossEntropyLoss(class_weights=[1.0, -1.0]), r"CrossEntropyLoss: \[1.0, -1.0\] given as weights of classes"),
        (lambda: CrossEntropyLoss(class_weights=[0.0, 0.0]), "CrossEntropyLoss: .* not only zeros expected"),
        (lambda: BCELoss(positive_weight=-1.0), "BCELoss: positive_weight: -1 given, a number of at least 0 expected"),
        (lambda: FocalLoss(gamma=-1.0), "FocalLoss: gamma: -1 given, a number of at least 0 expected"),
        (lambda: FocalLoss(alpha=1.5), "FocalLoss: alpha: 1.5 given, a number from 0 to 1 or a list"),
        (lambda: OhemCrossEntropyLoss(threshold=0.0), "OhemCrossEntropyLoss: threshold: 0 given, a probability above 0"),
        (lambda: OhemCrossEntropyLoss(min_kept=-1), "OhemCrossEntropyLoss: min_kept: -1 given"),
    ],
)
def test_arguments_out_of_range_are_reported(make, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_weights_of_another_number_of_classes_are_reported() -> None:
    logits, labels = make_batch(3)
    for loss in (CrossEntropyLoss(class_weights=[1.0, 2.0]), FocalLoss(alpha=0.25)):
        with pytest.raises(ConfigError, match=rf"{type(loss).__name__}: 2 weights of classes given, the network has 3 classes"):
            loss(logits, labels)
