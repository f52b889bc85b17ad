import torch

from petlib.events.storage import EventStorage


def test_a_window_gives_means_and_begins_anew() -> None:
    storage = EventStorage()
    for value in (1.0, 3.0):
        losses = {"loss_a": torch.tensor(value), "loss_b": torch.tensor(2 * value)}
        storage.put_losses(losses, total=torch.tensor(3 * value))
        storage.put_metrics({"acc1": torch.tensor(value / 4)})
    assert storage.totals().tolist() == [3.0, 9.0]
    assert storage.latest_losses() == {"loss_a": 3.0, "loss_b": 6.0}
    losses_mean, metrics_mean = storage.flush()
    assert losses_mean == {"total_loss": 6.0, "loss_a": 2.0, "loss_b": 4.0}
    assert metrics_mean == {"acc1": 0.5}
    assert storage.flush() == ({}, {})
    assert storage.totals().numel() == 0


def test_a_single_loss_needs_no_total() -> None:
    storage = EventStorage()
    storage.put_losses({"loss": torch.tensor(2.0)}, total=torch.tensor(2.0))
    assert storage.flush() == ({"loss": 2.0}, {})


def test_graphs_are_not_kept() -> None:
    storage = EventStorage()
    weight = torch.ones(1, requires_grad=True)
    loss = (weight * 2).sum()
    storage.put_losses({"loss": loss}, total=loss)
    assert not storage.totals().requires_grad


def test_half_precision_losses_are_averaged_in_double() -> None:
    storage = EventStorage()
    for _ in range(1000):
        storage.put_losses({"loss": torch.tensor(1.0078125, dtype=torch.bfloat16)}, total=torch.tensor(0.0))
    assert storage.flush()[0]["loss"] == 1.0078125
