"""Ctrl-C in the commands: one line that says what is kept or how to go on, and exit code 130."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

import pet.autoconfig.time_budget
from pet import cli
from pet.commands import doctor, models, pack, submit, train_on_data
from petlib.launch.process.tool import exit_code_of
from tests.pet.autoconfig.folders import MAKERS

COMMANDS = [
    name for name, function in inspect.getmembers(cli, inspect.isfunction) if function.__module__ == cli.__name__ and name[0] != "_"
]


def interrupt(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


class NotImportedYet:
    """Commands whose import is interrupted."""

    def __getattr__(self, name: str) -> NoReturn:
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_reports_an_interrupt_of_its_imports(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "commands", NotImportedYet())
    monkeypatch.setattr(cli, "write_new_project", interrupt)
    monkeypatch.setattr(sys, "argv", [f"pet-{name}", "--on", "slurm"])
    with pytest.raises(SystemExit) as stopped:
        getattr(cli, name)()
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "stopped by Ctrl-C; the same command begins anew\n"


def ending(command: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line that an interrupted command ends with."""
    try:
        code = exit_code_of(command)
    except SystemExit as stopped:
        code = stopped.code  # type: ignore[assignment]
    assert code == 130
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("stopped by Ctrl-C; ")


def test_the_measuring_of_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    MAKERS["classes"](tmp_path / "fruit")
    monkeypatch.setattr(pet.autoconfig.time_budget, "run_training", interrupt)
    line = ending(lambda: train_on_data.main(["--data", "fruit", "--time", "1m"]), capsys)
    assert line == "the training was still being measured for --time, and no config is written; the same command begins anew"
    assert not (tmp_path / "cfgs").exists()


def test_the_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "run_training", interrupt)
    monkeypatch.setattr(doctor, "LARGE", doctor.MEGABYTE)
    monkeypatch.setattr(doctor, "SMALL_FILES", 2)
    assert ending(lambda: doctor.main(["--folder", str(tmp_path)]), capsys) == "nothing was kept"


def test_a_pack_that_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(pack.data, "write_pack", interrupt)
    monkeypatch.setattr(sys, "argv", ["pet-pack", "digits_test", "--out", str(tmp_path / "packed")])
    line = ending(pack.main, capsys)
    assert line == f"{tmp_path / 'packed'} has a part of the shards: remove it, and the same command begins anew"


def test_a_download(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(models, "weights_of", lambda model: SimpleNamespace(licence="mit", page="", fetch=interrupt))
    line = ending(lambda: models.main(["download", "timm/resnet50"]), capsys)
    assert line == "what has come stays where the server can continue a file, and the same command goes on"


@pytest.mark.parametrize(
    ("engine", "line"),
    [("slurm", "a-1 goes on, and  pet-jobs stop a  ends it"), ("local", "the same command goes on from the checkpoint")],
)
def test_a_job_that_is_followed(engine: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(submit.engines, "follow", interrupt)
    record: Any = SimpleNamespace(target=SimpleNamespace(engine=engine), job=SimpleNamespace(id="a-1", name="a"))
    assert ending(lambda: submit.follow_to_end(record, print), capsys) == line
