"""The scripts of the five documents' pages: in two processes, and a second time in the same ones."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration import test_antgo_page, test_bring_your_own_network, test_from_pet_page, test_paddleseg_page, test_train_job
from tests.integration.conftest import DIGITS
from tests.pet.compat.paddleseg.tiles import write_tiles

# a person who runs a notebook's cells again, or a script that trains twice
AGAIN = """
import os, pathlib, runpy, sys

script, *sys.argv[1:] = sys.argv[1:]
for time in (1, 2):
    runpy.run_path(script, run_name="__main__")
    pathlib.Path(f"end_{time}_{os.environ['RANK']}").touch()
"""


def shortened(text: str, changes: dict[str, str]) -> str:
    for given, short in changes.items():
        assert given in text, given
        text = text.replace(given, short)
    return text


def write_antgo(folder: Path) -> list[str]:
    test_antgo_page.write_voc(folder)
    (folder / "networks.py").write_text(test_antgo_page.NETWORKS)
    (folder / "pascal.py").write_text(shortened(test_antgo_page.CONFIG, test_antgo_page.SHORT))
    (folder / "script.py").write_text(test_antgo_page.SCRIPT)
    return []


def write_paddleseg(folder: Path) -> list[str]:
    write_tiles(folder / "data" / "buildseg", 4, edge=128, label_value=255, channels=3)
    (folder / "script.py").write_text(shortened(test_paddleseg_page.SCRIPT, test_paddleseg_page.SHORT))
    return []


def write_job(folder: Path) -> list[str]:
    test_train_job.write_tutorial(folder, "unet")
    job = test_train_job.with_light_network(test_train_job.smaller(test_train_job.JOB))
    (folder / "script.py").write_text(f"{job}\n{test_train_job.MAIN}    job.test()\n")
    return []


QUICK_SHORT = {
    "dataset, 20)": "dataset, 2)",
    "(1024, 1024)": "(64, 64)",
    "samples_per_gpu = 1": f"samples_per_gpu = 1\ntrainer.cfg.data.workers_per_gpu = 0\n{test_train_job.SCALES}\n{test_train_job.LIGHT}",
}


def write_quick_start(folder: Path) -> list[str]:
    test_train_job.write_tutorial(folder, "unet")
    (folder / "script.py").write_text(shortened(test_train_job.QUICK_START, QUICK_SHORT))
    return []


def check_quick_start(folder: Path) -> None:
    work = folder / "work_dirs" / "tutorial"
    assert {"model_iter2.pth", "latest.onnx"} <= {path.name for path in work.iterdir()}
    assert not (work / "model_best.pth").exists()
    assert len(list((folder / "test_ret" / "semseg").glob("*.png"))) == 2


def check_job(folder: Path, output: str) -> None:
    test_train_job.check_tutorial(folder, output)
    work = folder / "work_dirs" / "tutorial"
    assert "BATCH_SIZE: 2" in (work / "config.yaml").read_text()
    assert {path.name for path in (work / "logs").iterdir()} >= {"train_rank0.log", "train_rank1.log", "test_rank0.log"}


def write_trainframework(folder: Path) -> list[str]:
    for name, text in test_bring_your_own_network.FILES.items():
        (folder / name).write_text(text)
    (folder / "train.py").rename(folder / "script.py")
    short = [*test_bring_your_own_network.SHORT, test_bring_your_own_network.WARM_UP, "solver.max_iter=2"]
    return ["--config-file", "denoise.py", *short]


def write_pet(folder: Path) -> list[str]:
    (folder / "script.py").write_text(test_from_pet_page.SCRIPT)
    return ["--cfg", str(DIGITS), *test_from_pet_page.SHORT, "MISC.CKPT=run"]


@pytest.mark.parametrize(
    "write",
    [
        write_pet,
        *(
            pytest.param(write, marks=pytest.mark.nightly)
            for write in (write_job, write_antgo, write_paddleseg, write_quick_start, write_trainframework)
        ),
    ],
)
def test_it_ends_both_times(write: Callable[[Path], list[str]], tmp_path: Path) -> None:
    options = write(tmp_path)
    (tmp_path / "again.py").write_text(AGAIN)
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "again.py", "script.py", *options]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env=test_train_job.variables(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    assert sorted(path.name for path in tmp_path.glob("end_*")) == ["end_1_0", "end_1_1", "end_2_0", "end_2_1"], done.stdout
    if write is write_job:
        check_job(tmp_path, done.stdout)
    if write is write_quick_start:
        check_quick_start(tmp_path)
    assert not re.search(r"^Traceback", done.stdout, re.MULTILINE), done.stdout
