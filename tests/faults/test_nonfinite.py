"""Promise 6: a loss or a gradient that is no finite number never reaches a checkpoint, and does not have to end a run."""

import json
import os
import signal
from typing import Any

import pytest
import torch

from tests.faults.conftest import Happened
from tests.faults.training import LIMIT_SECONDS, Training, assert_same_run, rank_pids

POISON = """
import os
from contextlib import closing

from petlib.data.train_loader import TrainLoader

transformed = TrainLoader._transformed


def poisoned(self, batches, start_iteration, max_iter):
    with closing(transformed(self, batches, start_iteration, max_iter)) as inner:
        for place, batch in enumerate(inner):
            iteration = start_iteration + place // self.accumulation + 1
            if iteration in {iterations} and os.environ.get("RANK", "0") == "{rank}":
                batch["image"] = batch["image"] * float("nan")
            yield batch


TrainLoader._transformed = poisoned
"""


def poison(training: Training, *iterations: int, rank: int = 0) -> str:
    """Return the setting that makes the images of some iterations, counted from 1, NaN on one rank."""
    code = POISON.replace("{iterations}", repr(iterations)).replace("{rank}", str(rank))
    return training.module("poison", code)


def assert_finite(state: dict[str, Any]) -> None:
    for name, value in state["model"].items():
        assert bool(value.isfinite().all()), name


@pytest.mark.fault(6, "a batch of NaN, and the run is to stop")
def test_stop(training: Training, happened: Happened) -> None:
    code, printed = training.run_script(poison(training, 10))
    assert code == 2, printed
    assert "the loss became nan in iteration 10 (learning rate" in printed
    assert "The samples of that iteration: " in printed
    assert "and 120 more (all are in the log)" in printed
    assert "Traceback" not in printed
    saved = training.checkpoint()
    assert saved["iteration"] == 8
    assert_finite(saved)
    happened("exit code 2, iteration and samples named, the checkpoint of iteration 8 is good")


@pytest.mark.fault(6, "two batches of NaN, and they are to be skipped")
def test_skip(training: Training, happened: Happened) -> None:
    code, printed = training.run_script(poison(training, 6, 7), "SOLVER.NONFINITE=skip", "SOLVER.EMA.ENABLED=True")
    assert code == 0, printed
    assert "iteration 6 is not finite; its samples: " in printed
    assert "iteration 7 was left out because of the loss nan; left out so far: 2" in printed
    assert "2 of 24 iterations were left out because they were not finite" in printed
    saved = training.checkpoint()
    assert_finite(saved)
    assert all(bool(value.isfinite().all()) for value in saved["ema"].values())
    assert saved["hooks"]["skipped_steps"] == {"count": 2, "in_a_row": 0}
    records = [json.loads(line) for line in (training.folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["iteration"] for record in records if "lr" in record] == list(range(1, 25))
    happened("left out, named and counted; weights, average and statistics stay finite")


@pytest.mark.nightly
@pytest.mark.fault(6, "a batch of NaN on one of two ranks")
@pytest.mark.parametrize("how", ["stop", "skip", "rollback"])
def test_one_of_two_ranks(training: Training, happened: Happened, how: str) -> None:
    code, printed = training.run(poison(training, 10, rank=1), f"SOLVER.NONFINITE={how}", ranks=2)
    assert code == (2 if how == "stop" else 0), printed
    # whose it was: half of the batch, that of the other rank is good
    assert "iteration 10 is not finite; its samples: " in printed or "the loss became nan in iteration 10" in printed
    assert_finite(training.checkpoint())
    assert training.checkpoint()["iteration"] == (8 if how == "stop" else 24)
    happened(f"both ranks {'stop' if how == 'stop' else 'go on'} in the same way")


@pytest.mark.nightly
@pytest.mark.fault(6, "batches of NaN and kill -9, both skipped over")
@pytest.mark.parametrize("how", ["skip", "rollback"])
def test_the_same_weights_after_a_kill(tmp_path_factory: pytest.TempPathFactory, training: Training, happened: Happened, how: str) -> None:
    settings = (f"SOLVER.NONFINITE={how}", "SOLVER.EMA.ENABLED=True", "SOLVER.OPTIMIZER.NAME=AdamW")
    reference = Training(tmp_path_factory.mktemp("undisturbed"))
    code, printed = reference.run_script(poison(reference, 6, 15), *settings)
    assert code == 0, printed
    bad = poison(training, 6, 15)
    process = training.start(bad, *settings)
    training.wait_for_iteration(18)
    os.kill(rank_pids(process.pid)[0], signal.SIGKILL)
    process.wait(LIMIT_SECONDS)
    code, printed = training.run_script(bad, *settings)
    assert code == 0, printed
    assert_same_run(training.checkpoint(), reference.checkpoint())
    happened("continued to the very weights of a run that was not killed")


@pytest.mark.nightly
@pytest.mark.fault(6, "a run that diverges for good")
@pytest.mark.parametrize(("how", "message"), [("skip", "3 iterations in a row were left out"), ("rollback", "the run went back 2 times")])
def test_the_limit(training: Training, happened: Happened, how: str, message: str) -> None:
    code, printed = training.run_script(poison(training, *range(10, 25)), f"SOLVER.NONFINITE={how}", "SOLVER.NONFINITE_LIMIT=2")
    assert code == 2, printed
    assert f"{message}" in printed
    assert "SOLVER.NONFINITE_LIMIT" in printed
    assert_finite(training.checkpoint())
    happened("exit code 2 after the limit, the checkpoint is good")


@pytest.mark.nightly
@pytest.mark.fault(6, "infinite weights behind a finite loss, and a save that SIGUSR1 asks for")
def test_a_save_that_was_asked_for(training: Training, happened: Happened) -> None:
    code = """
import os, signal

from petlib.engine.step import DefaultStep

step = DefaultStep.__call__


def spoiled(self, state, data, after_backward):
    step(self, state, data, after_backward)
    if state.iteration + 1 == 9:
        os.kill(os.getpid(), signal.SIGUSR1)
        for parameter in state.model.parameters():
            parameter.data.fill_(float("inf"))


DefaultStep.__call__ = spoiled
"""
    status, printed = training.run_script(training.module("spoil", code), "MISC.DISPLAY_ITER=100")
    assert status == 2, printed
    saved = training.checkpoint()
    assert saved["iteration"] == 8
    assert_finite(saved)
    happened("exit code 2, nothing of it is saved")


@pytest.mark.cuda
@pytest.mark.nightly
@pytest.mark.fault(6, "fp16, whose scaler skips at the beginning")
def test_the_skips_of_a_scaler_are_no_alarm(training: Training, happened: Happened) -> None:
    settings = ("SOLVER.AMP.ENABLED=True", "SOLVER.AMP.DTYPE=fp16", "SOLVER.NONFINITE=skip")
    code, printed = training.run_script(*settings)
    assert code == 0, printed
    assert "was left out" not in printed
    assert torch.cuda.is_available()
    happened("no alarm")
