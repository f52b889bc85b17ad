import math

import pytest
import torch

from petlib.events.storage import EventStorage


def test_a_window_gives_means_and_begins_anew() -> None:
    storage = EventStorage()
    for value in (1.0, 3.0):
        losses = {"loss_a": torch.tensor(value), "loss_b": torch.tensor(2 * value)}
        storage.put(losses, {"acc1": torch.tensor(value / 4)}, total=torch.tensor(3 * value))
    assert storage.mean_total() == 6.0
    assert storage.latest_losses() == {"loss_a": 3.0, "loss_b": 6.0}
    losses_mean, metrics_mean = storage.flush()
    assert losses_mean == {"total_loss": 6.0, "loss_a": 2.0, "loss_b": 4.0}
    assert metrics_mean == {"acc1": 0.5}
    assert storage.mean_total() == 6.0
    assert storage.flush() == ({}, {})


def test_a_single_loss_needs_no_total() -> None:
    storage = EventStorage()
    storage.put({"loss": torch.tensor(2.0)}, {}, total=torch.tensor(2.0))
    assert storage.flush() == ({"loss": 2.0}, {})


def test_graphs_are_not_kept() -> None:
    storage = EventStorage()
    weight = torch.ones(1, requires_grad=True)
    loss = (weight * 2).sum()
    storage.put({"loss": loss}, {}, total=loss)
    weight.data.fill_(9.0)
    assert storage.flush()[0] == {"loss": 2.0}


def test_half_precision_losses_are_averaged_in_double() -> None:
    storage = EventStorage()
    for _ in range(1000):
        value = torch.tensor(1.0078125, dtype=torch.bfloat16)
        storage.put({"loss": value}, {}, total=value)
    assert storage.flush()[0]["loss"] == 1.0078125


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_bad_value_shows_in_the_mean(bad: float) -> None:
    storage = EventStorage()
    for value in (1.0, bad, 2.0):
        storage.put({"loss": torch.tensor(value)}, {}, total=torch.tensor(value))
    assert not math.isfinite(storage.mean_total())
    assert storage.latest_losses() == {"loss": 2.0}


def test_values_of_several_types_share_a_window() -> None:
    storage = EventStorage()
    storage.put({"a": torch.tensor(1.5, dtype=torch.bfloat16), "b": torch.tensor(2.0)}, {}, total=torch.tensor(3.5))
    assert storage.flush()[0] == {"total_loss": 3.5, "a": 1.5, "b": 2.0}
