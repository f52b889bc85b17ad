import math

import pytest
import torch

from petlib.events.storage import EventStorage


def put(storage: EventStorage, value: float) -> None:
    tensor = torch.tensor(value)
    storage.put({"loss": tensor}, {}, total=tensor)


def test_windows_give_means_and_begin_anew() -> None:
    storage = EventStorage()
    for value in (1.0, 3.0):
        losses = {"loss_a": torch.tensor(value), "loss_b": torch.tensor(2 * value)}
        storage.put(losses, {"acc1": torch.tensor(value / 4)}, total=torch.tensor(3 * value))
    assert storage.pending_totals() == [3.0, 9.0]
    storage.end_window()
    assert storage.pending_totals() == [3.0, 9.0]
    put(storage, 5.0)
    storage.end_window()
    means, seconds = storage.flush(0.25)
    assert seconds == 0.25
    assert means[0].losses == {"total_loss": 6.0, "loss_a": 2.0, "loss_b": 4.0}
    assert list(means[0].losses)[0] == "total_loss"
    assert means[0].metrics == {"acc1": 0.5}
    assert means[0].total == 6.0
    assert means[1].losses == {"loss": 5.0}
    assert means[1].metrics == {}
    assert (storage.flushed, storage.flush_count) == (means, 1)
    assert storage.flushed_totals == [3.0, 9.0, 5.0]
    assert storage.pending_totals() == []
    assert storage.flush(0.0) == ([], 0.0)


def test_graphs_are_not_kept() -> None:
    storage = EventStorage()
    weight = torch.ones(1, requires_grad=True)
    loss = (weight * 2).sum()
    storage.put({"loss": loss}, {}, total=loss)
    loss.backward()
    storage.end_window()
    assert storage.flush(0.0)[0][0].losses == {"loss": 2.0}


def test_half_precision_losses_are_averaged_in_double() -> None:
    storage = EventStorage()
    for _ in range(1000):
        value = torch.tensor(1.0078125, dtype=torch.bfloat16)
        storage.put({"loss": value}, {}, total=value)
    storage.end_window()
    assert storage.flush(0.0)[0][0].total == 1.0078125


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_bad_value_shows_in_the_mean(bad: float) -> None:
    storage = EventStorage()
    for value in (1.0, bad, 2.0):
        put(storage, value)
    storage.end_window()
    assert not math.isfinite(storage.flush(0.0)[0][0].total)


def test_values_of_several_types_share_a_window() -> None:
    storage = EventStorage()
    storage.put({"a": torch.tensor(1.5, dtype=torch.bfloat16), "b": torch.tensor(2.0)}, {}, total=torch.tensor(3.5))
    storage.end_window()
    assert storage.flush(0.0)[0][0].losses == {"total_loss": 3.5, "a": 1.5, "b": 2.0}
