from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from petlib import distributed, engine, run_lock, solver
from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError, load_cfg
from petlib.errors import OutputError

TASK = SimpleNamespace(get_base_cfg=lambda: CfgNode(PETLIB_SCHEMA), infer_cfg=lambda cfg: None)


def make_cfg(folder: Path, *overrides: str) -> CfgNode:
    path = folder / "x.yaml"
    path.write_text("SOLVER: {SCHEDULER: {TOTAL_ITERS: 3}}\n")
    return load_cfg(TASK, path, [f"MISC.CKPT={folder}/run", "MISC.DEVICE=cpu", *overrides])


def test_weights_follow_from_the_seed(tmp_path: Path) -> None:
    drawn = []
    for seed in ("5", "5", "6"):
        with engine.open_run(make_cfg(tmp_path, f"MISC.SEED={seed}")) as device:
            drawn.append(torch.rand(3))
            assert device == torch.device("cpu")
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_record_of_the_config_gives_the_same_run(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path, "MISC.SEED=5")
    with engine.open_run(cfg):
        engine.write_record(cfg)
    assert load_cfg(TASK, tmp_path / "run" / "config.yaml").to_dict() == cfg.to_dict()


def test_a_test_leaves_the_record_of_the_training_alone(tmp_path: Path) -> None:
    training, test = make_cfg(tmp_path, "MISC.SEED=5"), make_cfg(tmp_path, "MISC.SEED=6")
    with engine.open_run(training):
        engine.write_record(training)
    before = (tmp_path / "run" / "config.yaml").read_text()
    with engine.open_run(test, record=engine.TEST_RECORD):
        engine.write_record(test, engine.TEST_RECORD)
    assert (tmp_path / "run" / "config.yaml").read_text() == before
    assert "SEED: 6" in (tmp_path / "run" / "test" / "config.yaml").read_text()


def test_user_modules_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_module_of_the_run.py").write_text("raise RuntimeError('it was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    cfg = make_cfg(tmp_path, "MISC.IMPORTS=[my_module_of_the_run]")
    with pytest.raises(ConfigError, match=r"my_module_of_the_run\.py:1: .*it was imported"), engine.open_run(cfg):
        pass


def test_a_model_is_frozen_and_ordered_before_it_is_wrapped(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path, "MISC.CHANNELS_LAST=True", "SOLVER.OPTIMIZER.RULES=[{pattern: '^0', freeze: true}]")
    model = engine.prepare_model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)), cfg, torch.device("cpu"))
    assert [parameter.requires_grad for parameter in model.parameters()] == [False, False, True, True]
    assert model[1].weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore[index,union-attr,operator]


def test_the_moving_average_is_refused_for_sharded_models(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path, "SOLVER.EMA.ENABLED=True", "TRAIN.PARALLEL=fsdp")
    model = nn.Linear(1, 1)
    state = engine.TrainState(
        model=model,
        optimizers={"main": torch.optim.SGD(model.parameters())},
        schedulers={},
        max_iter=3,
        iterations_per_epoch=3,
        checkpointer=engine.build_checkpointer(cfg),
    )
    with pytest.raises(ConfigError, match="SOLVER.EMA.ENABLED: the moving average is not kept for sharded models"):
        engine.build_train_hooks(cfg, state, batches=lambda start, stop: iter(()))


class ScalingStep:
    """A step of a user that scales its losses."""

    def __init__(self) -> None:
        self.scaler = torch.amp.GradScaler("cpu")

    def __call__(self, state: engine.TrainState, data: engine.BatchStream, after_backward: Any) -> None:
        raise AssertionError("no iteration is done")


def test_the_state_has_the_scaler_of_the_step_and_a_schedule_for_each_optimizer(tmp_path: Path) -> None:
    cfg, step = make_cfg(tmp_path, "SOLVER.SNAPSHOT_KEEP=4"), ScalingStep()
    optimizers = {name: torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=lr) for name, lr in (("generator", 0.1), ("judge", 0.3))}
    state = engine.build_state(cfg, model=nn.Linear(1, 1), optimizer=optimizers, step=step, iterations_per_epoch=2)
    assert state.scaler is step.scaler
    assert (state.max_iter, state.iterations_per_epoch, state.total_epochs) == (3, 2, 0)
    assert state.optimizers == optimizers and [*state.schedulers] == ["generator", "judge"]
    assert all(state.schedulers[name].optimizer is optimizers[name] for name in optimizers)
    assert state.checkpointer.latest_path.parent == tmp_path / "run"


def test_a_state_takes_schedules_and_checkpoints_of_its_own(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters())
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    step = engine.build_step(cfg, torch.device("cpu"))
    state = engine.build_state(
        cfg,
        model=model,
        optimizer=optimizer,
        step=step,
        iterations_per_epoch=2,
        scheduler=schedule,
        checkpointer=engine.build_checkpointer(cfg, tmp_path / "elsewhere"),
    )
    assert state.schedulers == {"main": schedule} and state.optimizer is optimizer and state.scaler is None
    assert state.checkpointer.latest_path.parent == tmp_path / "elsewhere"


def test_the_length_is_counted_in_epochs_or_iterations(tmp_path: Path) -> None:
    assert engine.run_length(make_cfg(tmp_path), 390) == 3
    epochs = make_cfg(tmp_path, "SOLVER.SCHEDULER.TOTAL_ITERS=0", "SOLVER.SCHEDULER.TOTAL_EPOCHS=164")
    assert engine.run_length(epochs, 390) == 63960


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, batch: dict[str, Any]) -> Any:
        logits = self.head(self.body(batch["x"]))
        return {"losses": {"loss": logits.square().mean()}, "metrics": {}}


def train_frozen(folder: str) -> list[bool]:
    cfg = make_cfg(Path(folder), "SOLVER.OPTIMIZER.RULES=[{pattern: '^body', freeze: true}]", "MISC.TENSORBOARD=False")
    torch.manual_seed(0)
    model = engine.prepare_model(Classifier(), cfg, torch.device("cpu"))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wrapped = distributed.parallelize(model, "ddp", device=torch.device("cpu"))
    optimizer = solver.build_optimizer(distributed.unwrap(wrapped), cfg)
    for _ in range(3):
        optimizer.zero_grad()
        wrapped({"x": torch.ones(2, 4)})["losses"]["loss"].backward()
        optimizer.step()
    return [torch.equal(before[name], tensor) for name, tensor in model.state_dict().items()]


def test_frozen_parameters_do_not_stop_two_processes(run_ranks: Any, tmp_path: Path) -> None:
    assert run_ranks(train_frozen, 2, str(tmp_path)) == [[True, True, False, False]] * 2


def test_a_second_run_is_kept_out_of_the_folder_but_a_test_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "WAIT_SECONDS", 0.0)
    cfg = make_cfg(tmp_path)
    with engine.open_run(cfg):
        with pytest.raises(OutputError, match="another run writes into this folder"), engine.open_run(cfg):
            pass
        with (
            engine.open_run(cfg, record="test/config.yaml"),
            pytest.raises(OutputError, match="run/test: another run"),
            engine.open_run(cfg, record="test/config.yaml"),
        ):
            pass
    with engine.open_run(cfg):
        pass
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["test"]


def test_a_full_disk_at_the_start_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("petlib.engine.run.write_text_atomically", fail)
    with (
        pytest.raises(OutputError, match="config.yaml: the settings of the run cannot be written: No space left on device; make room"),
        engine.open_run(cfg := make_cfg(tmp_path)),
    ):
        engine.write_record(cfg)
    assert not (tmp_path / "run" / "config.lock").exists()
