from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from petlib.engine.state import Batch, TrainState


class TinyModel(nn.Module):
    """Fits ``y = 3 x`` with one weight and carries a batch norm, as larger models do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        self.norm = nn.BatchNorm1d(1)

    def forward(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        self.norm(batch["x"])
        return {"losses": {"loss": ((self.layer(batch["x"]) - 3 * batch["x"]) ** 2).mean()}, "metrics": {}}


class TinyLoader:
    """Batches that depend on the iteration only."""

    def batches(self, start_iteration: int, max_iter: int) -> Iterator[Batch]:
        for iteration in range(start_iteration, max_iter):
            generator = torch.Generator().manual_seed(iteration)
            yield {"x": torch.randn(8, 1, generator=generator)}


class FakeCheckpointer:
    """Remembers what was saved."""

    def __init__(self) -> None:
        self.saved: list[tuple[int, bool]] = []
        self.components: dict[str, Any] = {}
        self.waits = 0
        self.finished = 0
        self.stalled = False

    def save(self, components: dict[str, Any], *, iteration: int, best: bool = False) -> None:
        self.saved.append((iteration, best))
        self.components = {**components, "hooks": {key: hook.state_dict() for key, hook in components["hooks"].items()}}

    def wait(self, *, patient: bool = False) -> None:
        self.waits += 1

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture
def loader() -> TinyLoader:
    return TinyLoader()


@pytest.fixture
def make_state() -> Callable[..., TrainState]:
    def make(*, max_iter: int, per_epoch: int = 5) -> TrainState:
        torch.manual_seed(0)
        model = TinyModel()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return TrainState(
            model=model,
            optimizers={"main": optimizer},
            schedulers={},
            max_iter=max_iter,
            iterations_per_epoch=per_epoch,
            checkpointer=FakeCheckpointer(),  # type: ignore[arg-type]
        )

    return make


@pytest.fixture
def step() -> Callable[..., None]:
    def plain_step(state: TrainState, data: Iterator[Batch], after_backward: Callable[[TrainState], None]) -> None:
        state.optimizer.zero_grad()
        losses = state.model(next(data))["losses"]
        state.storage.put(losses, {}, total=losses["loss"])
        losses["loss"].backward()
        after_backward(state)
        state.optimizer.step()

    return plain_step
