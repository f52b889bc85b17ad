"""Lovasz losses against segmentation-models-pytorch, which holds the code of the paper's author, and hand calculations."""

import math

import pytest
import torch
from segmentation_models_pytorch.losses import LovaszLoss
from torch import Tensor

from pet.losses.pixels import LovaszHingeLoss, LovaszSoftmaxLoss
from pet.losses.pixels.base import foreground_logits
from petlib.errors import ConfigError


def make_batch(channels: int, classes: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(channels)
    logits = torch.randn(3, channels, 8, 9, generator=generator) * 2
    labels = torch.randint(0, classes, (3, 8, 9), generator=generator)
    return logits, labels.masked_fill(torch.rand(3, 8, 9, generator=generator) < 0.2, 255)


def gradient(loss: torch.nn.Module, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, labels)
    value.backward()
    assert logits.grad is not None
    return value.detach(), logits.grad


@pytest.mark.parametrize("per_image", [False, True])
def test_hinge_is_that_of_the_reference(per_image: bool) -> None:
    logits, labels = make_batch(1, 2)
    expected = gradient(LovaszLoss("binary", per_image=per_image, ignore_index=255), logits, labels)
    torch.testing.assert_close(gradient(LovaszHingeLoss(per_image=per_image), logits, labels), expected)


def test_softmax_is_that_of_the_reference() -> None:
    logits, labels = make_batch(5, 3)
    expected = gradient(LovaszLoss("multiclass", ignore_index=255), logits, labels)
    torch.testing.assert_close(gradient(LovaszSoftmaxLoss(), logits, labels), expected)


def test_the_logit_of_two_classes() -> None:
    logits = torch.tensor([0.1, 0.9]).log().reshape(1, 2, 1, 1)
    assert foreground_logits(logits).item() == pytest.approx(math.log(0.9 / 0.1))
    assert foreground_logits(logits).item() == pytest.approx(2.197, abs=5e-4)
    # taken for foreground with p = 0.9: no error where it is, an error of 1 + 2.197 where it is not
    assert LovaszHingeLoss()(logits, torch.ones(1, 1, 1)).item() == 0.0
    assert LovaszHingeLoss()(logits, torch.zeros(1, 1, 1)).item() == pytest.approx(3.197, abs=5e-4)


def test_hinge_of_two_classes_is_that_of_the_one_channel_between_them() -> None:
    logits, labels = make_batch(2, 2)
    one = logits[:, 1:] - logits[:, :1]
    torch.testing.assert_close(LovaszHingeLoss()(logits, labels), LovaszHingeLoss()(one, labels))


def test_hinge_by_hand() -> None:
    # errors 0.5 (foreground), 3 (background), -1 (foreground), 1.5 (ignored): taken in the order 3, 0.5
    logits = torch.tensor([0.5, 2.0, 2.0, 0.5]).reshape(1, 1, 1, 4)
    labels = torch.tensor([[[1, 0, 1, 255]]], dtype=torch.uint8)
    # the intersection over union is 2/3 after the first mistake and 1/3 after the second
    assert LovaszHingeLoss()(logits, labels).item() == pytest.approx(3 * (1 - 2 / 3) + 0.5 * (2 / 3 - 1 / 3))


def test_an_image_without_foreground_costs_its_worst_error() -> None:
    logits = torch.tensor([-0.5, 1.0, -3.0]).reshape(1, 1, 1, 3)
    assert LovaszHingeLoss()(logits, torch.zeros(1, 1, 3)).item() == pytest.approx(2.0)


def test_softmax_by_hand() -> None:
    probabilities = torch.tensor([[0.6, 0.3, 0.1], [0.5, 0.2, 0.3]])
    logits = probabilities.log().T.reshape(1, 3, 1, 2)
    labels = torch.tensor([[[0, 1]]])
    # class 0: errors 0.5 (outside), 0.4 (inside); class 1: 0.8 (inside), 0.3 (outside); class 2: 0.3, 0.1 (both outside)
    present = [0.5 * (1 - 1 / 2) + 0.4 * (1 / 2 - 0), 0.8 * 1 + 0.3 * 0]
    assert LovaszSoftmaxLoss()(logits, labels).item() == pytest.approx(sum(present) / 2)
    assert LovaszSoftmaxLoss(classes="all")(logits, labels).item() == pytest.approx((sum(present) + 0.3) / 3)


def test_softmax_of_one_channel_is_that_of_two_classes() -> None:
    logits, labels = make_batch(1, 2)
    two = torch.cat([torch.zeros_like(logits), logits], dim=1)
    torch.testing.assert_close(LovaszSoftmaxLoss()(logits, labels), LovaszSoftmaxLoss()(two, labels))


def test_many_pixels_lose_no_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 1, 512, 512, generator=generator)
    labels = torch.randint(0, 2, (1, 512, 512), generator=generator)
    errors = (1 - logits.double() * (2 * labels - 1)).flatten()
    errors, order = errors.sort(descending=True)
    truth = labels.flatten()[order].double()
    jaccard = 1 - (truth.sum() - truth.cumsum(0)) / (truth.sum() + (1 - truth).cumsum(0))
    expected = (errors.clamp(min=0) * jaccard.diff(prepend=torch.zeros(1))).sum()
    assert LovaszHingeLoss()(logits, labels).item() == pytest.approx(expected.item(), rel=1e-6)


def test_what_they_do_not_take_is_reported() -> None:
    with pytest.raises(ConfigError, match="LovaszHingeLoss: the network has 3 classes; one channel or two classes expected"):
        LovaszHingeLoss()(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2))
    with pytest.raises(ConfigError, match="LovaszSoftmaxLoss: classes: 'presents' given, present or all expected; did you mean present?"):
        LovaszSoftmaxLoss(classes="presents")
