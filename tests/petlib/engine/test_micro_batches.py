import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from petlib.distributed.process_group import rank
from petlib.engine import micro_batches
from petlib.engine.micro_batches import MicroBatchStep, cut
from petlib.engine.skipping import StepGuard
from petlib.engine.state import Batch, BatchStream, TrainState
from petlib.engine.step import DefaultStep
from petlib.errors import ConfigError, DeviceError
from petlib.solver.precision import MixedPrecision
from tests.conftest import RunRanks
from tests.petlib.engine.test_step import Counting, make_state, means_of, rows

PRECISION = MixedPrecision(enabled=False, dtype="bf16", device=torch.device("cpu"))


class Model(nn.Module):
    """A network with dropout and batch norm that runs out of memory where a part has more than ``room`` samples."""

    def __init__(self, *, dropout: float = 0.0, batch_norm: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        norm = nn.BatchNorm1d(3) if batch_norm else nn.Identity()
        self.layers = nn.Sequential(nn.Linear(4, 3), norm, nn.Dropout(dropout), nn.Linear(3, 2))
        self.room = 1000
        self.seen: list[int] = []

    def forward(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        output = self.layers(batch["x"])
        if len(output) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        self.seen.append(len(output))
        return {"losses": {"loss_square": output.pow(2).mean(), "loss_mean": output.mean()}, "metrics": {"rows": output.sum() * 0 + 2}}


class Masked(Model):
    """Its loss is a mean over the rows that count."""

    def forward(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        counted = batch["counted"].float()
        square = self.layers(batch["x"]).pow(2).mean(dim=1)
        return {"losses": {"loss_a": (square * counted).sum() / counted.sum().clamp(min=1), "whole": square.mean()}, "metrics": {}}

    def loss_counts(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss_": batch["counted"].float()}


def make_step(size: int | None, *, accumulation: int = 1, guard: StepGuard | None = None) -> MicroBatchStep:
    return MicroBatchStep(size=size, accumulation=accumulation, clipper=None, precision=PRECISION, metrics=True, guard=guard)


def whole_step(accumulation: int = 1) -> DefaultStep:
    return DefaultStep(accumulation=accumulation, clipper=None, precision=PRECISION, metrics=True)


def run(step: DefaultStep, model: nn.Module, batches: list[Batch]) -> TrainState:
    state = make_state(model)
    stream: Iterator[Batch] = iter(batches)
    data = BatchStream(stream)
    for _ in range(len(batches) // step.accumulation):
        step(state, data, lambda _: None)
        state.iteration += 1
    return state


def weights_of(state: TrainState) -> Tensor:
    return torch.cat([value.detach().flatten().double() for value in state.network.state_dict().values()])


@pytest.mark.parametrize(("size", "parts"), [(8, [8]), (100, [8]), (4, [4, 4]), (3, [2, 3, 3]), (1, [1] * 8)])
def test_parts_give_the_step_of_the_whole_batch(size: int, parts: list[int]) -> None:
    model = Model()
    state, expected = run(make_step(size), model, [{"x": rows(8)}]), run(whole_step(), Model(), [{"x": rows(8)}])
    assert model.seen == parts
    torch.testing.assert_close(weights_of(state), weights_of(expected), rtol=1e-6, atol=1e-7)
    (losses, metrics), (other_losses, other_metrics) = means_of(state), means_of(expected)
    assert losses == pytest.approx(other_losses)
    assert metrics == pytest.approx(other_metrics)


def test_losses_that_are_means_over_something_else_count_by_that() -> None:
    batch = {"x": rows(6), "counted": torch.tensor([1, 0, 0, 1, 1, 1])}
    state, expected = run(make_step(2), Masked(), [batch]), run(whole_step(), Masked(), [batch])
    torch.testing.assert_close(weights_of(state), weights_of(expected), rtol=1e-6, atol=1e-7)
    assert means_of(state)[0] == pytest.approx(means_of(expected)[0])


@pytest.mark.parametrize("accumulation", [1, 2])
def test_networks_that_divide_by_the_targets_of_all_parts_get_those_of_all_parts(accumulation: int) -> None:
    batches = [rows(12), rows(12, seed=2)][:accumulation]
    states = []
    for step in (whole_step(accumulation), make_step(5, accumulation=accumulation)):
        state = make_state(Counting())
        step(state, BatchStream(iter([{"x": batch} for batch in batches])), lambda state: None)
        states.append(state)
    torch.testing.assert_close(states[1].model.layer.weight, states[0].model.layer.weight)
    assert means_of(states[1]).total == pytest.approx(means_of(states[0]).total, rel=1e-6)


def test_each_batch_of_an_accumulation_is_cut() -> None:
    batches: list[Batch] = [{"x": rows(4, seed)} for seed in range(4)]
    model = Model()
    state, expected = run(make_step(2, accumulation=2), model, batches), run(whole_step(2), Model(), batches)
    assert model.seen == [2] * 8
    torch.testing.assert_close(weights_of(state), weights_of(expected), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("guard", [False, True])
def test_out_of_memory_halves_the_part_and_repeats_the_iteration_exactly(guard: bool, caplog: pytest.LogCaptureFixture) -> None:
    batches: list[Batch] = [{"x": rows(8, seed)} for seed in range(4)]

    def train(sizes: list[int], rooms: list[int]) -> tuple[TrainState, list[int]]:
        torch.manual_seed(5)
        model, step = Model(dropout=0.5, batch_norm=True), make_step(sizes[0], guard=StepGuard() if guard else None)
        torch.manual_seed(6)
        state = make_state(model)
        for batch, size, room in zip(batches, sizes, rooms, strict=True):
            model.room = room
            step.size = size or step.size
            step(state, BatchStream(iter([batch])), lambda _: None)
            state.iteration += 1
        return state, model.seen

    with caplog.at_level(logging.INFO):
        state, seen = train([8, 0, 0, 0], [8, 8, 4, 2])
    undisturbed, other = train([8, 8, 4, 2], [8, 8, 8, 8])
    assert seen == other == [8, 8, 4, 4, 2, 2, 2, 2]
    assert torch.equal(weights_of(state), weights_of(undisturbed))
    assert means_of(state) == means_of(undisturbed)
    assert [record.getMessage() for record in caplog.records] == [
        f"iteration {iteration}: out of memory with parts of {size} samples; it is repeated and the run goes on with parts of {size // 2} "
        "(MicroBatchStep.size)"
        for iteration, size in ((3, 8), (4, 4))
    ]


def test_one_sample_that_does_not_fit_is_one_message() -> None:
    model = Model()
    model.room = 0
    with pytest.raises(DeviceError, match=r"^iteration 1: one sample alone does not fit the device, out of memory; take smaller images"):
        run(make_step(2), model, [{"x": rows(4)}])


def test_on_the_cpu_auto_is_the_whole_batch(caplog: pytest.LogCaptureFixture) -> None:
    model = Model()
    with caplog.at_level(logging.INFO):
        run(make_step(None), model, [{"x": rows(8)}, {"x": rows(8)}])
    assert model.seen == [8, 8]
    assert [record.getMessage() for record in caplog.records] == ["MicroBatchStep.size: auto is the whole batch of 8 samples on the CPU"]


def test_on_a_gpu_auto_is_what_fits_with_the_largest_images(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The GPU's memory is pretended: 100 bytes for each row of a part, of which an enlarged one has twice as many."""
    model, step = Model(dropout=0.5, batch_norm=True), make_step(None)

    def peak_of(compute: Callable[[], None], _: torch.device) -> int:
        compute()
        return 100 * model.seen[-1]

    monkeypatch.setattr(micro_batches, "device_of", lambda _: torch.device("cuda"))
    monkeypatch.setattr(micro_batches, "usable_memory", lambda *_: 900)
    monkeypatch.setattr(micro_batches, "peak_of", peak_of)
    data = BatchStream(iter([{"x": rows(8)}]), enlarge=lambda batch: {"x": batch["x"].repeat(2, 1)})
    state = make_state(model)
    torch.manual_seed(3)
    with caplog.at_level(logging.INFO):
        step(state, data, lambda _: None)
    assert model.seen == [4, 8, 4, 4]
    assert [record.getMessage() for record in caplog.records] == [
        "MicroBatchStep.size: auto is 4 of the 8 samples of a device, which take 0.0 GiB with the largest images"
    ]
    other = make_state(Model(dropout=0.5, batch_norm=True))
    torch.manual_seed(3)
    make_step(4)(other, BatchStream(iter([{"x": rows(8)}])), lambda _: None)
    assert torch.equal(weights_of(state), weights_of(other))


def test_a_forward_pass_that_counts_its_calls_is_not_repeated() -> None:
    model = Model()
    model.room, model.can_repeat = 2, False  # type: ignore[assignment]  # a flag of its own
    with pytest.raises(DeviceError, match=r"iteration 1: out of memory on rank 0 with parts of 4 samples; .* MicroBatchStep.size to 2,"):
        run(make_step(4), model, [{"x": rows(4)}])


@pytest.mark.parametrize("odd", [torch.zeros(()), torch.zeros(3), 5])
def test_a_batch_that_cannot_be_cut_is_refused(odd: Any) -> None:
    with pytest.raises(ConfigError, match=r"MicroBatchStep.size: this batch cannot be cut into parts.*x: 4, odd: "):
        cut({"x": rows(4), "odd": odd}, 2)


def test_parts_have_the_same_samples_of_all_fields() -> None:
    batch = {"x": torch.arange(5), "boxes": [torch.full((n, 4), float(n)) for n in range(5)], "meta": [{"n": n} for n in range(5)]}
    parts = cut(batch, 2)
    assert [part["x"].tolist() for part in parts] == [[0], [1, 2], [3, 4]]
    assert [[meta["n"] for meta in part["meta"]] for part in parts] == [[0], [1, 2], [3, 4]]
    assert [[len(boxes) for boxes in part["boxes"]] for part in parts] == [[0], [1, 2], [3, 4]]


def train_two(kind: str, room: int) -> tuple[list[float], list[int]]:
    """Train on two ranks; memory runs out on rank 1 alone, in its second iteration."""
    model = Model()
    wrapped: nn.Module = model if kind == "none" else DistributedDataParallel(model)
    step: DefaultStep = whole_step() if kind == "whole" else make_step(8)
    state = make_state(wrapped)
    for iteration in range(3):
        if iteration == 1 and rank() == 1:
            model.room = room
        step(state, BatchStream(iter([{"x": rows(8, 10 * iteration + rank())}])), lambda _: None)
        state.iteration += 1
    return weights_of(state).tolist(), model.seen


@pytest.mark.parametrize("kind", ["ddp", "none"])
def test_all_ranks_halve_when_one_runs_out(run_ranks: RunRanks, kind: str) -> None:
    (first, seen), (second, other) = run_ranks(train_two, 2, kind, 2)
    assert seen == [8, 8, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    assert other == [8, 2, 2, 2, 2, 2, 2, 2, 2]
    assert (first == second) == (kind == "ddp")
    if kind == "ddp":
        (whole, _), _ = run_ranks(train_two, 2, "whole", 1000)
        assert first == pytest.approx(whole, rel=1e-5, abs=1e-6)
