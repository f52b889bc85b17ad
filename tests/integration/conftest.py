"""The real command lines, as a user starts them."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import pet.vision.config
from petlib.config.usage import unused_settings
from petlib.launch.start.resolve import TRAIN_SCRIPT, find_places, find_script
from tests.integration.warm_python import warm_python

ROOT = Path(__file__).parents[2]
LAUNCHERS = ("train_net_all.py", "test_net_all.py")
DIGITS = ROOT / "cfgs" / "vision" / "digits" / "resnet20_digits.yaml"


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    output: str

    @property
    def results(self) -> list[str]:
        """The printed lines but for warnings, which a terminal shows between them."""
        return [line for line in self.output.strip().splitlines() if not line.startswith("WARNING: ")]

    def succeeded(self) -> "Done":
        assert self.code == 0, self.output
        return self


def command(script: str, *options: str | Path) -> list[str]:
    """Return the command line of a script below ``tools``."""
    return [sys.executable, str(ROOT / "tools" / script), *map(str, options)]


def environment() -> dict[str, str]:
    """Return an environment in which several runs share the machine: one thread each."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def that_count(config: str | Path, options: list[str]) -> list[str]:
    """Return the options that a run of a config of ``cfgs/vision`` uses; the others would be refused."""
    cfg = pet.vision.config.get_base_cfg()
    cfg.merge_from_file(ROOT / config)
    cfg.merge_from_list(options)
    vain = {setting.key for setting in unused_settings(cfg)}
    return [option for option in options if option.partition("=")[0] not in vain]


def without_launcher(words: Sequence[str | Path], folder: Path) -> list[str | Path]:
    """Return the command line that a launcher starts for one process, or ``words`` where it starts several.

    Args:
        words: a script below ``tools`` and its options.
        folder: where it is started.
    """
    script, *options = words
    if script not in LAUNCHERS or "--cfg" not in options or {"--gpu_id", "--type", "--dry_run"} & {*options}:
        return list(words)
    if "--nproc" in options:
        place = options.index("--nproc")
        if options[place + 1] not in (1, "1"):
            return list(words)
        del options[place : place + 2]
    if script == "test_net_all.py":
        return ["test_net.py", *options]
    found = find_script(find_places(folder / options[options.index("--cfg") + 1]), TRAIN_SCRIPT)
    return list(words) if found is None else [found.path, *options]


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script below ``tools`` in a temporary folder; screen and errors come as one text.

    What a launcher starts in one process begins without it, in the warm python, unless the test says that it is about the launcher.
    """

    def run_script(script: str, *options: str | Path, timeout: float = 300, launcher: bool = False) -> Done:
        words = [script, *options] if launcher else without_launcher([script, *options], tmp_path)
        if words[0] not in LAUNCHERS:
            words = [ROOT / "tools" / words[0], *words[1:]]
            return Done(*warm_python().run(words, folder=tmp_path, environment=environment(), timeout=timeout))
        done = subprocess.run(
            command(script, *options),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        return Done(done.returncode, done.stdout)

    return run_script
