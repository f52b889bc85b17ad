import datetime
import os
import random
import resource
import signal
import time

import numpy as np
import pytest
import torch
from torch import nn

from petlib.checkpoint import Checkpointer
from petlib.data.seeding import preserved_random_state, random_state, restore_random_state
from petlib.errors import CheckpointError


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


def make_run(seed: int = 0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    return {"model": model, "optimizers": {"main": optimizer}, "schedulers": {"main": scheduler}, "hooks": {"counter": Counter()}}


def train(run, iterations: int) -> None:
    for _ in range(iterations):
        run["model"](torch.randn(4, 3, 4, 4)).square().mean().backward()
        run["optimizers"]["main"].step()
        run["optimizers"]["main"].zero_grad()
        run["schedulers"]["main"].step()
        run["hooks"]["counter"].count += 1


def assert_same_weights(one, other) -> None:
    for (name, value), other_value in zip(one["model"].state_dict().items(), other["model"].state_dict().values(), strict=True):
        assert torch.equal(value, other_value), name


@pytest.mark.parametrize("background", [True, False])
def test_a_restored_run_continues_bit_for_bit(tmp_path, background):
    checkpointer = Checkpointer(tmp_path, background=background)
    run = make_run()
    train(run, 3)
    checkpointer.save({**run, "iteration": 3, "random": [random_state()], "scaler": None}, iteration=3)
    train(run, 4)
    resumed = make_run(seed=1)
    rest = checkpointer.restore({**resumed, "iteration": 0, "scaler": None})
    assert rest["iteration"] == 3
    assert rest.keys() == {"iteration", "random", "scaler"}
    restore_random_state(rest["random"][0])
    train(resumed, 4)
    assert_same_weights(run, resumed)
    assert resumed["hooks"]["counter"].count == 7
    assert resumed["schedulers"]["main"].get_last_lr() == run["schedulers"]["main"].get_last_lr()


def test_without_a_checkpoint_nothing_is_restored(tmp_path):
    checkpointer = Checkpointer(tmp_path / "new")
    assert not checkpointer.has_latest()
    assert checkpointer.restore(make_run()) is None
    assert checkpointer.read_latest() is None
    assert not (tmp_path / "new").exists()


def test_latest_and_best_are_links_to_one_file(tmp_path):
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save({"value": 1}, iteration=10, best=True)
    checkpointer.save({"value": 2}, iteration=20)
    checkpointer.wait()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model_best.pth",
        "model_iter10.pth",
        "model_iter20.pth",
        "model_latest.pth",
    ]
    assert checkpointer.latest_path.samefile(tmp_path / "model_iter20.pth")
    assert checkpointer.best_path.samefile(tmp_path / "model_iter10.pth")
    assert checkpointer.read_latest() == {"value": 2}


def test_where_links_are_not_supported_latest_is_a_copy(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save({"value": torch.arange(5)}, iteration=1)
    assert torch.equal(checkpointer.read_latest()["value"], torch.arange(5))
    assert not checkpointer.latest_path.samefile(tmp_path / "model_iter1.pth")


@pytest.mark.parametrize(("keep", "left"), [(1, [4]), (2, [3, 4]), (0, [1, 2, 3, 4])])
def test_only_the_newest_are_kept_and_the_best_stays(tmp_path, keep, left):
    checkpointer = Checkpointer(tmp_path, keep=keep)
    for iteration in range(1, 5):
        checkpointer.save({"iteration": iteration}, iteration=iteration, best=iteration == 1)
    checkpointer.wait()
    assert {path.name for path in tmp_path.glob("model_iter*")} == {f"model_iter{iteration}.pth" for iteration in left}
    assert torch.load(checkpointer.best_path, weights_only=True) == {"iteration": 1}


def test_a_run_that_began_anew_does_not_lose_its_own_to_those_of_the_one_before(tmp_path):
    old = Checkpointer(tmp_path, keep=2)
    old.save({}, iteration=9000)
    old.save({}, iteration=9500)
    old.wait()
    checkpointer = Checkpointer(tmp_path, keep=1)
    checkpointer.save({"new": True}, iteration=10)
    checkpointer.wait()
    assert [path.name for path in tmp_path.glob("model_iter*")] == ["model_iter10.pth"]
    assert checkpointer.read_latest() == {"new": True}


def test_a_save_holds_the_values_at_the_time_of_the_call(tmp_path):
    checkpointer = Checkpointer(tmp_path)
    tensor, numbers = torch.zeros(1000), [1, 2]
    for iteration in range(1, 4):
        tensor.fill_(iteration)
        checkpointer.save({"tensor": tensor, "numbers": numbers}, iteration=iteration)
        tensor.fill_(-1)
        numbers.append(0)
        assert checkpointer.read_latest() == {
            "tensor": pytest.approx(torch.full((1000,), float(iteration))),
            "numbers": [1, 2] + [0] * (iteration - 1),
        }


def test_a_value_that_could_never_be_read_back_is_refused_when_it_is_saved(tmp_path):
    with pytest.raises(CheckpointError, match=r"hooks\.odd\.when holds a datetime\.date, which no checkpoint can hold"):
        Checkpointer(tmp_path).save({"hooks": {"odd": {"when": datetime.date(2020, 1, 1)}}}, iteration=1)


def fail_to_write(path, state):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("call", [Checkpointer.wait, Checkpointer.read_latest, lambda checkpointer: checkpointer.save({}, iteration=3)])
def test_a_full_disk_is_reported_at_the_next_call_and_the_previous_checkpoint_stays(tmp_path, monkeypatch, call):
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save({"value": 1}, iteration=1)
    checkpointer.wait()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: fail_to_write(None, None))
        checkpointer.save({"value": 2}, iteration=2)
        message = r"model_iter2\.pth: the checkpoint could not be saved: No space left on device \(\d+ MB are free"
        with pytest.raises(CheckpointError, match=message + r".*the previous checkpoint is untouched: .*model_latest\.pth"):
            call(checkpointer)
    assert {path.name for path in tmp_path.iterdir()} == {"model_iter1.pth", "model_latest.pth"}
    assert checkpointer.read_latest() == {"value": 1}
    checkpointer.save({"value": 3}, iteration=3)
    assert checkpointer.read_latest() == {"value": 3}


def save_within_a_size_limit(folder):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    checkpointer = Checkpointer(folder)
    checkpointer.save({"value": torch.zeros(1000)}, iteration=1)
    checkpointer.save({"value": torch.zeros(1000), "large": torch.zeros(1_000_000)}, iteration=2)
    with pytest.raises(CheckpointError) as caught:
        checkpointer.wait()
    return str(caught.value)


def test_a_file_that_stops_growing_in_the_middle_is_reported_with_the_reason(tmp_path, run_ranks):
    (message,) = run_ranks(save_within_a_size_limit, 1, tmp_path)
    assert "model_iter2.pth: the checkpoint could not be saved: File too large" in message
    assert {path.name for path in tmp_path.iterdir()} == {"model_iter1.pth", "model_latest.pth"}


def save_forever(folder):
    checkpointer = Checkpointer(folder, keep=1)
    for iteration in range(1, 100_000):
        checkpointer.save({"iteration": iteration, "tensors": [torch.full((50_000,), iteration) for _ in range(4)]}, iteration=iteration)


def test_killed_at_any_moment_there_is_a_whole_latest_checkpoint_and_leftovers_go(tmp_path, process_context):
    delays = random.Random(5)
    reached = 0
    for _ in range(6):
        process = process_context.Process(target=save_forever, args=(tmp_path,))
        process.start()
        # the first one gets as far as its second save; those after it may be killed before they come to any
        while {path.name for path in tmp_path.glob("model_iter*.pth")} <= {"model_iter1.pth"} and process.is_alive():
            time.sleep(0.005)
        time.sleep(delays.random() * 0.2)
        process.kill()
        process.join()
        state = Checkpointer(tmp_path).read_latest()
        assert all((tensor == state["iteration"]).all() for tensor in state["tensors"])
        reached = max(reached, state["iteration"])
    assert reached > 1
    (tmp_path / ".model_iter7.pth.12345.tmp").write_bytes(b"left behind")
    (tmp_path / ".notes.tmp").write_bytes(b"not ours")
    checkpointer = Checkpointer(tmp_path, keep=1)
    checkpointer.save({}, iteration=1)
    checkpointer.wait()
    assert {path.name for path in tmp_path.iterdir()} == {".notes.tmp", "model_iter1.pth", "model_latest.pth"}


def test_a_network_of_another_architecture_is_refused_and_nothing_changes(tmp_path):
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save(make_run(), iteration=1)
    other = make_run(seed=1)
    other["model"] = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 5))
    before = {name: value.clone() for name, value in other["model"].state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        checkpointer.restore(other)
    text = str(caught.value)
    assert "model_latest.pth" in text
    assert "the weights are those of another architecture" in text
    assert "2 missing: 2.weight, 2.bias" in text
    assert "3.weight" in text
    assert "1.weight" in text
    assert all(torch.equal(value, before[name]) for name, value in other["model"].state_dict().items())


def test_other_optimizers_are_refused(tmp_path):
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save(make_run(), iteration=1)
    run = make_run()
    run["optimizers"] = {"main": torch.optim.SGD([{"params": [parameter]} for parameter in run["model"].parameters()], lr=0.1)}
    with pytest.raises(CheckpointError, match=r"optimizers\.main does not fit this run's SGD of 6 parameters in 6 groups"):
        checkpointer.restore(run)
    run["optimizers"] = {"generator": torch.optim.SGD(run["model"].parameters(), lr=0.1)}
    with pytest.raises(CheckpointError, match=r"no state for optimizers\.generator"):
        checkpointer.restore(run)


def test_a_new_hook_starts_anew_with_a_warning(tmp_path, caplog):
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save(make_run(), iteration=1)
    hook = Counter()
    hook.count = 5
    checkpointer.restore({**make_run(), "hooks": {"added": hook}})
    assert hook.count == 5
    assert "has no state for hooks.added: it starts anew" in caplog.text


class Renamed(Counter):
    def load_state_dict(self, state):
        self.count = state["number"]


def test_a_state_of_another_form_is_reported(tmp_path):
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save(make_run(), iteration=1)
    with pytest.raises(CheckpointError, match=r"hooks\.counter does not fit this run's Renamed: KeyError: 'number'; resume with"):
        checkpointer.restore({**make_run(), "hooks": {"counter": Renamed()}})


def test_random_states_are_put_back_and_preserved(tmp_path):
    def draw():
        return random.random(), np.random.rand(), np.random.randn(), torch.rand(1).item(), random.gauss(0, 1)

    draw()
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save({"random": [random_state()]}, iteration=1)
    first = draw()
    restore_random_state(checkpointer.read_latest()["random"][0])
    assert draw() == first
    restore_random_state(checkpointer.read_latest()["random"][0])
    with pytest.raises(KeyError), preserved_random_state():
        draw()
        raise KeyError
    assert draw() == first
