"""What every loss of pixels has to do, whatever it measures."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pet.losses.pixels import (
    BCELoss,
    CrossEntropyLoss,
    DiceLoss,
    FocalLoss,
    LovaszHingeLoss,
    LovaszSoftmaxLoss,
    MixedLoss,
    OhemCrossEntropyLoss,
)
from pet.losses.pixels.overlap import SoftIoULoss

LOSSES: dict[str, Callable[[], nn.Module]] = {
    "cross entropy": CrossEntropyLoss,
    "weighted cross entropy": lambda: CrossEntropyLoss(class_weights=[0.5, 2.0], label_smoothing=0.1),
    "bce": BCELoss,
    "weighted bce": lambda: BCELoss(positive_weight=3.0),
    "focal": FocalLoss,
    "steep focal": lambda: FocalLoss(gamma=0.5, alpha=0.25),
    "dice": DiceLoss,
    "dice of images": lambda: DiceLoss(smooth=0.0, per_image=True),
    "soft iou": SoftIoULoss,
    "lovasz hinge": LovaszHingeLoss,
    "lovasz hinge of batches": lambda: LovaszHingeLoss(per_image=False),
    "lovasz softmax": LovaszSoftmaxLoss,
    "lovasz softmax of all": lambda: LovaszSoftmaxLoss(classes="all"),
    "ohem": lambda: OhemCrossEntropyLoss(min_kept=20),
    "mixed": lambda: MixedLoss([BCELoss(), DiceLoss(), LovaszHingeLoss()], [2, 1, 1]),
}


@pytest.fixture(params=LOSSES)
def loss(request: pytest.FixtureRequest) -> nn.Module:
    return LOSSES[request.param]()


@pytest.fixture(params=[1, 2], ids=["one channel", "two classes"])
def batch(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """Return logits and labels of two images in which a fifth of the pixels is ignored."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, request.param, 6, 7, generator=generator) * 2
    labels = torch.randint(0, 2, (2, 6, 7), generator=generator, dtype=torch.uint8)
    return logits, labels.masked_fill(torch.rand(2, 6, 7, generator=generator) < 0.2, 255)


def test_it_is_a_positive_scalar_with_gradients(loss: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    logits, labels = batch
    logits.requires_grad_()
    value = loss(logits, labels)
    value.backward()
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value > 0
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad.any()


def test_ignored_pixels_have_no_part_in_it(loss: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    logits, labels = batch
    ignored = labels == 255
    changed = torch.where(ignored[:, None], 9.0, logits).requires_grad_()
    value = loss(changed, labels)
    torch.testing.assert_close(value, loss(logits, labels))
    value.backward()
    assert changed.grad is not None
    assert not changed.grad.movedim(1, -1)[ignored].any()


def test_without_a_pixel_that_counts_it_is_0(loss: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    logits = batch[0].requires_grad_()
    value = loss(logits, torch.full_like(batch[1], 255))
    value.backward()
    assert value.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_an_image_that_is_ignored_changes_nothing(loss: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    logits, labels = batch
    more = torch.cat([logits, logits[:1] + 1]), torch.cat([labels, torch.full_like(labels[:1], 255)])
    torch.testing.assert_close(loss(*more), loss(logits, labels))


def test_nothing_is_written_into_its_arguments(loss: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    before = batch[0].clone(), batch[1].clone()
    loss(*batch)
    assert torch.equal(batch[0], before[0])
    assert torch.equal(batch[1], before[1])


def test_it_is_computed_in_float32_under_autocast(loss: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    logits, labels = batch[0].bfloat16(), batch[1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(logits, labels)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.float(), labels))


def test_confident_logits_give_finite_gradients(loss: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    for factor in (1e3, -1e3):
        labels = batch[1]
        one = (labels == 1).float()[:, None] * 2 - 1
        logits = (factor * (one if batch[0].shape[1] == 1 else torch.cat([-one, one], dim=1))).requires_grad_()
        value = loss(logits, labels)
        value.backward()
        assert value.isfinite()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


def test_labels_of_any_integer_type_are_taken(loss: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    logits, labels = batch
    assert torch.equal(loss(logits, labels), loss(logits, labels.long()))


@pytest.mark.parametrize("shape", [(2, 6), (2, 1, 6, 7), (2, 7, 6)])
def test_shapes_that_do_not_belong_together_are_reported(loss: nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"logits of shape \(2, 2, 6, 7\) and labels of shape .*; \(B, K, H, W\) and \(B, H, W\) expected"):
        loss(torch.zeros(2, 2, 6, 7), torch.zeros(shape, dtype=torch.uint8))
