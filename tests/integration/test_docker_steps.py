"""The steps of the Docker files, run without an engine in a fresh environment: installing takes minutes, so it is nightly.

A folder replaces the root of the image, a virtual environment for its python. Steps of apt-get are left out.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.test_docker import DOCKER, ROOT, expand, instructions

PAGE = ROOT / "docs" / "bring_your_own_network.md"
pytestmark = pytest.mark.nightly


@dataclass
class Image:
    """Does what ``docker build`` and ``docker run`` would do, as far as a folder and an environment can."""

    root: Path
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)

    @property
    def bin(self) -> Path:
        return self.root / "environment" / "bin"

    def place(self, path: str) -> Path:
        """Return where a path of the image lies."""
        return self.root / path.lstrip("/") if path.startswith("/") else self.root / self.workdir.lstrip("/") / path

    def build(self, file: Path, context: Path) -> None:
        steps = instructions(file.read_text(encoding="utf-8"))
        values = dict(rest.split("=", 1) for word, rest in steps if word == "ARG" and "=" in rest)
        # the registry of the machine that runs this, as --build-arg would name it
        values["TORCH_INDEX"] = os.environ.get("PIP_INDEX_URL") or self.configured_index() or values.get("TORCH_INDEX", "")
        for word, rest in steps:
            if word == "WORKDIR":
                self.workdir = rest
                self.place(rest).mkdir(parents=True, exist_ok=True)
            elif word == "COPY":
                self.copy(shlex.split(rest), context)
            elif word == "RUN" and not rest.startswith("apt-get"):
                self.run(["sh", "-ec", re.sub(r"(?<= )/home", f"{self.root}/home", expand(rest, values))])
            elif word == "ENTRYPOINT":
                self.entrypoint = [part.strip('"') for part in rest.strip("[]").split(", ")]

    def configured_index(self) -> str:
        done = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True)
        return done.stdout.strip()

    def copy(self, words: list[str], context: Path) -> None:
        *patterns, target = words
        for source in (source for pattern in patterns for source in context.glob(pattern)):
            if source.is_dir():
                shutil.copytree(source, self.place(target), dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                folder = self.place(target)
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder)

    def run(self, words: list[str], timeout: float = 1200) -> str:
        """Run a command in the working folder with the image's python first on the path."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        variables = {**kept, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(words, cwd=self.place(self.workdir), env=variables, text=True, timeout=timeout, **streams)
        assert done.returncode == 0, done.stdout
        return str(done.stdout)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The base image."""
    image = Image(tmp_path_factory.mktemp("image"))
    subprocess.run([sys.executable, "-m", "venv", str(image.root / "environment")], check=True, timeout=120)
    image.build(DOCKER / "Dockerfile", ROOT)
    return image


def sources(folder: Path) -> Path:
    """Return a copy of what the wheel is built from."""
    for name in ("lib", "pet"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def by_setup(image: Image, folder: Path) -> None:
    image.run(["python", "-m", "pip", "install", "setuptools>=77"])
    image.run(["sh", "-ec", f"cd {shlex.quote(str(folder))} && python3 setup.py bdist_wheel"])


def by_pip(image: Image, folder: Path) -> None:
    image.run(["sh", "-ec", f"cd {shlex.quote(str(folder))} && python3 -m pip wheel . --no-deps -w dist"])


@pytest.mark.parametrize("build_wheel", [by_setup, by_pip])
def test_the_wheel_trains_in_the_image_of_the_page(base: Image, build_wheel: Callable[[Image, Path], None], tmp_path: Path) -> None:
    tree = sources(tmp_path)
    build_wheel(base, tree)
    codes = tmp_path / "codes"
    codes.mkdir()
    for block in re.findall(r"```\w+\n# (\w+\.\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        (codes / block[0]).write_text(block[1])
    base.build(DOCKER / "Dockerfile.example", tree)
    short = ["solver.max_iter=2", "solver.checkpoint_period=2", "solver.generator.lr_scheduler.params.warmup_iter=1"]
    options = ["--config-file", "denoise.py", "--num-gpus", "1", *short, f"output_dir={tmp_path / 'out'}"]
    printed = base.run([*base.entrypoint, *options])
    assert (tmp_path / "out" / "model_latest.pth").exists(), printed
    where = base.run(["python", "-c", "import pet; print(pet.__file__)"])
    assert where.startswith(str(base.root / "environment"))


def test_the_commands_of_the_base_image_start(base: Image) -> None:
    assert "--dry_run" in base.run([str(base.bin / "pet-train"), "--help"])
    base.run([str(base.bin / "python"), "-m", "pip", "check"])
