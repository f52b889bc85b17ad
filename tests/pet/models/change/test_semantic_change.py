"""Four kinds of change: probabilities by hand, dates that change places."""

import pytest
import torch

from pet.models.change.semantic import compose
from pet.models.segmentation.networks import build_network
from petlib.errors import ConfigError

SMALL = {"width": 16, "repeats": 1}


def test_classes_are_composed_as_documented() -> None:
    first, second, changed = (torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (0.8, 0.3, 0.6))
    logits = compose(torch.logit(first), torch.logit(second), torch.logit(changed))
    expected = [0.2 * 0.7 + 0.8 * 0.3 * 0.4, 0.2 * 0.3, 0.8 * 0.7, 0.8 * 0.3 * 0.6]
    torch.testing.assert_close(logits.exp().flatten(), torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(logits.softmax(dim=1), logits.exp())


def test_large_logits_stay_finite() -> None:
    values = torch.tensor([-1e4, 0.0, 1e4])
    first, second, changed = (one.reshape(1, 1, 1, -1) for one in torch.cartesian_prod(values, values, values).T)
    first.requires_grad_()
    logits = compose(first, second, changed)
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert first.grad is not None
    assert torch.isfinite(first.grad).all()


@torch.no_grad()
def test_dates_that_change_places_exchange_new_and_demolished() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.randn(2, 3, 40, 56, generator=generator) for _ in range(2))
    network = build_network("semantic_change", channels=4, args=SMALL).eval()
    (logits,) = network(first, second)
    (swapped,) = network(second, first)
    torch.testing.assert_close(swapped, logits[:, [0, 2, 1, 3]])
    assert not torch.allclose(logits[:, 1], logits[:, 2])


@torch.no_grad()
def test_logits_are_logarithms_of_probabilities() -> None:
    torch.manual_seed(0)
    network = build_network("semantic_change", channels=4, args=SMALL).train()
    for logits in network(torch.randn(2, 3, 33, 65), torch.randn(2, 3, 33, 65)):
        torch.testing.assert_close(logits.exp().sum(dim=1), torch.ones(2, 33, 65))


def test_it_distinguishes_four_classes() -> None:
    message = r"distinguishes 4 classes \(none, new, demolished, rebuilt\), but 2 given; set build_network.channels to 4"
    with pytest.raises(ConfigError, match=message):
        build_network("semantic_change", channels=2)
