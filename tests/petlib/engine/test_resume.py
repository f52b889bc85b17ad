"""Runs that continue with other settings."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from petlib import engine, solver
from petlib.checkpoint.checkpointer import Checkpointer
from petlib.checkpoint.origin import Origin
from petlib.checkpoint.weights import read_origin
from petlib.config import PETLIB_SCHEMA, CfgNode, Effect, Key, load_cfg, merge_schemas
from petlib.config.key import flat_schema
from petlib.engine.changed_settings import changed_settings
from petlib.engine.snapshot import snapshot_of
from petlib.errors import CheckpointError

SCHEMA = merge_schemas(PETLIB_SCHEMA, {"MODEL": {"WIDTH": Key(4, "Width."), "ARGS": Key({}, "More.")}})
TASK = SimpleNamespace(get_base_cfg=lambda: CfgNode(SCHEMA), infer_cfg=lambda cfg: None)


def make_cfg(folder: Path, *overrides: str) -> CfgNode:
    path = folder / "x.yaml"
    path.write_text("SOLVER: {SCHEDULER: {TOTAL_ITERS: 8, NAME: linear}}\nMISC: {DEVICE: cpu}\n")
    return load_cfg(TASK, path, [f"MISC.CKPT={folder}/run", *overrides])


def make_state(cfg: CfgNode, iterations_per_epoch: int = 4, names: Mapping[str, Sequence[str]] = {}) -> engine.TrainState:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, cfg.MODEL.WIDTH), nn.BatchNorm1d(cfg.MODEL.WIDTH))
    return engine.build_state(
        cfg,
        model=model,
        optimizer=solver.build_optimizer(model, cfg),
        step=engine.build_step(cfg, torch.device("cpu")),
        iterations_per_epoch=iterations_per_epoch,
        names=names,
    )


def save_after(cfg: CfgNode, iterations: int, **more: Any) -> engine.TrainState:
    state = make_state(cfg, **more)
    for _ in range(iterations):
        state.model(torch.randn(2, 3)).sum().backward()
        state.optimizer.step()
        state.schedulers["main"].step()
        state.iteration += 1
    state.checkpointer.save(snapshot_of(state, config=cfg.dump()), iteration=iterations)
    state.checkpointer.wait()
    return state


def resume(cfg: CfgNode, **more: Any) -> engine.TrainState:
    state = make_state(cfg, **more)
    assert engine.resume(state, [], cfg)
    return state


def rates(state: engine.TrainState) -> list[float]:
    return [group["lr"] for group in state.optimizer.param_groups]


def test_the_same_settings_say_nothing_and_change_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for overrides in ([], ["SOLVER.OPTIMIZER.NAME=AdamW", "SOLVER.OPTIMIZER.FUSED=never"]):
        cfg = make_cfg(tmp_path, f"MISC.CKPT={tmp_path}/run{len(overrides)}", *overrides)
        saved = save_after(cfg, 3)
        caplog.clear()
        state = resume(cfg)
        assert state.optimizer.state_dict()["param_groups"] == saved.optimizer.state_dict()["param_groups"]
        assert state.schedulers["main"].state_dict() == saved.schedulers["main"].state_dict()
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_changes_are_listed_with_what_they_mean(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_after(make_cfg(tmp_path), 3)
    caplog.clear()
    cfg = make_cfg(tmp_path, "TRAIN.NUM_WORKERS=1", "TRAIN.BATCH_SIZE=64", "MISC.SEED=4", "MODEL.ARGS={a: 1}", "EVAL.PERIOD_ITER=2")
    resume(cfg, iterations_per_epoch=8)
    listed, epoch = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert listed.splitlines() == [
        "settings that differ from those of the checkpoint:",
        "  MISC.SEED: 3 -> 4 (other samples from here on: in this epoch some may come twice and others not at all)",
        "  TRAIN.BATCH_SIZE: 128 -> 64 (iterations are counted on, which are elsewhere in the data now; other samples from here on: "
        "in this epoch some may come twice and others not at all)",
        "  TRAIN.NUM_WORKERS: 2 -> 1 (no effect on the weights)",
        "  EVAL.PERIOD_ITER: 0 -> 2 (counts for the evaluations from here on)",
        "  MODEL.ARGS: {} -> {'a': 1} (counts from here on)",
    ]
    assert epoch.startswith("an epoch had 4 iterations and has 8 now")


def test_settings_of_optimizer_and_schedule_count_from_the_next_iteration_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_after(make_cfg(tmp_path), 4)
    caplog.clear()
    overrides = ["SOLVER.OPTIMIZER.BASE_LR=0.2", "SOLVER.SCHEDULER.TOTAL_ITERS=16", "SOLVER.OPTIMIZER.WEIGHT_DECAY=0.5"]
    state = resume(make_cfg(tmp_path, *overrides))
    # a linear schedule from 0.2 at iteration 0 to 0 at iteration 16
    assert rates(state) == pytest.approx([0.15, 0.15])
    assert state.optimizer.param_groups[0]["weight_decay"] == 0.5
    assert state.optimizer.state_dict()["state"][0]["momentum_buffer"] is not None
    state.schedulers["main"].step()
    assert rates(state) == pytest.approx([0.1375, 0.1375])
    listed, kept = (record.getMessage().splitlines() for record in caplog.records if record.levelname == "WARNING")
    assert listed[1] == "  SOLVER.OPTIMIZER.BASE_LR: 0.1 -> 0.2 (counts from here on)"
    assert kept[0] == "settings of the optimizer that count in place of those of the checkpoint:"
    assert kept[1:] == [
        "  main: weight_decay of 1 group: 0.0001 -> 0.5",
        "  main: initial_lr of 2 groups: 0.1 -> 0.2",
        "  main: rate of the next iteration: 0.05 -> 0.15",
    ]


def test_another_architecture_is_refused_with_what_changed(tmp_path: Path) -> None:
    save_after(make_cfg(tmp_path), 1)
    with pytest.raises(CheckpointError) as refused:
        resume(make_cfg(tmp_path, "MODEL.WIDTH=5", "TRAIN.PREFETCH=3"))
    message = str(refused.value)
    assert "the weights are those of another architecture" in message
    assert message.endswith(
        "settings that differ from those of the checkpoint:\n  TRAIN.PREFETCH: 2 -> 3 (no effect on the weights)\n"
        "  MODEL.WIDTH: 4 -> 5 (counts from here on)\n"
        "set them back to continue the run; to begin a new one choose another MISC.CKPT, or add TRAIN.AUTO_RESUME False"
    )


def test_a_run_with_other_names_is_refused_before_anything_is_restored(tmp_path: Path) -> None:
    cfg = make_cfg(tmp_path)
    save_after(cfg, 1, names={"label": ["cat", "dog"], "boxes": ["ant"]})
    assert resume(cfg, names={"label": ["cat", "dog"], "semseg": ["sky"]}).iteration == 1
    cases = {
        ("cat", "gnu"): "label are cat, dog (2) in the checkpoint and cat, gnu (2) in the data\n",
        ("dog", "cat"): "name the classes in the order of the checkpoint",
    }
    for names, message in cases.items():
        state = make_state(cfg, names={"label": names})
        before = {name: value.clone() for name, value in state.network.state_dict().items()}
        with pytest.raises(CheckpointError, match="the run cannot be continued with other names than its own") as refused:
            engine.resume(state, [], cfg)
        assert message in str(refused.value)
        assert all(torch.equal(value, before[name]) for name, value in state.network.state_dict().items())


def test_a_checkpoint_without_names_is_continued_with_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cfg = make_cfg(tmp_path)
    state = make_state(cfg)
    saved = snapshot_of(state, config=cfg.dump())
    del saved["names"]
    state.checkpointer.save(saved, iteration=0)
    state.checkpointer.wait()
    caplog.set_level(logging.INFO)
    resume(cfg, names={"label": ["cat"]})
    assert "the checkpoint does not say the names of its classes: they were not compared with those of the data" in caplog.text


def test_another_optimizer_is_refused(tmp_path: Path) -> None:
    save_after(make_cfg(tmp_path), 1)
    with pytest.raises(CheckpointError) as refused:
        resume(make_cfg(tmp_path, "SOLVER.OPTIMIZER.NAME=Adam"))
    assert "run/model_latest.pth: the run cannot be continued with other settings than its own" in str(refused.value)
    assert "SOLVER.OPTIMIZER.NAME: 'SGD' -> 'Adam' (cannot be continued: the state of one optimizer means nothing to another)" in str(
        refused.value
    )


def test_the_state_of_another_optimizer_is_refused_where_no_setting_names_it(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    checkpointer = Checkpointer(tmp_path, background=False)
    checkpointer.save({"optimizer": torch.optim.SGD(model.parameters(), lr=0.1)}, iteration=1)
    with pytest.raises(CheckpointError) as refused:
        checkpointer.restore({"optimizer": torch.optim.Adam(model.parameters())})
    assert "the state of optimizer is that of another optimizer: this run's Adam has amsgrad, betas, " in str(refused.value)
    assert "the checkpoint dampening, momentum, nesterov" in str(refused.value)


def test_other_parameter_groups_are_refused_with_what_changed(tmp_path: Path) -> None:
    save_after(make_cfg(tmp_path), 1)
    with pytest.raises(CheckpointError) as refused:
        resume(make_cfg(tmp_path, "SOLVER.OPTIMIZER.WEIGHT_DECAY=0.0"))
    assert "does not fit this run's SGD of 4 parameters in 1 groups" in str(refused.value)
    assert "  SOLVER.OPTIMIZER.WEIGHT_DECAY: 0.0001 -> 0.0 (counts from here on)" in str(refused.value)


@pytest.mark.parametrize("length", [5, 6])
def test_a_finished_run_has_nothing_to_do(tmp_path: Path, caplog: pytest.LogCaptureFixture, length: int) -> None:
    save_after(make_cfg(tmp_path), 6)
    resume(make_cfg(tmp_path, f"SOLVER.SCHEDULER.TOTAL_ITERS={length}"))
    assert (
        f"the checkpoint is of iteration 6, and the run ends after {length}: there is nothing to do; a longer training, or another output "
        "folder, trains on"
    ) in caplog.messages


def test_a_run_that_is_refused_leaves_the_record_of_the_run_before(tmp_path: Path) -> None:
    cfg, record = make_cfg(tmp_path), tmp_path / "run" / "config.yaml"
    state = make_state(cfg)
    with engine.open_run(cfg):
        assert not record.exists()
        assert not engine.resume(state, [], cfg)
        assert record.read_text() == cfg.dump()
    save_after(cfg, 1)
    other = make_cfg(tmp_path, "MODEL.WIDTH=5")
    with pytest.raises(CheckpointError, match="another architecture"), engine.open_run(other):
        resume(other)
    assert record.read_text() == cfg.dump()
    again = make_cfg(tmp_path, "TRAIN.PREFETCH=3")
    with engine.open_run(again):
        resume(again)
    assert record.read_text() == again.dump()


@pytest.mark.parametrize("text", [None, 7, "no: [yaml", "- a list", "MISC: 3\nUNKNOWN: {KEY: 1}\nMODEL: {ARGS: {}, OLD: 2}"])
def test_configs_that_cannot_be_compared_are_no_changes(tmp_path: Path, text: Any) -> None:
    cfg = CfgNode(SCHEMA)
    assert changed_settings(text, cfg, "model.pth") == []


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("MISC.SEED", Effect.OTHER_ORDER),
        ("MISC.NAME", Effect.NONE),
        ("MISC.DEVICE", Effect.ROUNDING),
        ("SOLVER.OPTIMIZER.NAME", Effect.REFUSED),
        ("SOLVER.OPTIMIZER.BASE_LR", None),
        ("SOLVER.SCHEDULER.GAMMA", Effect.OTHER_SCHEDULE),
        ("TEST.PRECISE_BN.NUM_ITERS", Effect.EVALUATIONS),
        ("EVAL.PERIOD_ITER", Effect.EVALUATIONS),
    ],
)
def test_a_key_knows_what_another_value_means_for_a_run_that_continues(key: str, effect: Effect | None) -> None:
    assert flat_schema(PETLIB_SCHEMA)[key].effect is effect


def test_what_the_weights_began_with_stays_in_the_checkpoints_of_the_run(tmp_path: Path) -> None:
    cfg, begun = make_cfg(tmp_path), Origin("timm/resnet18.a1_in1k", "apache-2.0")
    state = make_state(cfg)
    state.origin = begun
    state.checkpointer.save(snapshot_of(state, config=cfg.dump()), iteration=1)
    state.checkpointer.wait()
    assert resume(cfg).origin == begun
    assert read_origin(state.checkpointer.latest_path) == begun
