"""The commands of docs/launcher.md do what the page says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.integration.conftest import DIGITS, ROOT, Done, Run, environment

TEXT = (ROOT / "docs" / "launcher.md").read_text(encoding="utf-8")
TWO_ITERATIONS = [
    "SOLVER.SCHEDULER.TOTAL_EPOCHS=0",
    "SOLVER.SCHEDULER.TOTAL_ITERS=2",
    "SOLVER.SCHEDULER.WARM_UP_EPOCHS=None",
    "TRAIN.BATCH_SIZE=16",
    "TEST.DATASETS=[]",
    "MISC.TENSORBOARD=False",
    "ANALYSER.ENABLED=False",
]
OUTPUT = Path("ckpts", "vision", "digits", "resnet20_digits")


def execute(folder: Path, *words: str | Path) -> Done:
    done = subprocess.run(
        [*map(str, words)], cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    return Done(done.returncode, done.stdout)


def iteration(folder: Path) -> int:
    number: int = torch.load(folder / OUTPUT / "model_latest.pth", weights_only=True)["iteration"]
    return number


def tool(name: str) -> Path:
    return ROOT / "tools" / name


def test_a_dry_run_starts_nothing(tmp_path: Path) -> None:
    options = ("--cfg", DIGITS, "--nproc", "2", "--dry_run", "MISC.DEVICE=cpu")
    output = execute(tmp_path, sys.executable, tool("train_net_all.py"), *options).succeeded().output
    lines = output.splitlines()
    assert lines[0] == f"script: {tool('vision/train_net.py')}"
    assert lines[1].startswith("processes: 2")
    assert sum(line.strip().endswith("MISC.DEVICE=cpu") and "vision/train_net.py --cfg" in line for line in lines) == 2
    for variable in ("RANK=0", "RANK=1", "WORLD_SIZE=2", "LOCAL_WORLD_SIZE=2", "MASTER_ADDR=127.0.0.1"):
        assert any(line.strip() == variable for line in lines), variable
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("key", "entry", "message"),
    [
        ("TRAIN.TRANSFORMS", "RandomCorp", "[1]: unknown transform 'RandomCorp'; did you mean RandomCrop"),
        ("TEST.TRANSFORMS", "{name: CenterCrop, sise: 8}", "[1]: transform CenterCrop: unknown argument 'sise'; did you mean size?"),
        ("TRAIN.TRANSFORMS", "{name: RandomErasing, probability: 2.0}", "[1]: RandomErasing: probability: 2.0 given"),
    ],
)
def test_a_dry_run_refuses_a_wrong_transform_by_its_place(tmp_path: Path, key: str, entry: str, message: str) -> None:
    options = ("--cfg", DIGITS, "--dry_run", "MISC.DEVICE=cpu", f"{key}=[Resize, {entry}]")
    done = execute(tmp_path, sys.executable, tool("train_net_all.py"), *options)
    assert (done.code, f"error: {key}{message}" in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("config", "key", "message"),
    [
        (
            "cfgs/projects/landcover/fcn_hr18_1024x1024_16k_landcover_semi.yaml",
            "SEMI.STRONG=[{name: Solarize, weight: 1.0, treshold: 3}]",
            "SEMI.STRONG[0]: ",
        ),
        (
            "cfgs/projects/landcover/fcn_hr18_1024x1024_16k_landcover_semi.yaml",
            "SEMI.WEAK=[Nothing]",
            "SEMI.WEAK[0]: unknown transform 'Nothing'",
        ),
        ("cfgs/tasks/action/finetune_tsm_resnet50.yaml", "TEST.VIEW_TRANSFORMS=[Nothing]", "TEST.VIEW_TRANSFORMS[0]: unknown transform"),
        ("cfgs/tasks/action/finetune_tsm_resnet50.yaml", "", ""),
    ],
)
def test_a_dry_run_checks_the_transforms_of_every_list(tmp_path: Path, config: str, key: str, message: str) -> None:
    options = ("--dry_run", "MISC.DEVICE=cpu", *([key] if key else []))
    done = execute(tmp_path, sys.executable, tool("train_net_all.py"), "--cfg", ROOT / config, *options)
    assert (done.code, f"error: {message}" in done.output) == ((2, True) if message else (0, False)), done.output


def test_a_dry_run_needs_no_data(tmp_path: Path) -> None:
    config = tmp_path / "cfgs" / "tasks" / "cls" / "mine.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f"_BASE_: {ROOT}/cfgs/tasks/cls/finetune_resnet18.yaml\nDATA: {{CLASSES: []}}\nMODEL: {{NUM_CLASSES: 0}}\n"
        "TRAIN: {DATASETS: [nowhere/train]}\n"
    )
    options = (sys.executable, tool("train_net_all.py"), "--cfg", "cfgs/tasks/cls/mine.yaml", "MISC.DEVICE=cpu")
    lines = execute(tmp_path, *options, "--dry_run").succeeded().output.splitlines()
    assert lines[2].startswith("data: not looked at, and what follows from them is not checked: ")
    assert "nowhere/train" in lines[2]
    assert execute(tmp_path, *options).code == 2, "a run does need them"
    done = execute(tmp_path, *options, "--dry_run", "TRAIN.TRANSFORMS=[Nothing]")
    assert (done.code, "TRAIN.TRANSFORMS[0]: unknown transform 'Nothing'" in done.output) == (2, True), done.output


def test_torchrun_starts_two_ranks(tmp_path: Path) -> None:
    assert "torchrun --nproc_per_node 2 tools/vision/train_net.py --cfg" in TEXT
    # --standalone: tests that run at the same time must not meet on one port
    agent = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    execute(tmp_path, *agent, tool("vision/train_net.py"), "--cfg", DIGITS, *TWO_ITERATIONS).succeeded()
    assert iteration(tmp_path) == 2
    assert sorted(path.name for path in (tmp_path / OUTPUT / "logs").iterdir()) == ["train_rank0.log", "train_rank1.log"]


def test_plain_python_runs_one_process(tmp_path: Path, run: Run) -> None:
    assert "python tools/vision/train_net.py --cfg" in TEXT
    output = run("vision/train_net.py", "--cfg", DIGITS, *TWO_ITERATIONS).succeeded().output
    assert "iter: 2/2" in output
    assert iteration(tmp_path) == 2


def test_a_launch_with_restarts_trains(tmp_path: Path) -> None:
    options = ("--max_restarts", "1", "MISC.DEVICE=cpu", *TWO_ITERATIONS)
    output = execute(tmp_path, sys.executable, tool("train_net_all.py"), "--cfg", DIGITS, *options).succeeded().output
    assert "iter: 2/2" in output
    assert iteration(tmp_path) == 2


def test_the_installed_command_runs_the_script_of_a_folder_of_ones_own(tmp_path: Path) -> None:
    config, script = tmp_path / "cfgs" / "mine" / "small.yaml", tmp_path / "tools" / "mine" / "train_net.py"
    config.parent.mkdir(parents=True)
    script.parent.mkdir(parents=True)
    shutil.copy(DIGITS, config)
    script.write_text(tool("vision/train_net.py").read_text(encoding="utf-8").replace("with engine", 'print("my script")\n    with engine'))
    command = Path(sys.executable).with_name("pet-train")
    output = execute(tmp_path, command, "--cfg", "cfgs/mine/small.yaml", *TWO_ITERATIONS).succeeded().output
    assert "my script" in output
    assert "iter: 2/2" in output
    assert (tmp_path / "ckpts" / "mine" / "small" / "model_latest.pth").exists()


def test_a_config_of_pets_own_task_may_lie_anywhere(tmp_path: Path) -> None:
    config = tmp_path / "cfgs" / "vision" / "mine" / "small.yaml"
    config.parent.mkdir(parents=True)
    shutil.copy(DIGITS, config)
    for command in ((sys.executable, tool("train_net_all.py")), (Path(sys.executable).with_name("pet-train"),)):
        output = execute(tmp_path, *command, "--cfg", "cfgs/vision/mine/small.yaml", "--dry_run").succeeded().output
        assert output.startswith(f"script: {tool('vision/train_net.py')}\n")
    # a task of one's own with that name is not trained by Pet's script
    shutil.copytree(ROOT / "pet" / "tasks" / "cls", tmp_path / "vision")
    done = execute(tmp_path, sys.executable, tool("train_net_all.py"), "--cfg", "cfgs/vision/mine/small.yaml", "--dry_run")
    assert done.code == 2
    assert "there is no train_net.py for this config" in done.output


@pytest.mark.parametrize("name", ["train_net_all.py", "test_net_all.py"])
def test_help_shows_every_option_without_torch(name: str, tmp_path: Path) -> None:
    code = f"""
import atexit, runpy, sys
atexit.register(lambda: print("imported:", "torch" in sys.modules, "numpy" in sys.modules))
sys.argv = ["{name}", "--help"]
runpy.run_path({str(tool(name))!r}, run_name="__main__")
"""
    output = execute(tmp_path, sys.executable, "-c", code).succeeded().output
    assert output.splitlines()[-1] == "imported: False False"
    documented = set(re.findall(r"--\w+", TEXT.partition("--cfg PATH [")[2].partition("```")[0])) | {"--cfg"}
    assert len(documented) == 9
    assert documented <= set(re.findall(r"--\w+", output))
