"""Learned weights of losses."""

import math

import pytest
import torch

from pet.losses.uncertainty import UncertaintyWeighting


def test_losses_are_weighed_as_fairmot_does() -> None:
    weighting = UncertaintyWeighting({"box": -1.85, "identity": -1.05})
    losses = {"box": {"loss_heatmap": torch.tensor(2.0), "loss_size": torch.tensor(1.0)}, "identity": {"loss_identity": torch.tensor(5.0)}}
    weighed = weighting(losses)
    assert list(weighed) == ["loss_heatmap", "loss_size", "loss_identity", "loss_uncertainty"]
    expected = 0.5 * (math.exp(1.85) * 3 + math.exp(1.05) * 5 - 1.85 - 1.05)
    assert sum(weighed.values()).item() == pytest.approx(expected, rel=1e-6)


def test_the_weights_settle_where_the_loss_is_the_variance() -> None:
    weighting = UncertaintyWeighting({"box": 0.0})
    optimizer = torch.optim.SGD(weighting.parameters(), lr=0.3)
    for _ in range(200):
        optimizer.zero_grad()
        sum(weighting({"box": {"loss": torch.tensor(4.0)}}).values()).backward()
        optimizer.step()
    assert weighting.log_variances["box"].item() == pytest.approx(math.log(4), abs=1e-3)
