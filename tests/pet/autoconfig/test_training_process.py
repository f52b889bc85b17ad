"""A training as a process of its own: its lines, its end, and what an interrupted caller leaves."""

import sys
from pathlib import Path

import pytest

from pet.autoconfig import training_process
from pet.autoconfig.training_process import run_training

SAVES = """
import os, signal, sys, time

def save(number, frame):
    print("saved", flush=True)
    sys.exit(143)

signal.signal(signal.SIGTERM, save)
print("process", os.getpid(), flush=True)
time.sleep(600)
"""
NEVER_ENDS = SAVES.replace("sys.exit(143)", "")


def pretend(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_process, "TRAIN_COMMAND", (sys.executable, "-c", program))


def is_running(line: str) -> bool:
    return Path("/proc", line.split()[1]).exists()


def test_lines_words_folder_and_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend("import os, sys; print(*sys.argv[1:]); print(os.getcwd(), file=sys.stderr); sys.exit(3)", monkeypatch)
    lines: list[str] = []
    assert run_training(["--cfg", "a b"], lines.append, folder=tmp_path) == 3
    assert sorted(lines) == sorted(["--cfg a b\n", f"{tmp_path.resolve()}\n"])


def test_an_interrupt_lets_the_training_save_and_shows_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(SAVES, monkeypatch)
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        if line.startswith("process"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training([], show)
    assert lines[1:] == ["saved\n"]
    assert not is_running(lines[0])


def test_a_second_interrupt_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(NEVER_ENDS, monkeypatch)
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training([], show)
    assert lines[1:] == ["saved\n"]
    assert not is_running(lines[0])


def test_a_training_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(NEVER_ENDS, monkeypatch)
    lines: list[str] = []
    with pytest.raises(TimeoutError, match=r"^the training had not ended after 0.5 s$"):
        run_training([], lines.append, seconds=0.5)
    assert not any(map(is_running, lines))
