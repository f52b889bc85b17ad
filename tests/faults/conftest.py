"""Faults injected into the real command lines. ``tools/faults.py`` runs them all; what CI has no room for is marked ``nightly``."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.training import Training

Happened = Callable[[str], None]


@pytest.fixture
def happened(record_property: Callable[[str, object], None]) -> Happened:
    """Say in a few words what the program did; ``tools/faults.py`` prints it."""

    def say(text: str) -> None:
        record_property("happened", text)

    return say


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    """A short training of digits in a temporary folder; whatever it started is killed at the end."""
    started = Training(tmp_path)
    yield started
    for process in started.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """The same training, which nothing disturbed."""
    reference = Training(tmp_path_factory.mktemp("undisturbed"))
    code, printed = reference.run_script()
    assert code == 0, printed
    return reference
