"""Dice and soft intersection over union against segmentation-models-pytorch and hand calculations."""

import pytest
import torch
from segmentation_models_pytorch.losses import DiceLoss as ReferenceDiceLoss
from segmentation_models_pytorch.losses import JaccardLoss
from torch import Tensor

from pet.losses.pixels import DiceLoss
from pet.losses.pixels.overlap import SoftIoULoss
from petlib.errors import ConfigError


def make_batch(channels: int, classes: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(channels)
    logits = torch.randn(3, channels, 8, 9, generator=generator) * 2
    labels = torch.randint(0, classes, (3, 8, 9), generator=generator)
    return logits, labels.masked_fill(torch.rand(3, 8, 9, generator=generator) < 0.2, 255)


@pytest.mark.parametrize("smooth", [0.0, 1.0, 10.0])
@pytest.mark.parametrize(("channels", "mode"), [(1, "binary"), (2, "multiclass"), (4, "multiclass")])
def test_dice_is_that_of_the_reference(channels: int, mode: str, smooth: float) -> None:
    logits, labels = make_batch(channels, max(channels, 2))
    # the reference adds its smooth to half of each sum
    reference = ReferenceDiceLoss(mode, smooth=smooth / 2, ignore_index=255)
    torch.testing.assert_close(DiceLoss(smooth=smooth)(logits, labels), reference(logits, labels))
    images = [reference(logits[i : i + 1], labels[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(DiceLoss(smooth=smooth, per_image=True)(logits, labels), torch.stack(images).mean())


@pytest.mark.parametrize("smooth", [0.0, 1.0, 10.0])
@pytest.mark.parametrize(("channels", "mode"), [(1, "binary"), (4, "multiclass")])
def test_soft_iou_is_that_of_the_reference(channels: int, mode: str, smooth: float) -> None:
    logits, labels = make_batch(channels, max(channels, 2))
    labels = labels.where(labels != 255, 0)
    expected = JaccardLoss(mode, smooth=smooth)(logits, labels[:, None] if mode == "binary" else labels)
    torch.testing.assert_close(SoftIoULoss(smooth=smooth)(logits, labels), expected)


def test_one_channel_by_hand() -> None:
    logits = torch.tensor([0.8, 0.4, 0.1]).logit().reshape(1, 1, 1, 3)
    labels = torch.tensor([[[1, 0, 255]]], dtype=torch.uint8)
    assert DiceLoss(smooth=1.0)(logits, labels).item() == pytest.approx(1 - (2 * 0.8 + 1) / (0.8 + 0.4 + 1 + 1))
    assert SoftIoULoss(smooth=1.0)(logits, labels).item() == pytest.approx(1 - (0.8 + 1) / (0.8 + 0.4 + 1 - 0.8 + 1))
    assert SoftIoULoss(smooth=0.0)(logits, labels).item() == pytest.approx(1 - 0.8 / 1.4)


def test_two_classes_are_the_mean_of_both() -> None:
    foreground = torch.tensor([0.8, 0.4])
    logits = torch.stack([1 - foreground, foreground]).log().reshape(1, 2, 1, 2)
    labels = torch.tensor([[[1, 0]]])
    dice = (2 * 0.6 / (0.8 + 1) + 2 * 0.8 / (1.2 + 1)) / 2
    assert DiceLoss(smooth=0.0)(logits, labels).item() == pytest.approx(1 - dice)


def test_a_class_that_is_not_there_counts_by_what_is_taken_for_it() -> None:
    logits = torch.tensor([0.25, 0.75]).logit().reshape(1, 1, 1, 2)
    labels = torch.zeros(1, 1, 2, dtype=torch.uint8)
    assert DiceLoss(smooth=1.0)(logits, labels).item() == pytest.approx(1 - 1 / 2)
    assert SoftIoULoss(smooth=1.0)(logits, labels).item() == pytest.approx(1 - 1 / 2)


def test_ignored_labels_keep_their_value() -> None:
    logits, labels = make_batch(2, 2)
    before = labels.clone()
    for loss in (DiceLoss(), DiceLoss(per_image=True), SoftIoULoss()):
        loss(logits, labels)
        assert torch.equal(labels, before)
        assert (labels == 255).any()


@pytest.mark.parametrize("loss", [DiceLoss, SoftIoULoss])
def test_smooth_below_0_is_reported(loss) -> None:
    with pytest.raises(ConfigError, match=rf"{loss.__name__}: smooth: -0.5 given, a number of at least 0 expected"):
        loss(smooth=-0.5)
