"""A wheel holds the two packages with the configs and training scripts, and nothing else, and works where it is unpacked."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Done, environment, run_command
from tests.integration.warm_python import warm_python


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    for name in ("lib", "pet", "tools", "cfgs", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "out")]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    (path,) = (folder / "out").iterdir()
    return path


def test_the_wheel_holds_all_of_the_two_packages(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.partition("/")[0] for name in names}
    (metadata,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"pet", "petlib", metadata}
    files = [path for package in (ROOT / "pet", ROOT / "lib" / "petlib") for path in package.rglob("*")]
    wanted = {path.relative_to(ROOT / "lib" if "lib" in path.relative_to(ROOT).parts[0] else ROOT) for path in files if path.is_file()}
    wanted = {path for path in wanted if path.suffix in (".py", ".pyi", ".typed", ".yaml", ".template")}
    shipped = [*(ROOT / "cfgs").rglob("*.yaml"), *(ROOT / "cfgs").rglob("*.json"), *(ROOT / "tools").rglob("train_net.py")]
    wanted |= {path.relative_to(ROOT) for path in (ROOT / "pet" / "report" / "assets").iterdir()}
    wanted |= {Path("pet/shipped") / path.relative_to(ROOT) for path in shipped}
    assert {str(path) for path in wanted} == {name for name in names if not name.startswith(metadata)}
    assert {"pet/py.typed", "petlib/py.typed", "petlib/engine/__init__.pyi"} <= names
    assert f"{metadata}/licenses/LICENSE" in names


def test_the_wheel_declares_its_commands(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    lines = archive.read(name).decode().split("\n")
    names = {
        name: f"pet-{name} = pet.cli:{name}"
        for name in ("train", "test", "export", "inference", "check", "browse", "new", "configs", "doctor")
    }
    assert {"[console_scripts]", *names.values()} <= set(lines)


def test_the_unpacked_wheel_works(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = """
import sys
import pet, petlib.config, pet.cli
from petlib import engine, solver
from pet import vision
for used in (petlib.config, pet.cli, engine.train, solver.build_optimizer, vision.GeneralizedCNN):
    print(sys.modules[used.__module__].__file__ if hasattr(used, "__module__") else used.__file__)
sys.argv = ["pet-train", "--help"]
sys.exit(pet.cli.train())
"""
    variables = {**environment(), "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(line.startswith(str(tmp_path / "site")) for line in lines[:5]), lines
    assert "--dry_run" in done.stdout


def test_an_installed_pet_tests_and_exports_without_a_tools_folder(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    config = tmp_path / "cfgs" / "vision" / "digits.yaml"
    config.parent.mkdir(parents=True)
    shutil.copy(ROOT / "cfgs/vision/digits/resnet20_digits.yaml", config)
    code = """
import sys
import torch
from pathlib import Path
from pet import cli, vision
from petlib.config import load_cfg
torch.save(vision.TASK.build_model(load_cfg(vision.config, "cfgs/vision/digits.yaml")).state_dict(), "weights.pth")
words = ["--cfg", "cfgs/vision/digits.yaml", "TEST.WEIGHTS=weights.pth"]
for command in (cli.test, cli.export):
    sys.argv = ["pet", *words, *(["EXPORT.SIZE=[8, 8]"] if command is cli.export else [])]
    try:
        code = command()
    except SystemExit as end:
        code = end.code
    assert code == 0, code
"""
    (tmp_path / "all.py").write_text(code, encoding="utf-8")
    variables = {**environment(), "PYTHONPATH": str(tmp_path / "site")}
    done = Done(*warm_python().run([tmp_path / "all.py"], folder=tmp_path, environment=variables, timeout=240)).succeeded()
    assert f"{tmp_path}/site/pet/commands/test_net.py: 1 process on the CPU" in done.output
    assert "test_acc1: " in done.output
    assert (tmp_path / "ckpts/vision/digits/test/metrics.json").is_file()
    assert (tmp_path / "ckpts/vision/digits/model.onnx").is_file()


def test_an_installed_pet_lists_and_trains_its_configs_in_any_folder(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    work = tmp_path / "work"
    work.mkdir()
    paths = {"PYTHONPATH": str(tmp_path / "site")}

    def call(name: str, *words: str) -> Done:
        return run_command(f"pet-{name}", *words, folder=work, variables=paths, timeout=240, launcher=name in ("train", "test"))

    listed = call("configs", "RETINANET_R-18")
    assert listed.succeeded().results[0] == "vision/shapes/retinanet_R-18-FPN.yaml  box  RetinaNet on the shapes that Pet draws"
    assert str(tmp_path / "site/pet/shipped/cfgs/vision/shapes/retinanet_R-18-FPN.yaml") in listed.output
    trained = call(
        "train", "--cfg", "vision/digits/resnet20_digits.yaml", "SOLVER.SCHEDULER.TOTAL_EPOCHS=1", "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0"
    )
    trained.succeeded()
    assert (work / "ckpts/vision/digits/resnet20_digits/model_latest.pth").is_file()
    call("test", "--cfg", "vision/digits/resnet20_digits.yaml").succeeded()
    preset = call("train", "--cfg", "projects/buildseg/unet_R-18_cpu.yaml", "--dry_run")
    assert f"script: {tmp_path}/site/pet/shipped/tools/projects/buildseg/train_net.py" in preset.output, preset.output
