import functools
import gc
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from petlib.data import SampleReader, TrainLoader
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.samplers import SequentialSampler
from petlib.data.train_batches import TrainBatches
from petlib.data.train_loader import WAY_OUT
from petlib.errors import DataError

CPU = torch.device("cpu")
LIMIT_SECONDS = 60.0
"""How long a test waits for what comes within a second on a machine that is not busy."""


class Behaving:
    """Gives its own process id, and does ``act`` for sample 5."""

    def __init__(self, act=None):
        self.act = act

    def __len__(self):
        return 40

    def file_of(self, index):
        return f"images/{index}.png"

    def __getitem__(self, index):
        if index == 5 and self.act is not None:
            self.act()
        return {"process": os.getpid(), "big": np.zeros(30_000), "meta": {"file": f"{index}.png"}}


def keep(sample, rng):
    return sample


def batches_of(act=None, num_workers=2, transform=keep, worker_init=None, timeout=60.0):
    plan = TrainBatches(SequentialSampler(40), batch_size=2, epochwise=False)
    reader = SampleReader(Behaving(act), transform, seed=3)
    return TrainLoader(reader, plan, device=CPU, num_workers=num_workers, seed=3, worker_init=worker_init, timeout=timeout).batches(0, 100)


def workers_end():
    wait_until(lambda: not multiprocessing.active_children(), "workers are still alive")
    return True


def wait_until(happened, message="it never came"):
    deadline = time.monotonic() + LIMIT_SECONDS
    while not happened():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def state_of(process):
    """Return the letter that the system gives the state of a process: Z has ended, T is suspended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


class Engine:
    """Refers to itself, as engines with threads do, and notes which process destroys it."""

    def __init__(self, notes):
        self.itself, self.notes = self, notes

    def __del__(self):
        with self.notes.open("a") as file:
            file.write(f"{os.getpid()}\n")


def test_workers_destroy_nothing_that_the_trainer_left_to_its_garbage_collector(tmp_path):
    gc.collect()
    gc.disable()
    try:
        Engine(tmp_path / "notes.txt")
        (batch, *_) = batches_of(gc.collect, num_workers=1)
        assert batch["process"][0] != os.getpid()
        assert not (tmp_path / "notes.txt").exists()
        gc.collect()
    finally:
        gc.enable()
    assert (tmp_path / "notes.txt").read_text() == f"{os.getpid()}\n"


class OwnError(DataError):
    def __init__(self, file, reason):
        super().__init__(f"{file}: {reason}")


def refuse():
    raise DataError("5.png cannot be read")


def refuse_with_own_error():
    raise OwnError("5.png", "it is empty")


@pytest.mark.parametrize(("act", "message"), [(refuse, "5.png cannot be read"), (refuse_with_own_error, "5.png: it is empty")])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_user_error_arrives_with_its_own_message_and_the_file_of_the_sample(act, message, num_workers):
    batches = batches_of(act, num_workers)
    with pytest.raises(DataError) as caught:
        list(batches)
    assert str(caught.value) == f"images/5.png: {message}{WAY_OUT}"
    assert workers_end()


def fail():
    raise ZeroDivisionError("a fault of the program")


def test_another_error_keeps_its_traceback_and_notes_the_sample():
    batches = batches_of(fail)
    with pytest.raises(ZeroDivisionError, match=r"(?s)in fail.*a fault of the program.*This was sample 5 of Behaving"):
        list(batches)
    assert workers_end()


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_explained():
    batches = batches_of(kill_itself)
    with pytest.raises(RuntimeError, match="a loader worker process died: .*out of memory: set TrainLoader.num_workers"):
        list(batches)
    assert workers_end()


READING = r"the last that it began to read was sample 5 \(position 5 of epoch 0\), images/5.png, for iteration 3"


def test_what_a_killed_worker_was_to_deliver_is_reported():
    with pytest.raises(RuntimeError, match=rf"a loader worker process died: worker 0 was killed by SIGKILL; {READING}\. If it"):
        list(batches_of(kill_itself))
    assert workers_end()


def test_a_death_while_the_trainer_does_something_else_waits_for_the_next_batch():
    batches = batches_of()
    next(batches)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    wait_until(lambda: len(multiprocessing.active_children()) == 1)
    with pytest.raises(RuntimeError, match=r"a loader worker process died: worker \d was killed by SIGKILL"):
        next(batches)
    assert workers_end()


def sleep_for_ever(marker):
    Path(marker).touch()
    while True:
        time.sleep(100)


def test_a_worker_that_hangs_is_reported_with_the_place_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("petlib.data.worker_watch.STACK_SECONDS", LIMIT_SECONDS)
    batches = batches_of(functools.partial(sleep_for_ever, str(tmp_path / "it hangs")), timeout=2.0)
    # the limit is not for the start of the workers
    wait_until((tmp_path / "it hangs").exists)
    with pytest.raises(RuntimeError) as caught:
        list(batches)
    head, stack = str(caught.value).split("; it is here, the latest call first:\n")
    assert re.fullmatch(rf"no batch came from the loader workers within 2 seconds \(load_batches.timeout\): worker 0; {READING}", head)
    assert "in sleep_for_ever" in stack.splitlines()[0]
    assert workers_end()


def stop_itself():
    os.kill(os.getpid(), signal.SIGSTOP)


def test_a_suspended_worker_is_reported_and_ended():
    batches = batches_of(stop_itself, timeout=1.0)
    wait_until(lambda: "T" in {state_of(worker.pid) for worker in multiprocessing.active_children()})
    with pytest.raises(RuntimeError, match=rf"within 1 seconds .*: worker 0; {READING}; it could not say where it is"):
        list(batches)
    assert workers_end()


def test_a_worker_that_stops_in_the_middle_of_handing_over_is_reported_and_ended(monkeypatch):
    monkeypatch.setattr("petlib.data.loading._SLACK_SECONDS", 0.5)
    batches = batches_of(timeout=1.0)
    # a batch is larger than the pipe: both workers wait with a part of theirs in it
    time.sleep(1.0)
    for worker in multiprocessing.active_children():
        os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(RuntimeError, match=r"no batch came from the loader workers within 1 seconds"):
        list(batches)
    assert workers_end()


def test_the_time_counts_for_each_batch_and_0_means_without_end():
    pause = functools.partial(time.sleep, 1.5)
    assert len(list(batches_of(pause, timeout=0))) == 100


class BreaksOnArrival:
    """Takes the place of a tensor whose worker dies while the trainer fetches its file descriptor."""

    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        return raise_error, (self.error,)


def raise_error(error):
    raise error


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), EOFError()])
def test_a_worker_that_dies_while_it_hands_over_is_explained(error):
    def breaking(sample, rng):
        return {**sample, "meta": BreaksOnArrival(error)}

    with pytest.raises(RuntimeError, match="a loader worker process died: (.*reset by peer|EOFError).*TrainLoader.num_workers"):
        list(batches_of(transform=breaking))
    assert workers_end()


def terminate_by_another():
    subprocess.run(["kill", "-TERM", str(os.getpid())], check=True)
    time.sleep(0.2)


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="the system does not say who sent a signal")
def test_workers_outlive_a_sigterm_that_is_not_of_their_trainer():
    batches = batches_of(terminate_by_another)
    assert len([next(batches)["process"].tolist() for _ in range(20)]) == 20
    batches.close()
    assert workers_end()


def hang(marker):
    Path(marker).touch()
    time.sleep(1000)


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="the system does not say who sent a signal")
def test_a_worker_that_hangs_ends_when_its_trainer_terminates_it(tmp_path):
    marker = tmp_path / "it hangs"
    batches = batches_of(functools.partial(hang, str(marker)))
    workers = multiprocessing.active_children()
    # one batch of each worker: both are at work
    assert {next(batches)["process"][0].item(), next(batches)["process"][0].item()} == {worker.pid for worker in workers}
    wait_until(marker.exists)
    for worker in workers:
        worker.terminate()
        worker.join(LIMIT_SECONDS)
    assert [worker.exitcode for worker in workers] == [0, 0]
    batches.close()
    assert workers_end()


def interrupt_itself():
    os.kill(os.getpid(), signal.SIGINT)


def test_workers_ignore_the_interrupt_key():
    batches = batches_of(interrupt_itself)
    assert [next(batches)["process"].tolist() for _ in range(20)]
    batches.close()
    assert workers_end()


def test_workers_are_made_once_and_outlive_epochs():
    processes = {process for batch in batches_of() for process in batch["process"].tolist()}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert workers_end()


def test_closing_or_dropping_the_batches_ends_the_workers():
    started = batches_of()
    assert len(multiprocessing.active_children()) == 2
    started.close()
    assert list(started) == []
    assert workers_end()
    used = batches_of()
    next(used)
    del used
    assert workers_end()


def test_closing_the_batches_of_an_evaluation_before_the_first_ends_the_workers():
    loader = EvaluationLoader(SampleReader(Behaving(), keep, seed=3), batch_size=2, device=CPU, num_workers=2)
    started = iter(loader)
    assert len(multiprocessing.active_children()) == 2
    started.close()
    assert list(started) == []
    assert workers_end()


def test_an_exception_in_the_loop_ends_the_workers():
    batches = batches_of()
    with pytest.raises(KeyboardInterrupt):
        for _ in batches:
            raise KeyboardInterrupt
    batches.close()
    assert workers_end()


def set_mark():
    os.environ["PETLIB_TEST_MARK"] = "set"


def add_mark(sample, rng):
    return {**sample, "marked": int(os.environ.get("PETLIB_TEST_MARK") == "set")}


def test_worker_init_runs_in_every_worker_and_only_there():
    assert all(batch["marked"].all() for batch in batches_of(transform=add_mark, worker_init=set_mark))
    assert "PETLIB_TEST_MARK" not in os.environ


TRAINER = """
import os, time, numpy as np, torch
from petlib.data.evaluation_loader import EvaluationLoader
from petlib.data.samplers import SequentialSampler
from petlib.data.train_batches import TrainBatches
from petlib.data import SampleReader, TrainLoader

class Wide:
    def __len__(self): return 1000
    def __getitem__(self, index): return {"process": os.getpid(), "wide": np.zeros(25_000)}

if __name__ == "__main__":
    plan = TrainBatches(SequentialSampler(1000), batch_size=1, epochwise=False)
    reader = SampleReader(Wide(), lambda sample, rng: sample, seed=3)
    batches = TrainLoader(reader, plan, device=torch.device("cpu"), num_workers=2, prefetch=4, seed=3).batches(0, 1000)
    print(next(batches)["process"].item(), next(batches)["process"].item(), flush=True)
    time.sleep(1000)
"""


def test_workers_end_when_the_trainer_is_killed():
    with subprocess.Popen([sys.executable, "-c", TRAINER], stdout=subprocess.PIPE, text=True) as trainer:
        workers = [int(process) for process in trainer.stdout.readline().split()]
        assert len(set(workers)) == 2
        time.sleep(0.3)
        trainer.kill()
    wait_until(lambda: all(state_of(process) == "Z" for process in workers), "workers outlive their trainer")
