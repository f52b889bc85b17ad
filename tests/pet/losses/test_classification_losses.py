import math

import pytest
import torch
from torch.nn import functional

from pet.losses.classification import IGNORE_INDEX, cross_entropy


@pytest.fixture
def logits():
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


LABELS = torch.tensor([0, 3, 1, 2, 2, 0])


def test_by_hand():
    logits = torch.tensor([[0.0, math.log(3)], [math.log(4), 0.0]])
    loss = cross_entropy(logits, torch.tensor([1, 1]))
    assert loss.item() == pytest.approx((-math.log(3 / 4) - math.log(1 / 5)) / 2)
    assert loss.shape == ()


def test_smoothing_by_hand():
    logits = torch.tensor([[0.0, math.log(3)]])
    loss = cross_entropy(logits, torch.tensor([1]), label_smoothing=0.2)
    assert loss.item() == pytest.approx(-0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_matches_torch_for_labels_and_for_weights(logits, smoothing):
    expected = functional.cross_entropy(logits, LABELS, label_smoothing=smoothing)
    torch.testing.assert_close(cross_entropy(logits, LABELS, label_smoothing=smoothing), expected)
    one_hot = functional.one_hot(LABELS, 4).float()
    torch.testing.assert_close(cross_entropy(logits, one_hot, label_smoothing=smoothing), expected)


def test_mixed_labels_are_the_mix_of_the_losses(logits):
    first, second = functional.one_hot(LABELS, 4).float(), functional.one_hot(LABELS.flip(0), 4).float()
    mixed = cross_entropy(logits, 0.3 * first + 0.7 * second)
    torch.testing.assert_close(mixed, 0.3 * cross_entropy(logits, LABELS) + 0.7 * cross_entropy(logits, LABELS.flip(0)))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("ignore_index", [IGNORE_INDEX, 255])
def test_ignored_samples_do_not_count(logits, smoothing, ignore_index):
    labels = LABELS.clone()
    labels[[1, 4]] = ignore_index
    kept = [0, 2, 3, 5]
    loss = cross_entropy(logits.requires_grad_(), labels, label_smoothing=smoothing, ignore_index=ignore_index)
    torch.testing.assert_close(loss, cross_entropy(logits[kept], labels[kept], label_smoothing=smoothing))
    loss.backward()
    assert logits.grad[[1, 4]].abs().max() == 0


def test_all_ignored_gives_zero_and_no_gradient(logits):
    loss = cross_entropy(logits.requires_grad_(), torch.full((6,), IGNORE_INDEX))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0


def test_label_maps(logits):
    maps = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(0, 4, (2, 3, 5), generator=torch.Generator().manual_seed(2))
    weights = functional.one_hot(labels, 4).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(cross_entropy(maps, labels), functional.cross_entropy(maps, labels))
    torch.testing.assert_close(cross_entropy(maps, weights), functional.cross_entropy(maps, labels))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_is_computed_in_float32(logits, dtype):
    low = logits.to(dtype)
    assert cross_entropy(low, LABELS).dtype == torch.float32
    torch.testing.assert_close(cross_entropy(low, LABELS), cross_entropy(low.float(), LABELS))
    torch.testing.assert_close(cross_entropy(low, functional.one_hot(LABELS, 4).to(dtype)), cross_entropy(low.float(), LABELS))


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
def test_any_integer_type_is_taken(logits, dtype):
    assert torch.equal(cross_entropy(logits, LABELS.to(dtype)), cross_entropy(logits, LABELS))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_gradients_of_weights(smoothing):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(3, 4, generator=generator, dtype=torch.float64).softmax(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: cross_entropy(a, b, label_smoothing=smoothing), (logits, weights))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (torch.zeros(5, dtype=torch.long), r"logits of shape \(6, 4\) go with class indices of shape \(6,\), not \(5,\)"),
        (torch.zeros(6), r"go with class weights of shape \(6, 4\), not \(6,\)"),
        (torch.zeros(6, 3), r"go with class weights of shape \(6, 4\), not \(6, 3\)"),
    ],
)
def test_shapes_that_do_not_fit(logits, target, message):
    with pytest.raises(ValueError, match=message):
        cross_entropy(logits, target)
