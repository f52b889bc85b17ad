"""Losses of semantic segmentation against torch's own and hand calculation."""

import pytest
import torch
from torch.nn import functional

from pet.losses.pixels.base import pad_labels
from pet.losses.pixels.cross_entropies import pixel_cross_entropy
from pet.models.segmentation.pixels import pixel_accuracy


def test_ignored_pixels_do_not_count() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    labels[0, :2] = 255
    expected = functional.cross_entropy(logits, labels.long(), ignore_index=255)
    torch.testing.assert_close(pixel_cross_entropy(logits, labels), expected)
    changed = logits.clone()
    changed[0, :, :2] = 7.0
    torch.testing.assert_close(pixel_cross_entropy(changed, labels), expected)


def test_a_batch_that_is_all_ignored_gives_zero_and_zero_gradients() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    labels = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    loss = pixel_cross_entropy(logits, labels)
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None and not logits.grad.any()
    assert pixel_accuracy(logits, labels).item() == 0.0


def test_accuracy_by_hand() -> None:
    logits = torch.tensor([[[[1.0, 0.0, 0.0, 5.0]], [[0.0, 1.0, 2.0, 0.0]]]])
    labels = torch.tensor([[[0, 1, 0, 255]]], dtype=torch.uint8)
    assert pixel_accuracy(logits, labels).item() == pytest.approx(2 / 3)


def test_label_images_of_several_sizes_are_padded_with_ignored_pixels() -> None:
    padded = pad_labels([torch.ones(2, 3, dtype=torch.uint8), torch.zeros(4, 1, dtype=torch.uint8)], (4, 4))
    assert padded.dtype == torch.uint8
    assert padded[0].tolist() == [[1, 1, 1, 255], [1, 1, 1, 255], [255] * 4, [255] * 4]
    assert padded[1].tolist() == [[0, 255, 255, 255]] * 4


def test_labels_of_the_size_of_the_batch_stay_as_they_are() -> None:
    labels = torch.zeros(2, 4, 4, dtype=torch.uint8)
    assert pad_labels(labels, (4, 4)) is labels


def test_labels_greater_than_the_batch_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[\(5, 2\)\] do not fit into a batch of \(4, 4\)"):
        pad_labels([torch.zeros(5, 2, dtype=torch.uint8)], (4, 4))


def test_weights_count_pixels_by_their_class() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(1))
    labels[0, 0] = 255
    weights = torch.tensor([0.2, 1.0, 3.0])
    expected = torch.nn.functional.cross_entropy(logits, labels, weight=weights, ignore_index=255)
    torch.testing.assert_close(pixel_cross_entropy(logits, labels, class_weights=weights), expected)
    nothing = pixel_cross_entropy(logits, torch.full_like(labels, 255), class_weights=weights)
    nothing.backward()
    assert nothing.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()
