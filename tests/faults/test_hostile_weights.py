"""Nothing let in: weights and checkpoints that were made to do harm end the real command with one message."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Happened
from tests.faults.training import Training
from tests.petlib.checkpoint import hostile_files

CASES = {
    "a pickle that calls the system": (hostile_files.zipped_command, "it holds a Python object (posix.system)"),
    "the same in the old format": (hostile_files.command, "it holds a Python object (posix.system)"),
    "a bomb": (hostile_files.bomb, "its records are compressed, which torch does not do"),
    "records on top of each other": (hostile_files.overlapping, "its records claim 10000000000 bytes"),
    "2**60 elements": (hostile_files.large_claim, "claims 4611686018427387904 bytes"),
    "2**60 elements in the old format": (hostile_files.old_large_claim, "truncated or damaged"),
    "tuples that end the process": (hostile_files.deep_tuples, "tuples in each other"),
    "lists in lists": (hostile_files.deep_lists, "levels of dictionaries and lists in each other"),
    "lists that double": (hostile_files.doubling_lists, "more than 2000000 values"),
    "a sparse tensor": (hostile_files.sparse, "sparse, quantized, nested or without data"),
    "a tar file": (hostile_files.tar, "truncated or damaged"),
    "a web page": (hostile_files.text, "not a checkpoint, or damaged"),
    "a pipe": (hostile_files.pipe, "a pipe or a device"),
    "half a file": (hostile_files.cut, "truncated or damaged"),
}
IN_CI = ("a pickle that calls the system",)


def refused(training: Training, happened: Happened, *settings: str) -> str:
    begun = time.monotonic()
    code, printed = training.run_script(*settings)
    assert code == 2, printed[-5000:]
    assert "Traceback" not in printed
    assert not [*training.root.rglob("made")]
    message = printed[printed.rfind("weights.") :]
    happened(f"exit code 2 within {time.monotonic() - begun:.0f} s: {' '.join(message.split())[:90]}")
    return printed


@pytest.mark.fault("let-in", "weights made to do harm")
@pytest.mark.parametrize("case", [pytest.param(name, marks=() if name in IN_CI else pytest.mark.nightly) for name in CASES])
def test_weights(case: str, training: Training, happened: Happened) -> None:
    make, message = CASES[case]
    path = training.root / "weights.pth"
    make(path)
    assert message in refused(training, happened, f"TRAIN.WEIGHTS={path}")


@pytest.mark.nightly
@pytest.mark.fault("let-in", "safetensors that claim more than they hold")
@pytest.mark.parametrize("make", [hostile_files.safetensors_claim, hostile_files.safetensors_header])
def test_safetensors(make: Callable[[Path], None], training: Training, happened: Happened) -> None:
    path = training.root / "weights.safetensors"
    make(path)
    assert "truncated or damaged" in refused(training, happened, f"TRAIN.WEIGHTS={path}")


@pytest.mark.nightly
@pytest.mark.fault("let-in", "a checkpoint to resume from that calls the system")
def test_a_run_does_not_resume_from_code(training: Training, happened: Happened) -> None:
    code, printed = training.run_script()
    assert code == 0, printed
    for path in training.folder.glob("model_*.pth"):
        path.unlink()
    hostile_files.zipped_command(training.root / "weights.pth")
    shutil.copy(training.root / "weights.pth", training.folder / "model_latest.pth")
    assert "posix.system" in refused(training, happened)
