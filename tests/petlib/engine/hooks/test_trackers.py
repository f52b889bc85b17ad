"""A run with trackers: the whole loop, with trackers of a user's module."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from petlib import engine
from petlib.checkpoint.checkpointer import Checkpointer
from petlib.config import PETLIB_SCHEMA, CfgNode, ConfigError, load_cfg
from petlib.engine.state import TrainState
from tests.petlib.trackers.test_connection import PLANTED

TASK = SimpleNamespace(get_base_cfg=lambda: CfgNode(PETLIB_SCHEMA), infer_cfg=lambda cfg: None)


@pytest.fixture
def make_cfg(tmp_path: Path) -> Callable[..., CfgNode]:
    (tmp_path / "digits.yaml").write_text("SOLVER: {SCHEDULER: {TOTAL_ITERS: 8}}\n")

    def make(*overrides: str) -> CfgNode:
        fixed = [f"MISC.CKPT={tmp_path}/run", "MISC.DEVICE=cpu", f"MISC.IMPORTS=[{PLANTED}]", "MISC.DISPLAY_ITER=2"]
        return load_cfg(TASK, tmp_path / "digits.yaml", [*fixed, "EVAL.PERIOD_ITER=4", *overrides])

    return make


def train(cfg: CfgNode, state: TrainState, loader: Any, step: Any, stop_at: int = 0) -> None:
    """Train as a script does; a signal asks for the end after an iteration."""

    def evaluate(_: object) -> dict[str, float]:
        state.signal_number, state.stop_reason = (15, "SIGTERM received") if state.iteration == stop_at else (0, state.stop_reason)
        (Path(cfg.MISC.CKPT) / "curves.png").write_bytes(b"drawn")
        return {"cls/acc1": state.iteration / 10, "cls/undefined": float("nan")}

    with engine.open_run(cfg):
        state.checkpointer = Checkpointer(cfg.MISC.CKPT)
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluate)
        engine.resume(state, hooks, cfg)
        engine.train(state, loader, step, hooks)


def test_trackers_get_what_tensorboard_gets_and_a_resumed_run_goes_on_in_its_record(
    make_cfg: Callable[..., CfgNode], make_state: Callable[..., TrainState], loader: Any, step: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = make_cfg("MISC.TRACKERS=[keeps, raises]")
    folder = Path(cfg.MISC.CKPT)
    with pytest.raises(SystemExit), caplog.at_level(logging.WARNING):
        train(cfg, make_state(max_iter=8), loader, step, stop_at=4)
    (folder / "older.png").write_bytes(b"of the first part")
    train(cfg, make_state(max_iter=8), loader, step)
    calls = [json.loads(line) for line in (folder / "kept.jsonl").read_text().splitlines()]
    figures = [(words[1], sorted(words[2])) for words in calls if words[0] == "figures"]
    training, evaluation = ["lr", "time/data_time", "time/iter_time"], ["eval/cls/acc1"]
    assert [(iteration, names) for iteration, names in figures if "lr" not in names] == [(4, evaluation), (8, evaluation)]
    assert [iteration for iteration, names in figures if {*training} <= {*names}] == [2, 4, 6, 8]
    begun = [words for words in calls if words[0] == "begin"]
    assert [words[1] for words in begun] == ["", "", "record-1", "record-1"], "two trackers, two parts"
    assert begun[0][2:4] == ["digits", "run"]
    assert begun[0][4]["SOLVER.SCHEDULER.TOTAL_ITERS"] == 8
    assert [words[1] for words in calls if words[0] == "end"] == ["stopped", "stopped", "finished", "finished"]
    assert [words[1] for words in calls if words[0] == "file"].count("model_best.pth") == 4
    assert [words[1:] for words in calls if words[0] == "picture"] == [*2 * [["curves.png", 4]], *2 * [["curves.png", 8]]]
    warning, loss = "tracker raises: ConnectionError: no answer; the training goes on", "tracker raises: 0 messages were lost, 3 failed"
    assert caplog.messages == 2 * [warning, loss]


def test_no_tracker_is_started_without_the_setting(
    make_cfg: Callable[..., CfgNode], make_state: Callable[..., TrainState], loader: Any, step: Any
) -> None:
    cfg = make_cfg()
    train(cfg, make_state(max_iter=8), loader, step)
    assert not (Path(cfg.MISC.CKPT) / "trackers").exists()


def test_a_misspelt_name_ends_the_run_before_it_begins(make_cfg: Callable[..., CfgNode]) -> None:
    message = r"MISC\.TRACKERS: unknown tracker 'mlfow'; did you mean mlflow\?\n  there are: .*mlflow.*trackio, wandb"
    with pytest.raises(ConfigError, match=message), engine.open_run(make_cfg("MISC.TRACKERS=[mlfow]")):
        pass
