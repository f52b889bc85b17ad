"""Killed at each step of a save, there is a whole checkpoint, and the next save leaves no rest."""

import itertools
import os
import signal
from functools import partial

import pytest
import torch

from petlib.checkpoint import Checkpointer
from petlib.checkpoint.files import Sink
from petlib.checkpoint.locate import damage_of_checkpoint

STEPS = ("fsync", "link", "replace", "rename", "unlink", "rmdir", "utime")


def kill_before(number: int) -> None:
    """Kill this process before its next step of that number, which is after the one before it."""
    counter = itertools.count(1)

    def watched(step):
        def call(*arguments, **options):
            if next(counter) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **options)

        return call

    for name in STEPS:
        setattr(os, name, watched(getattr(os, name)))
    Sink.write = watched(Sink.write)


def save_and_die(folder, number, sharded):
    checkpointer = Checkpointer(folder, keep=1, sharded=sharded)
    iteration = checkpointer.restore({})["iteration"] + 1
    state = {"iteration": iteration, "data": torch.arange(3000)}
    kill_before(number)
    checkpointer.save(state, iteration=iteration, best=True)
    checkpointer.wait()


def in_a_fork(work) -> int:
    """Return the exit code of ``work`` in a process of its own."""
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def be_killed_at_each_step(folder, sharded):
    """Return after each kill the iterations of the latest checkpoint; the last process comes through."""
    Checkpointer(folder, keep=1, sharded=sharded, background=False).save({"iteration": 0}, iteration=0)
    iterations = []
    number, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        number += 1
        code = in_a_fork(partial(save_and_die, folder, number, sharded))
        latest = Checkpointer(folder, keep=1, sharded=sharded)
        assert latest.has_latest()
        iterations.append(latest.read_latest()["iteration"])
        assert not any(map(damage_of_checkpoint, folder.glob("model_*")))
    assert code == 0
    return iterations


@pytest.mark.parametrize("sharded", [False, True], ids=["file", "folder"])
def test_killed_at_each_step(tmp_path, run_ranks, sharded):
    (iterations,) = run_ranks(be_killed_at_each_step, 1, tmp_path, sharded)
    assert len(iterations) > 12, "fewer steps than a save has"
    assert iterations == sorted(iterations)
    assert iterations[-1] > 3
    suffix = Checkpointer(tmp_path, sharded=sharded).latest_path.suffix
    assert {path.name for path in tmp_path.iterdir()} == {f"model_{name}{suffix}" for name in ("latest", "best", f"iter{iterations[-1]}")}
