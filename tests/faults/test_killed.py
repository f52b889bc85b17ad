"""Promise 1: killed at any moment, a run continues to the very weights of an undisturbed one."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.conftest import Happened
from tests.faults.training import Training, assert_same_run, rank_pids


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Training:
    reference = Training(tmp_path_factory.mktemp("undisturbed"))
    code, printed = reference.run_script()
    assert code == 0, printed
    return reference


@pytest.mark.fault(1, "kill -9 of a rank")
def test_a_killed_rank(training: Training, undisturbed: Training, happened: Happened, tmp_path: Path) -> None:
    process = training.start()
    training.wait_for_iteration(10)
    os.kill(rank_pids(process.pid)[0], signal.SIGKILL)
    assert process.wait(30) == 128 + signal.SIGKILL
    code, printed = training.run_script()
    assert code == 0, printed
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    happened("exit code 137, continued, the same weights")
