"""The real command lines, as a user starts them."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

import pet.vision.config
from petlib.config.usage import unused_settings
from petlib.launch.start.resolve import TRAIN_SCRIPT, find_places, find_script
from tests.integration.warm_python import warm_python

ROOT = Path(__file__).parents[2]
LAUNCHERS = ("train_net_all.py", "test_net_all.py")
INSTALLED_LAUNCHERS = {"pet-train": "train_net_all.py", "pet-test": "test_net_all.py"}
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


def without_launcher(words: Sequence[str | Path], folder: Path) -> tuple[list[str | Path], int]:
    """Return the command line that a launcher starts, and in how many processes; ``words`` and 1 where the launcher itself is needed.

    Args:
        words: a script below ``tools`` and its options.
        folder: where it is started.
    """
    script, *options = words
    # what tests a model of any task takes --type itself
    of_the_launcher = {"--gpu_id", "--dry_run", *(["--type"] if script == "train_net_all.py" else [])}
    if script not in LAUNCHERS or "--cfg" not in options or of_the_launcher & {*options}:
        return list(words), 1
    ranks = 1
    if "--nproc" in options:
        place = options.index("--nproc")
        ranks = int(options[place + 1])
        del options[place : place + 2]
    if script == "test_net_all.py":
        return ["test_net.py", *options], ranks
    found = find_script(find_places(folder / options[options.index("--cfg") + 1]), TRAIN_SCRIPT)
    return (list(words), 1) if found is None else ([found.path, *options], ranks)


def run_command(
    script: str,
    *options: str | Path,
    folder: Path,
    variables: dict[str, str] | None = None,
    timeout: float = 300,
    launcher: bool = False,
) -> Done:
    """Run a script below ``tools``, or an installed command such as ``pet-check``, in the warm python.

    Args:
        script: its name.
        options: what is written behind it.
        folder: where it is started.
        variables: of its environment, in addition to those of :func:`environment`.
        timeout: in seconds.
        launcher: run the launcher, which starts processes that are not warm; else what it starts begins without it.
    """
    name = INSTALLED_LAUNCHERS.get(script, script)
    words, ranks = ([name, *options], 1) if launcher else without_launcher([name, *options], folder)
    path = ROOT / "tools" / words[0]
    if words[0] == name and script.startswith("pet-"):
        path = Path(sys.executable).with_name(script)
    changed = environment() | (variables or {})
    return Done(*warm_python().run([path, *words[1:]], folder=folder, environment=changed, timeout=timeout, ranks=ranks))


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script below ``tools`` in a temporary folder, see :func:`run_command`."""
    return partial(run_command, folder=tmp_path)
