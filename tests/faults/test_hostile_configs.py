"""Nothing let in: configs that were made to run code, to fill the memory or to wait for ever end the real command with one message."""

import os
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Happened
from tests.faults.fuzz import run_limited
from tests.petlib.config.test_hostile_config_files import ALIAS_BOMB, MAPPING_BOMB, MERGE_BOMB, NAME_BOMB

CASES = {
    "alias bomb": ("x.yaml", ALIAS_BOMB, "more than 100000 values"),
    "mapping bomb": ("x.yaml", MAPPING_BOMB, "more than 100000 values"),
    "merge bomb": ("x.yaml", MERGE_BOMB, "more than 100000 values"),
    "object": ("x.yaml", "MISC: !!python/object/apply:os.system ['touch made']\n", "is not plain data"),
    "brackets": ("x.yaml", "A: " + "[" * 1_000_000, "more than 64 levels of brackets"),
    "large": ("x.yaml", "A: " + "x" * 50_000_000, "more than 1048576 bytes"),
    "digits": ("x.yaml", "A: " + "9" * 100_000, "a number of 100000 characters"),
    "itself": ("x.yaml", "A: &a [*a]\n", "refers to itself"),
    "base": ("x.yaml", "_BASE_: x.yaml\n", "leads back to a file that is being read"),
    "code": ("x.py", "import os\nos.system('touch made')\n", "only assignments of data to names are allowed"),
    "call": ("x.py", "MISC = dict(SEED=__import__('os').system('touch made'))\n", "is not plain data"),
    "names": ("x.py", NAME_BOMB, "more than 100000 values"),
    "power": ("x.py", "SEED = 9**9**9\n", "a number of more than 64 bits"),
    "product": ("x.py", "SEED = 'a' * 1000000000\n", "more than 1048576 characters"),
    "minus": ("x.py", "SEED = " + "-" * 500_000 + "1\n", "nested too deeply"),
}
# two for each kind of file have room in CI
IN_CI = ("alias bomb", "object", "call", "names")


def refused(path: Path, happened: Happened) -> str:
    """Start a training with a config, in 2 GB; return the message with which it is refused."""
    begun = time.monotonic()
    done = run_limited("tools/train_net_all.py", "--cfg", path, "--type", "vision", folder=path.parent)
    message = (done.stderr or done.stdout).strip()
    assert done.returncode == 2, (done.stdout + done.stderr)[:5000]
    assert "Traceback" not in done.stdout + done.stderr
    assert len(message) < 2000, message[:3000]
    assert not (path.parent / "made").exists()
    happened(f"exit code 2 within {time.monotonic() - begun:.0f} s: {message.replace(str(path.parent) + '/', '')[:90]}")
    return message


@pytest.mark.fault("let-in", "a config made to do harm")
@pytest.mark.parametrize("case", [pytest.param(name, marks=() if name in IN_CI else pytest.mark.nightly) for name in CASES])
def test_it_is_one_message(case: str, tmp_path: Path, happened: Happened) -> None:
    name, text, message = CASES[case]
    (tmp_path / name).write_text(text)
    assert message in refused(tmp_path / name, happened)


@pytest.mark.nightly
@pytest.mark.fault("let-in", "a pipe instead of a config")
def test_a_pipe(tmp_path: Path, happened: Happened) -> None:
    os.mkfifo(tmp_path / "x.yaml")
    assert "a pipe or a device" in refused(tmp_path / "x.yaml", happened)


@pytest.mark.nightly
@pytest.mark.fault("let-in", "bases that double with every file")
def test_bases(tmp_path: Path, happened: Happened) -> None:
    for number in range(30):
        (tmp_path / f"{number}.yaml").write_text(f"_BASE_: [{number + 1}.yaml, {number + 1}.yaml]\n")
    (tmp_path / "30.yaml").write_text("MISC: {SEED: 1}\n")
    assert "more than 100 files are named" in refused(tmp_path / "0.yaml", happened)
