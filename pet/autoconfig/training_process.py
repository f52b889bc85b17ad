"""``pet-train`` as a process of its own, whose lines are read."""

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

TRAIN_COMMAND = (sys.executable, "-c", "import sys; from pet.cli import train; sys.exit(train())")
"""``pet-train`` of this Python, wherever its scripts are."""


def run_training(words: Sequence[str], show: Callable[[str], object], *, folder: Path | None = None, seconds: float | None = None) -> int:
    """Run ``pet-train``, show each line that it prints, and return its exit code.

    Whatever ends this call, such as Ctrl-C, ends the training first: it saves and ends, and its last lines are shown. A second Ctrl-C
    ends it at once.

    Args:
        words: the command line without the program's name.
        show: gets each line, with its end.
        folder: the current folder of the training; None: that of this process.
        seconds: after so long the training is ended; None: no limit.

    Raises:
        TimeoutError: it was ended after ``seconds``.
    """
    process = subprocess.Popen(
        [*TRAIN_COMMAND, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    late = threading.Event()

    def end_late() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(threading.TIMEOUT_MAX if seconds is None else seconds, end_late)
    timer.daemon = True
    timer.start()
    try:
        code = _read(process, show)
    except BaseException:
        _end(process, show)
        raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError(f"the training had not ended after {seconds:g} s")
    return code


def _read(process: "subprocess.Popen[str]", show: Callable[[str], object]) -> int:
    assert process.stdout is not None, "it is a pipe"
    for line in process.stdout:
        show(line)
    return process.wait()


def _end(process: "subprocess.Popen[str]", show: Callable[[str], object]) -> None:
    # Ctrl-C of a terminal reaches it too, the stop button of a notebook does not
    process.terminate()
    try:
        _read(process, show)
    finally:
        # where another Ctrl-C ended the wait; the processes of a training end with their launcher
        process.kill()
        process.wait()
