from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from petlib.engine.state import Batch, BatchStream, TrainState
from petlib.engine.step import TARGET_COUNTS, DefaultStep
from petlib.events.storage import WindowMeans
from petlib.solver.optimizers import GradientClipper
from petlib.solver.precision import MixedPrecision

CPU = torch.device("cpu")


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 2)

    def forward(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        output = self.layer(batch["x"])
        return {
            "losses": {"loss_square": output.float().pow(2).mean(), "loss_mean": output.float().mean()},
            "metrics": {"rows": torch.tensor(float(len(output)))},
        }


def make_state(model: nn.Module) -> TrainState:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return TrainState(
        model=model,
        optimizers={"main": optimizer},
        schedulers={},
        max_iter=1,
        iterations_per_epoch=1,
        checkpointer=None,  # type: ignore[arg-type]  # nothing is saved here
    )


def make_step(**changes: Any) -> DefaultStep:
    values: dict[str, Any] = {
        "accumulation": 1,
        "clipper": None,
        "precision": MixedPrecision(enabled=False, dtype="bf16", device=CPU),
        "metrics": True,
    }
    return DefaultStep(**{**values, **changes})


def means_of(state: TrainState) -> WindowMeans:
    state.storage.end_window()
    return state.storage.flush(0.0)[0][0]


def rows(count: int, seed: int = 1) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


def run(step: DefaultStep, batches: list[Tensor], model: nn.Module | None = None) -> tuple[TrainState, list[str]]:
    state, calls = make_state(model or Model()), []
    stream: Iterator[Batch] = ({"x": batch} for batch in batches)
    step(state, BatchStream(stream), lambda state: calls.append("after_backward"))
    return state, calls


def test_an_iteration_is_one_step_of_gradient_descent() -> None:
    x = rows(8)
    reference = Model()
    output = reference.layer(x)
    (output.pow(2).mean() + output.mean()).backward()
    state, calls = run(make_step(), [x])
    expected = reference.layer.weight - 0.5 * reference.layer.weight.grad
    torch.testing.assert_close(state.model.layer.weight, expected)
    assert calls == ["after_backward"]
    losses, metrics = means_of(state)
    assert list(losses) == ["total_loss", "loss_square", "loss_mean"]
    assert losses["total_loss"] == pytest.approx(losses["loss_square"] + losses["loss_mean"])
    assert metrics == {"rows": 8.0}


def test_accumulation_equals_one_large_batch() -> None:
    x = rows(12)
    whole, _ = run(make_step(), [x])
    parts, calls = run(make_step(accumulation=3), [x[:4], x[4:8], x[8:]])
    torch.testing.assert_close(parts.model.layer.weight, whole.model.layer.weight)
    assert calls == ["after_backward"]
    assert means_of(parts).total == pytest.approx(means_of(whole).total, rel=1e-6)


class Counting(Model):
    """Its loss is a mean over the rows that begin above 0, of all parts of a step."""

    def count_targets(self, batch: Batch) -> Tensor:
        return torch.tensor([float((batch["x"][:, 0] > 0).sum()), len(batch["x"])])

    def forward(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        counts = batch[TARGET_COUNTS] if TARGET_COUNTS in batch else self.count_targets(batch)[None]
        positive = batch["x"][batch["x"][:, 0] > 0]
        return {"losses": {"loss": self.layer(positive).square().sum() / counts[:, 0].mean()}, "metrics": {}}


def test_a_network_that_divides_by_the_targets_of_all_parts_gets_their_counts() -> None:
    x = rows(12)
    whole, _ = run(make_step(), [x], Counting())
    parts, calls = run(make_step(accumulation=3), [x[:4], x[4:8], x[8:]], Counting())
    torch.testing.assert_close(parts.model.layer.weight, whole.model.layer.weight)
    assert calls == ["after_backward"]
    assert means_of(parts).total == pytest.approx(means_of(whole).total, rel=1e-6)


def test_gradients_are_clipped_before_the_update() -> None:
    before = torch.cat([parameter.detach().flatten() for parameter in Model().parameters()])
    state, _ = run(make_step(clipper=GradientClipper(method="norm", value=0.01)), [rows(8)])
    after = torch.cat([parameter.detach().flatten() for parameter in state.model.parameters()])
    assert (after - before).norm().item() == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_low_precision_is_used_in_the_forward_pass() -> None:
    dtypes = []

    class Watching(Model):
        def forward(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
            dtypes.append(self.layer(batch["x"]).dtype)
            return super().forward(batch)

    state, _ = run(make_step(precision=MixedPrecision(enabled=True, dtype="bf16", device=CPU)), [rows(8)], Watching())
    assert dtypes == [torch.bfloat16]
    assert state.model.layer.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"loss": torch.tensor(1.0)}, r"this one returned \['loss'\]"),
        (torch.tensor(1.0), r"this one returned Tensor"),
        ({"losses": {}, "metrics": {}}, r"returned no loss"),
        ({"losses": {"a": torch.ones(3)}, "metrics": {}}, r"the loss 'a' is \(3,\): take its mean or sum"),
        ({"losses": {"a": 1.0}, "metrics": {}}, r"the loss 'a' is float"),
    ],
)
def test_a_model_that_returns_no_losses_raises_an_error_that_says_what_is_expected(outputs: Any, message: str) -> None:
    class Wrong(Model):
        def forward(self, batch: Batch) -> Any:
            return outputs

    with pytest.raises(ValueError, match=message):
        run(make_step(), [rows(2)], Wrong())


def test_training_metrics_can_be_left_out() -> None:
    state, _ = run(make_step(metrics=False), [rows(8)])
    assert means_of(state).metrics == {}
