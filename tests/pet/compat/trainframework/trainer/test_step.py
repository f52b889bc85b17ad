from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pet.compat.trainframework.trainer.step import NetworksStep
from petlib.checkpoint.checkpointer import Checkpointer
from petlib.engine.skipping import StepGuard
from petlib.engine.state import BatchStream, TrainState
from petlib.solver.optimizers import GradientClipper


class Duel(nn.Module):
    """``fake = g * x``; g wants ``d * fake`` to be small and d wants it to be great."""

    def __init__(self) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.tensor(2.0))
        self.d = nn.Parameter(torch.tensor(3.0))
        self.rests = ""

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Any]:
        fake = self.g * batch["x"].mean()
        losses = {"g/a": self.d * fake, "g/b": fake, "d": -self.d * fake}
        return {"losses": {name: value for name, value in losses.items() if name.split("/")[0] != self.rests}, "metrics": {}}


def make_state(model: Duel, folder: Any) -> TrainState:
    return TrainState(
        model=model,
        optimizers={name: torch.optim.SGD([getattr(model, name)], lr=0.1) for name in ("g", "d")},
        schedulers={},
        max_iter=1,
        iterations_per_epoch=1,
        checkpointer=Checkpointer(folder),
    )


def batches(*values: float) -> BatchStream:
    stream: Iterator[dict[str, Tensor]] = iter({"x": torch.tensor([value])} for value in values)
    return BatchStream(stream)


def do_step(model: Duel, folder: Any, *values: float, clip: float | None = None, accumulation: int = 1) -> None:
    clippers = {"g": None if clip is None else GradientClipper(method="value", value=clip), "d": None}
    NetworksStep(accumulation=accumulation, clippers=clippers)(make_state(model, folder), batches(*values), lambda _: None)


def test_each_network_learns_from_its_own_losses_at_the_same_weights(tmp_path: Any) -> None:
    model = Duel()
    do_step(model, tmp_path, 1.0)
    # d(3 * 2 + 2)/dg = 3 + 1 and d(-3 * 2)/dd = -2, both at g = 2 and d = 3
    assert [model.g.item(), model.d.item()] == pytest.approx([2 - 0.1 * 4, 3 + 0.1 * 2])


def test_the_gradients_of_the_parts_of_a_batch_are_averaged(tmp_path: Any) -> None:
    model = Duel()
    do_step(model, tmp_path, 1.0, 3.0, accumulation=2)
    assert [model.g.item(), model.d.item()] == pytest.approx([2 - 0.1 * 8, 3 + 0.1 * 4])


def test_each_network_is_clipped_by_itself(tmp_path: Any) -> None:
    model = Duel()
    do_step(model, tmp_path, 1.0, clip=1.5)
    assert [model.g.item(), model.d.item()] == pytest.approx([2 - 0.1 * 1.5, 3 + 0.1 * 2])


def test_a_network_without_losses_rests(tmp_path: Any) -> None:
    model = Duel()
    model.rests = "g"
    do_step(model, tmp_path, 1.0)
    assert [model.g.item(), model.d.item()] == pytest.approx([2.0, 3 + 0.1 * 2])


def test_networks_leave_out_an_iteration_together(tmp_path: Any) -> None:
    model = Duel()
    step = NetworksStep(accumulation=1, clippers={"g": None, "d": None}, guard=StepGuard())
    state, stream = make_state(model, tmp_path), batches(float("nan"), 1.0)
    step(state, stream, lambda _: None)
    assert state.left_out is not None
    assert [model.g.item(), model.d.item()] == [2.0, 3.0]
    assert state.storage.pending_totals() == []
    step(state, stream, lambda _: None)
    assert state.left_out is None
    assert [model.g.item(), model.d.item()] == pytest.approx([2 - 0.1 * 4, 3 + 0.1 * 2])
    assert len(state.storage.pending_totals()) == 1
