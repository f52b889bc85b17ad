import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pet.report import hook as hook_module
from pet.report.hook import ReportHook, build_report_hooks, write_test_report
from pet.vision.config import get_base_cfg
from petlib.checkpoint.origin import Origin
from petlib.config import CfgNode
from petlib.engine.state import TrainState
from tests.pet.report.made_runs import write_run


def make_cfg(folder: Path, *overrides: str) -> Any:
    cfg: CfgNode = get_base_cfg()
    cfg.merge_from_list([f"MISC.CKPT={folder}", "SOLVER.OPTIMIZER.BASE_LR=0.25", *overrides])
    return cfg


def make_state(iteration: int = 0, stop_reason: str = "") -> TrainState:
    parts = SimpleNamespace(
        iteration=iteration,
        max_iter=40,
        iterations_per_epoch=10,
        names={"boxes": ("cat",)},
        stop_reason=stop_reason,
        origin=Origin("timm", "apache-2.0"),
    )
    return cast("TrainState", parts)


def make_hook(cfg: Any) -> ReportHook:
    (hook,) = build_report_hooks(cfg)
    assert isinstance(hook, ReportHook)
    return hook


def test_a_training_records_what_it_is_made_of_and_gets_its_page(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    hook = make_hook(make_cfg(folder))
    hook.before_train(make_state())
    begun = json.loads((folder / "run.json").read_text())
    assert (begun["state"], begun["iterations"], begun["classes"]) == ("running", 40, {"boxes": ["cat"]})
    assert {"key": "SOLVER.OPTIMIZER.BASE_LR", "value": 0.25, "default": 0.1, "place": "command line"} in begun["settings"]
    assert begun["weights"] == {"began with": "timm", "licence": "apache-2.0"}
    assert not any(entry["key"] == "MISC.CKPT" for entry in begun["settings"])
    hook.after_train(make_state(40))
    ended = json.loads((folder / "run.json").read_text())
    assert (ended["state"], ended["iteration"], ended["started"]) == ("finished", 40, begun["started"])
    assert "SOLVER.OPTIMIZER.BASE_LR" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_training_that_goes_on_keeps_its_beginning_and_its_time(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "run.json").write_text(json.dumps({"started": "yesterday", "seconds": 100.0}))
    hook = make_hook(make_cfg(folder))
    hook.before_train(make_state(20))
    hook.after_train(make_state(40, stop_reason="no improvement"))
    ended = json.loads((folder / "run.json").read_text())
    assert (ended["started"], ended["state"]) == ("yesterday", "no improvement")
    assert 100.0 <= ended["seconds"] < 160.0


def test_a_failing_page_is_one_warning_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(hook_module, "write_page", fail)
    hook = make_hook(make_cfg(write_run(tmp_path / "run")))
    with caplog.at_level(logging.WARNING):
        hook.before_train(make_state())
        hook.on_exception(make_state(3))
    assert [record.getMessage() for record in caplog.records] == ["the report is not written: OSError: no room"]


def test_a_key_switches_it_off(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    cfg = make_cfg(folder, "REPORT.ENABLED=False")
    assert build_report_hooks(cfg) == []
    write_test_report(cfg)
    assert not (folder / "report.html").exists()
    write_test_report(make_cfg(folder))
    assert (folder / "report.html").exists()
