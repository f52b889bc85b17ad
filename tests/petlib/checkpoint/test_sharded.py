import logging
import pickle

import pytest
import torch
from torch import nn

from petlib import distributed
from petlib.checkpoint import Checkpointer, load_weights
from petlib.errors import CheckpointError

CPU = torch.device("cpu")


class Network(nn.Module):
    """Widths that three ranks cannot divide evenly, a tied weight and buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10), nn.Tanh(), nn.Linear(10, 7), nn.Linear(7, 7), nn.Linear(7, 7))
        self.layers[5].weight = self.layers[4].weight

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layers(inputs)


def make_run(seed: int, mode: str, optimizer: str):
    torch.manual_seed(seed)
    model = distributed.parallelize(Network(), mode, device=CPU, find_unused_parameters=False)
    make = {"SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01)}[optimizer]
    main = make(model.parameters())
    return {
        "model": distributed.unwrap(model),
        "optimizers": {"main": main},
        "schedulers": {"main": torch.optim.lr_scheduler.ExponentialLR(main, 0.9)},
    }, model


def train(run, model, iterations: int) -> None:
    """Train on samples that depend on the iteration and the rank alone."""
    model.train()
    for _ in range(iterations):
        generator = torch.Generator().manual_seed(100 * run["schedulers"]["main"].last_epoch + distributed.rank())
        model(torch.randn(5, 6, generator=generator)).square().mean().backward()
        run["optimizers"]["main"].step()
        run["optimizers"]["main"].zero_grad()
        run["schedulers"]["main"].step()


def whole(value):
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    if isinstance(value, torch.Tensor):
        return (value.full_tensor() if hasattr(value, "full_tensor") else value).clone()
    return value


def summary(run):
    """Return the whole state of a run as plain tensors: of the network, of the optimizer, and the learning rate."""
    state = run["optimizers"]["main"].state_dict()["state"]
    return whole({"model": dict(run["model"].state_dict()), "optimizer": state, "rate": run["schedulers"]["main"].get_last_lr()[0]})


def save_sharded(folder, optimizer):
    run, model = make_run(0, "fsdp", optimizer)
    checkpointer = Checkpointer(folder, sharded=True)
    train(run, model, 2)
    checkpointer.save({**run, "iteration": 2, "random": distributed.all_gather_objects(distributed.rank() * 11)}, iteration=2, best=True)
    at_save = summary(run)
    train(run, model, 3)
    return at_save, summary(run)


def restore(folder, mode, optimizer, iterations):
    run, model = make_run(1, mode, optimizer)
    rest = Checkpointer(folder, sharded=mode == "fsdp").restore({**run, "iteration": 0})
    local = model.layers[0].weight.to_local().numel() if mode == "fsdp" and distributed.world_size() > 1 else None
    restored = summary(run)
    train(run, model, iterations)
    return rest, local, restored, summary(run)


def assert_same(one, other, path=""):
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for name, value in one.items():
            assert_same(value, other[name], f"{path}.{name}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    else:
        assert one == other, path


def test_two_ranks_resume_bit_for_bit_and_other_numbers_read_the_same(tmp_path, run_ranks):
    optimizer = "AdamW"
    (at_save, uninterrupted), _ = run_ranks(save_sharded, 2, tmp_path, optimizer)
    assert (tmp_path / "model_iter2.dcp").is_dir()
    for rest, _, restored, resumed in run_ranks(restore, 2, tmp_path, "fsdp", optimizer, 3):
        assert rest == {"iteration": 2, "random": [0, 11]}
        assert_same({**restored, "model": {}}, {**at_save, "model": {}})
        assert_same({**resumed, "model": {}}, {**uninterrupted, "model": {}})
    for name, value in uninterrupted["model"].items():
        if "running" not in name:
            assert torch.equal(resumed["model"][name], value), name
    three = run_ranks(restore, 3, tmp_path, "fsdp", optimizer, 1)
    assert sorted(local for _, local, _, _ in three) == [12, 24, 24]
    one_each = [restore(tmp_path, "none", optimizer, 1), *run_ranks(restore, 2, tmp_path, "ddp", optimizer, 1)]
    for rest, _, restored, _ in [*three, *one_each]:
        assert rest["iteration"] == 2
        assert_same(restored, at_save)


def save_plain(folder, optimizer):
    run, model = make_run(0, "none", optimizer)
    train(run, model, 2)
    checkpointer = Checkpointer(folder)
    checkpointer.save({**run, "iteration": 2}, iteration=2)
    checkpointer.wait()
    return summary(run)


def test_a_file_of_one_process_is_read_by_sharded_ranks(tmp_path, run_ranks):
    at_save = save_plain(tmp_path, "AdamW")
    for _, local, restored, _ in run_ranks(restore, 3, tmp_path, "fsdp", "AdamW", 1):
        assert local in (12, 24)
        assert_same(restored, at_save)


def test_the_newer_of_both_kinds_is_the_latest(tmp_path, run_ranks):
    save_plain(tmp_path, "SGD")
    run_ranks(save_sharded, 2, tmp_path, "SGD")
    assert Checkpointer(tmp_path).latest_path.name == Checkpointer(tmp_path, sharded=True).latest_path.name == "model_latest.dcp"
    save_plain(tmp_path, "SGD")
    assert Checkpointer(tmp_path, sharded=True).latest_path.name == "model_latest.pth"
    assert not (tmp_path / "model_latest.dcp").exists()
    assert (tmp_path / "model_best.dcp").exists()


def test_weights_are_loaded_from_a_folder_and_from_its_pointer(tmp_path, run_ranks):
    (at_save, _), _ = run_ranks(save_sharded, 2, tmp_path, "SGD")
    for source in (tmp_path / "model_iter2.dcp", tmp_path / "model_best.dcp"):
        model = Network()
        load_weights(model, source).require_complete()
        assert_same(dict(model.state_dict()), at_save["model"])


def test_one_process_writes_and_reads_folders_too(tmp_path):
    run, model = make_run(0, "fsdp", "SGD")
    train(run, model, 1)
    checkpointer = Checkpointer(tmp_path, sharded=True, keep=1)
    for iteration in (1, 2, 2, 3):
        checkpointer.save({**run, "iteration": iteration}, iteration=iteration, best=iteration == 2)
    assert {path.name for path in tmp_path.iterdir()} == {"model_iter2_2.dcp", "model_iter3.dcp", "model_latest.dcp", "model_best.dcp"}
    assert checkpointer.best_path.read_text() == "model_iter2_2.dcp"
    at_save = summary(run)
    rest, _, restored, _ = restore(tmp_path, "fsdp", "SGD", 0)
    assert rest == {"iteration": 3}
    assert_same(restored, at_save)


def fail_on_rank_one(folder):
    run, model = make_run(0, "fsdp", "SGD")
    checkpointer = Checkpointer(folder, sharded=True)
    checkpointer.save(run, iteration=1)
    if distributed.rank() == 1:
        torch.distributed.checkpoint.filesystem.FileSystemWriter.write_data = lambda self, plan, planner: 1 / 0
    with pytest.raises(CheckpointError) as caught:
        checkpointer.save(run, iteration=2)
    return str(caught.value)


def test_where_one_rank_cannot_write_all_say_so_and_the_previous_stays(tmp_path, run_ranks):
    for message in run_ranks(fail_on_rank_one, 2, tmp_path):
        assert "model_iter2.dcp: the checkpoint could not be saved" in message
        assert "rank 1: division by zero" in message
        assert "earlier checkpoints are untouched" in message
    assert {path.name for path in tmp_path.iterdir()} == {"model_iter1.dcp", "model_latest.dcp"}
    assert Checkpointer(tmp_path).read_latest()["model"]["layers.0.weight"].shape == (10, 6)


class Evil:
    def __reduce__(self):
        return print, ("this must never be executed",)


def forget_checksums(folder):
    """Make the folder one of an earlier version, or of an attacker who computes checksums of what was put there."""
    content = torch.load(folder / "state.pth", weights_only=True)
    assert content.pop("files").keys() == {".metadata", "__0_0.distcp", "__1_0.distcp"}
    torch.save(content, folder / "state.pth")


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda folder: flip(folder / "__1_0.distcp", 9000), r"damaged: the checksum of __1_0\.distcp is wrong"),
        (lambda folder: (folder / "__1_0.distcp").unlink(), r"damaged: __1_0\.distcp is missing"),
        (lambda folder: (folder / "state.pth").write_bytes(b""), r"state\.pth.* is empty \(0 bytes\)"),
        *(
            pytest.param(*values, marks=pytest.mark.nightly)
            for values in (
                (lambda folder: flip(folder / ".metadata", 500), r"damaged: the checksum of \.metadata is wrong"),
                (lambda folder: (folder / "__0_0.distcp").write_bytes(b""), r"damaged: __0_0\.distcp has 0 bytes, \d+ were written"),
                (lambda folder: (folder / "state.pth").unlink(), r"state\.pth.*(there is no such file|No such file)"),
            )
        ),
    ],
    ids=["part flipped", "part missing", "state emptied", "index flipped", "part emptied", "state missing"],
)
def test_a_damaged_folder_is_named_and_the_one_before_is_taken_by_all_ranks(tmp_path, run_ranks, damage, what):
    (before, _), _ = run_ranks(save_twice, 2, tmp_path)
    damage(tmp_path / "model_iter4.dcp")
    with pytest.raises(CheckpointError, match=what):
        Checkpointer(tmp_path).read_latest()
    first, second = run_ranks(restore_newest, 2, tmp_path)
    for rest, path, restored, _ in (first, second):
        assert (rest, path) == ({"iteration": 2}, "model_iter2.dcp")
        assert_same(restored, before)
    (warning,) = first[3]
    assert warning.startswith("model_latest.dcp: ")
    assert warning.endswith("; continuing from the newest whole checkpoint instead: model_iter2.dcp of iteration 2")
    assert second[3] == []


def restore_newest(folder):
    run, _ = make_run(1, "fsdp", "SGD")
    checkpointer, warnings = Checkpointer(folder, sharded=True), []
    logging.getLogger("petlib.checkpoint.choice").warning = lambda text, *values: warnings.append(text % values)
    rest = checkpointer.restore(run)
    return rest, checkpointer.restored_path.name, summary(run), warnings


def save_twice(folder):
    run, model = make_run(0, "fsdp", "SGD")
    checkpointer = Checkpointer(folder, sharded=True)
    summaries = []
    for iteration in (2, 4):
        train(run, model, 2)
        checkpointer.save({**run, "iteration": iteration}, iteration=iteration)
        summaries.append(summary(run))
    return summaries


def test_damaged_and_hostile_folders_are_refused(tmp_path, run_ranks, capfd):
    run_ranks(save_sharded, 2, tmp_path, "SGD")
    folder, checkpointer = tmp_path / "model_iter2.dcp", Checkpointer(tmp_path)
    index, part = folder / ".metadata", folder / "__1_0.distcp"
    whole_index, whole_part = index.read_bytes(), part.read_bytes()
    forget_checksums(folder)

    part.write_bytes(whole_part[: len(whole_part) // 2])
    with pytest.raises(CheckpointError, match=r"model_iter2\.dcp: the checkpoint is damaged or incomplete"):
        checkpointer.read_latest()
    part.unlink()
    with pytest.raises(CheckpointError, match=r"the file '__1_0\.distcp', which the index of the checkpoint names, is not in this folder"):
        checkpointer.read_latest()
    part.write_bytes(whole_part)
    index.write_bytes(whole_index[:100])
    with pytest.raises(CheckpointError, match=r"\.metadata: the index of the checkpoint is missing or damaged"):
        checkpointer.read_latest()
    index.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match=r"holds a Python object \(builtins\.print\) that has no place there; it is refused"):
        checkpointer.read_latest()
    assert "this must never be executed" not in capfd.readouterr().out
    index.write_bytes(whole_index.replace(b"__1_0.distcp", b"../0_.distcp"))
    with pytest.raises(CheckpointError, match=r"the file '\.\./0_\.distcp'.*is not in this folder"):
        checkpointer.read_latest()
    checkpointer.latest_path.write_text("../../elsewhere.dcp")
    with pytest.raises(CheckpointError, match=r"should hold the name of a folder model_iter<N>\.dcp"):
        checkpointer.read_latest()
