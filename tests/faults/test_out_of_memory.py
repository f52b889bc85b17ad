"""Promise 11: a device that runs out of memory in the middle of a run does not end it, where ``TRAIN.MICRO_BATCH`` lets parts shrink."""

import pytest

from tests.faults.conftest import Happened
from tests.faults.training import Training

SHRINK = """
import os

import torch

from petlib.engine.step import DefaultStep

forward, calls = DefaultStep._forward, 0


def run_out(self, model, batch):
    global calls
    calls += 1
    if calls > 9 and len(batch["image"]) > {room} and os.environ.get("RANK", "0") == "{rank}":
        raise torch.OutOfMemoryError("out of memory")
    return forward(self, model, batch)


DefaultStep._forward = run_out
"""


@pytest.mark.nightly
@pytest.mark.fault(11, "out of memory in one of the ranks")
@pytest.mark.parametrize("ranks", [1, 2])
def test_the_part_is_halved(training: Training, happened: Happened, ranks: int) -> None:
    whole = 128 // ranks
    code = SHRINK.replace("{room}", str(whole // 2)).replace("{rank}", str(ranks - 1))
    exit_code, printed = training.run(training.module("shrink", code), "TRAIN.MICRO_BATCH=auto", ranks=ranks)
    assert exit_code == 0, printed
    assert f"TRAIN.MICRO_BATCH: auto is the whole batch of {whole} samples on the CPU" in printed
    where = " on rank 1" if ranks == 2 else ""
    expected = (
        f"iteration 10: out of memory{where} with parts of {whole} samples; it is repeated and the run goes on with parts of {whole // 2}"
    )
    assert printed.count(expected) == 1
    assert training.checkpoint()["iteration"] == 24
    happened(f"the run goes on with parts of {whole // 2} on all ranks")


@pytest.mark.nightly
@pytest.mark.fault(11, "not even one sample fits")
def test_one_message(training: Training, happened: Happened) -> None:
    code = SHRINK.replace("{room}", "0").replace("{rank}", "0")
    exit_code, printed = training.run_script(training.module("shrink", code), "TRAIN.MICRO_BATCH=2")
    assert exit_code == 2, printed
    assert "one sample alone does not fit the device, out of memory; take smaller images" in printed
    assert "Traceback" not in printed
    happened("exit code 2 and one message")
