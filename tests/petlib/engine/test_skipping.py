import copy
import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from petlib.distributed.process_group import rank
from petlib.engine.skipping import StepGuard
from petlib.engine.state import Batch, BatchStream, LeftOut, TrainState
from petlib.engine.step import DefaultStep
from petlib.solver.optimizers import GradientClipper
from petlib.solver.precision import MixedPrecision
from tests.conftest import RunRanks

CPU = torch.device("cpu")


class Model(nn.Module):
    """A network with statistics, whose loss is multiplied by the batch's factor."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.BatchNorm1d(4)
        self.layer = nn.Linear(4, 2)

    def forward(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        loss = self.layer(self.norm(batch["x"])).pow(2).mean() * batch.get("factor", 1.0)
        return {"losses": {"loss": loss}, "metrics": {}}


def make_state(model: nn.Module, **changes: Any) -> TrainState:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    values = {"optimizers": {"main": optimizer}, "schedulers": {}, "max_iter": 9, "iterations_per_epoch": 9, "checkpointer": None}
    return TrainState(model=model, **{**values, **changes})


def make_step(*, accumulation: int = 1, method: Literal["norm", "value"] | None = None) -> DefaultStep:
    clipper = None if method is None else GradientClipper(method=method, value=0.5)
    precision = MixedPrecision(enabled=False, dtype="bf16", device=CPU)
    return DefaultStep(accumulation=accumulation, clipper=clipper, precision=precision, metrics=True, guard=StepGuard())


def rows(seed: int, bad: float = 0.0) -> Tensor:
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))
    x[3, 2] += bad
    return x


def run(state: TrainState, step: DefaultStep, batches: list[Batch]) -> list[LeftOut | None]:
    stream, left_out = BatchStream(iter(batches)), []
    for _ in range(len(batches) // step.accumulation):
        step(state, stream, lambda state: None)
        left_out.append(state.left_out)
    return left_out


def parts_of(state: TrainState) -> dict[str, Any]:
    return copy.deepcopy({"model": state.network.state_dict(), "optimizer": state.optimizer.state_dict()})


def assert_equal(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert repr(first["optimizer"]) == repr(second["optimizer"])
    for name, value in first["model"].items():
        assert torch.equal(value, second["model"][name]), name


@pytest.mark.parametrize("method", [None, "norm", "value"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nothing_stays_of_an_iteration_that_is_left_out(bad: float, method: Literal["norm", "value"] | None) -> None:
    meta = [{"index": place} for place in range(8)]
    good: list[Batch] = [{"x": rows(1)}, {"x": rows(2)}]
    state = make_state(Model())
    left_out = run(state, make_step(method=method), [good[0], {"x": rows(3, bad), "meta": meta}, good[1]])
    undisturbed = make_state(Model())
    assert run(undisturbed, make_step(method=method), good) == [None, None]
    assert_equal(parts_of(state), parts_of(undisturbed))
    assert [entry is None for entry in left_out] == [True, False, True]
    assert left_out[1] is not None
    assert left_out[1].samples == meta
    assert not math.isfinite(left_out[1].losses[0])
    assert len(state.storage.pending_totals()) == 2


def test_infinite_gradients_of_a_finite_loss_are_found() -> None:
    class Root(Model):
        def forward(self, batch: Batch) -> Any:
            # the gradient of a root is infinite at 0
            return {"losses": {"loss": (self.layer.weight * 0.0).sum().sqrt()}, "metrics": {}}

    state = make_state(Root())
    before = parts_of(state)
    (left_out,) = run(state, make_step(method="value"), [{"x": rows(1)}])
    assert left_out is not None
    assert left_out.losses == [0.0]
    assert_equal(parts_of(state), before)


def test_one_bad_part_leaves_out_the_whole_step() -> None:
    state = make_state(Model())
    before = parts_of(state)
    (left_out,) = run(state, make_step(accumulation=3), [{"x": rows(1)}, {"x": rows(2, float("nan"))}, {"x": rows(3)}])
    assert left_out is not None
    assert [math.isfinite(loss) for loss in left_out.losses] == [True, False, True]
    assert_equal(parts_of(state), before)


@pytest.mark.parametrize("method", [None, "norm"])
def test_the_skips_of_a_scaler_are_its_own_affair(method: Literal["norm"] | None) -> None:
    """The real scaler of torch, on the CPU, with a scale at which gradients overflow."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    state = make_state(Model(), scaler=scaler)
    before = parts_of(state)
    step = make_step(method=method)
    assert run(state, step, [{"x": rows(1), "factor": 100.0}]) == [None]
    assert scaler.get_scale() == 2.0**126
    assert repr(before["optimizer"]) == repr(parts_of(state)["optimizer"])
    assert len(state.storage.pending_totals()) == 1
    assert run(state, step, [{"x": rows(2), "factor": 1e-6}]) == [None]
    assert parts_of(state)["optimizer"]["state"]


@pytest.mark.parametrize("method", [None, "norm"])
def test_a_loss_that_is_none_is_left_out_with_a_scaler_too(method: Literal["norm"] | None) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    state = make_state(Model(), scaler=scaler)
    step = make_step(method=method)
    run(state, step, [{"x": rows(1)}])
    before = parts_of(state)
    (left_out,) = run(state, step, [{"x": rows(2, float("nan"))}])
    assert left_out is not None
    assert scaler.get_scale() == 1024.0
    assert_equal(parts_of(state), before)
    assert run(state, step, [{"x": rows(3)}]) == [None]


def test_gradients_that_overflow_at_any_scale_are_left_out() -> None:
    class Root(Model):
        def forward(self, batch: Batch) -> Any:
            return {"losses": {"loss": (self.layer.weight * 0.0).sum().sqrt()}, "metrics": {}}

    state = make_state(Root(), scaler=torch.amp.GradScaler("cpu", init_scale=2.0**-8))
    left_out = run(state, make_step(), [{"x": rows(1)} for _ in range(4)])
    assert [entry is None for entry in left_out] == [True, True, True, False]


def leave_out_on_ranks(mode: str) -> tuple[list[bool], list[float]]:
    """Let rank 1 alone have a bad batch in the second of three iterations."""
    model: nn.Module = Model()
    if mode == "ddp":
        model = DistributedDataParallel(model)
    if mode == "fsdp":
        from torch.distributed.fsdp import fully_shard

        model = fully_shard(model)
    state = make_state(model)
    bad = float("nan") if rank() == 1 else 0.0
    left_out = run(state, make_step(), [{"x": rows(rank())}, {"x": rows(2, bad)}, {"x": rows(3 + rank())}])
    weight: Any = state.network.layer.weight
    weight = weight.full_tensor() if hasattr(weight, "full_tensor") else weight
    return [entry is None for entry in left_out], weight.detach().flatten().tolist()


@pytest.mark.parametrize("mode", ["ddp", "fsdp", "none"])
def test_all_ranks_leave_out_the_same(run_ranks: RunRanks, mode: str) -> None:
    (first, weights), (second, other_weights) = run_ranks(leave_out_on_ranks, 2, mode)
    assert first == second == [True, False, True]
    assert all(map(math.isfinite, weights))
    assert weights == other_weights or mode == "none"


@pytest.mark.cuda
def test_a_real_fp16_scaler_is_left_alone() -> None:
    device = torch.device("cuda")
    precision = MixedPrecision(enabled=True, dtype="fp16", device=device)
    assert precision.scaler is not None
    state = make_state(Model().to(device), scaler=precision.scaler)
    step = DefaultStep(accumulation=1, clipper=None, precision=precision, metrics=True, guard=StepGuard())
    overflowing, broken = {"x": rows(1).to(device), "factor": 1e4}, {"x": rows(2, float("nan")).to(device)}
    assert run(state, step, [overflowing]) == [None]
    assert precision.scaler.get_scale() < 2.0**16
    assert run(state, step, [broken]) != [None]
    assert run(state, step, [{"x": rows(3).to(device), "factor": 1e-3}]) == [None]
    assert all(bool(value.isfinite().all()) for value in state.network.state_dict().values())
