"""Promise 5: a signal saves and ends within a bounded time, or saves and goes on; twice Ctrl-C ends at once."""

import os
import signal
import time

import pytest

from tests.faults.conftest import Happened
from tests.faults.test_processes import IN_A_RANK, SLEEPS, assert_all_gone
from tests.faults.training import LENGTH, LIMIT_SECONDS, Training, assert_same_run, descendants, rank_pids

TO_ITSELF = """
import os, signal
from petlib.engine.step import DefaultStep

SIGNALS = {5: signal.SIGUSR1, 9: signal.SIGTERM}
step = DefaultStep.__call__

def signalled_step(self, state, data, after_backward):
    if state.iteration in SIGNALS:
        os.kill(os.getpid(), SIGNALS[state.iteration])
    step(self, state, data, after_backward)

DefaultStep.__call__ = signalled_step
"""
LONG_EVALUATION = """
import time
from pathlib import Path
from pet.data.datasets.digits import TEST_COUNT, Digits

read, count = Digits.__getitem__, 0

def slow_read(self, index):
    global count
    if len(self) == TEST_COUNT:
        count += 1
        # the first are those that are looked at before the training
        if count > 48:
            Path("evaluates").touch()
        time.sleep(0.2)
    return read(self, index)

Digits.__getitem__ = slow_read
"""
LONG_STATISTICS = """
import time
from pathlib import Path
from petlib.engine.hooks.precise_bn import PreciseBNHook

until_asked = PreciseBNHook._until_asked_to_end

def slow_batches(self, batches):
    for batch in until_asked(self, batches):
        Path("computes").touch()
        time.sleep(0.5)
        yield batch

PreciseBNHook._until_asked_to_end = slow_batches
"""
EVALUATIONS = ("EVAL.PERIOD_ITER=8", "TEST.IMS_PER_GPU=4")
STATISTICS = ("TEST.PRECISE_BN.ENABLED=True", "TEST.PRECISE_BN.NUM_ITERS=11")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Training:
    reference = Training(tmp_path_factory.mktemp("undisturbed"))
    code, printed = reference.run_script()
    assert code == 0, printed
    return reference


@pytest.fixture(scope="module")
def undisturbed_ranks(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Two ranks, with evaluations and precise batch norm."""
    reference = Training(tmp_path_factory.mktemp("two_ranks"))
    code, printed = reference.run(*EVALUATIONS, *STATISTICS, ranks=2)
    assert code == 0, printed
    return reference


@pytest.mark.fault(5, "SIGUSR1 in iteration 6, SIGTERM in iteration 10")
def test_a_run_saves_within_the_iteration(training: Training, happened: Happened) -> None:
    code, printed = training.run_script(training.module("signals_itself", TO_ITSELF), "SOLVER.SNAPSHOT_ITER=100")
    assert code == 143
    assert "SIGUSR1 received: saved a checkpoint after iteration 6" in printed
    assert "SIGTERM received: saving a checkpoint after iteration 10 and ending" in printed
    saved = sorted(path.name for path in training.folder.glob("model_*.pth"))
    assert saved == ["model_iter10.pth", "model_iter6.pth", "model_latest.pth"]
    assert training.checkpoint()["iteration"] == 10
    happened("checkpoints of iterations 6 and 10, exit code 143")


@pytest.mark.fault(5, "SIGTERM to every process, as Slurm sends it")
def test_a_signal_to_every_process_still_saves(training: Training, undisturbed: Training, happened: Happened) -> None:
    process = training.start("TRAIN.NUM_WORKERS=2")
    training.wait_for_iteration(5)
    processes = [process.pid, *descendants(process.pid)]
    assert len(processes) == 4
    for pid in processes:
        os.kill(pid, signal.SIGTERM)
    assert process.wait(LIMIT_SECONDS) == 128 + signal.SIGTERM
    assert 5 < training.checkpoint()["iteration"] < LENGTH
    code, printed = training.run_script("TRAIN.NUM_WORKERS=1")
    assert code == 0, printed
    assert_same_run(training.checkpoint(), undisturbed.checkpoint())
    happened("exit code 143, continued, the same weights")


@pytest.mark.nightly
@pytest.mark.parametrize("to_launcher", [True, False], ids=["to the launcher", "to one rank"])
@pytest.mark.fault(5, "SIGTERM during an evaluation that takes longer than the grace")
def test_an_evaluation_gives_way(training: Training, undisturbed_ranks: Training, happened: Happened, to_launcher: bool) -> None:
    process = training.start(training.module("long_evaluation", LONG_EVALUATION), *EVALUATIONS, *STATISTICS, ranks=2)
    training.wait_for_file("evaluates")
    started = time.monotonic()
    os.kill(process.pid if to_launcher else rank_pids(process.pid)[1], signal.SIGTERM)
    assert process.wait(LIMIT_SECONDS) == 143
    took = time.monotonic() - started
    assert "the evaluation after iteration 8 is given up" in training.printed()
    saved = training.checkpoint()
    assert (saved["iteration"], saved["hooks"]["evaluation"]["pending"]) == (8, True)
    code, printed = training.run(*EVALUATIONS, *STATISTICS, ranks=2)
    assert code == 0, printed
    # the evaluation was completed: the best value so far and all later ones are those of the undisturbed run
    assert_same_run(training.checkpoint(), undisturbed_ranks.checkpoint())
    assert_same_run(training.checkpoint("model_best.pth"), undisturbed_ranks.checkpoint("model_best.pth"))
    happened(f"exit code 143 {took:.1f} s later, where the evaluation takes 36 s; it was completed later, the same weights")


@pytest.mark.nightly
@pytest.mark.fault(5, "SIGTERM while batch-norm statistics are computed")
def test_batch_norm_statistics_give_way(training: Training, undisturbed_ranks: Training, happened: Happened) -> None:
    process = training.start(training.module("long_statistics", LONG_STATISTICS), *EVALUATIONS, *STATISTICS, ranks=2)
    training.wait_for_file("computes")
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_SECONDS) == 143
    took = time.monotonic() - started
    assert training.checkpoint()["iteration"] == 8
    code, printed = training.run(*EVALUATIONS, *STATISTICS, ranks=2)
    assert code == 0, printed
    assert_same_run(training.checkpoint(), undisturbed_ranks.checkpoint())
    happened(f"exit code 143 {took:.1f} s later; continued, the same weights")


@pytest.mark.nightly
@pytest.mark.parametrize("to_launcher", [True, False], ids=["to the launcher", "to one rank"])
@pytest.mark.fault(5, "SIGUSR1 to a run of two ranks")
def test_all_ranks_save_and_go_on(training: Training, happened: Happened, to_launcher: bool) -> None:
    process = training.start("SOLVER.SNAPSHOT_ITER=100000", "SOLVER.SCHEDULER.TOTAL_ITERS=60", ranks=2)
    training.wait_for_iteration(5)
    os.kill(process.pid if to_launcher else rank_pids(process.pid)[1], signal.SIGUSR1)
    printed = training.wait_for(r"SIGUSR1 received: saved a checkpoint after iteration \d+")
    iteration = int(printed.rpartition(" ")[2])
    assert process.wait(LIMIT_SECONDS) == 0
    assert (training.folder / f"model_iter{iteration}.pth").exists()
    assert training.checkpoint()["iteration"] == 60
    assert (training.folder / "logs" / "train_rank1.log").read_text().count(f"saved a checkpoint after iteration {iteration}\n") == 1
    happened(f"both ranks saved after iteration {iteration}; the run went on to its end")


@pytest.mark.nightly
@pytest.mark.fault(5, "Ctrl-C twice while the ranks hang")
def test_a_second_interrupt_ends_at_once(training: Training, happened: Happened) -> None:
    process = training.start(training.module("hangs", IN_A_RANK + SLEEPS), "TRAIN.NUM_WORKERS=1", ranks=2)
    training.wait_for_file("stopped")
    pids = [process.pid, *descendants(process.pid)]
    process.send_signal(signal.SIGINT)
    training.wait_for("SIGINT: the run saves and ends; once more ends it at once")
    time.sleep(1.0)
    assert process.poll() is None
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT_SECONDS) == 130
    took = time.monotonic() - started
    assert_all_gone(pids)
    assert training.checkpoint()["iteration"] == 8
    happened(f"exit code 130 after {took:.1f} s, nothing is left running, the checkpoint before stays")
