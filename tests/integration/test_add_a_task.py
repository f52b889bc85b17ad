"""The task of docs/add_a_task.md is written into an empty folder as the page has it, and every tool runs on it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.conftest import ROOT, Done, environment, run_command
from tests.integration.count_unread import READ_ELSEWHERE
from tests.integration.warm_python import warm_python

PAGE = (ROOT / "docs" / "add_a_task.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^\*\*`(?P<path>[^`]+)`\*\*.*?^```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {block["path"]: block["text"] for block in BLOCK.finditer(PAGE)}
COMMANDS = dict(re.findall(r"^    pet-(\w+) --cfg cfgs/blobs/small.yaml(.*)$", PAGE, re.MULTILINE))
MAKE_PICTURES = re.findall(r"^    ((?:mkdir|python -c) .*)$", PAGE, re.MULTILINE)
CONFIG = "cfgs/blobs/small.yaml"
MOST_FILES, MOST_LINES = 5, 130


def write_task(folder: Path) -> None:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def run(folder: Path, command: str, *options: str, root: Path = ROOT, config: str = CONFIG, launcher: bool = False) -> Done:
    """Run an installed command in a folder."""
    # a launcher lets what it starts find the modules of the folder, other commands find them themselves
    places = [*([folder] if command == "train" and not launcher else []), root / "lib", root]
    variables = {"PYTHONPATH": os.pathsep.join(map(str, places))}
    return run_command(f"pet-{command}", "--cfg", config, *options, folder=folder, variables=variables, timeout=240, launcher=launcher)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the page after its training on two processes, with the picture of the page and two more."""
    folder = tmp_path_factory.mktemp("own")
    write_task(folder)
    for line in MAKE_PICTURES:
        words = [sys.executable if word == "python" else word for word in shlex.split(line)]
        subprocess.run(words, cwd=folder, timeout=120, check=True)
    for number, (y, x) in enumerate([(2, 24), (20, 3)]):
        image = np.random.default_rng(number).integers(0, 80, (32, 32, 3), dtype=np.uint8)
        image[y : y + 4, x : x + 4] = 255
        cv2.imwrite(str(folder / "pictures" / f"{number}.png"), image)
    done = run(folder, "train", *COMMANDS["train"].split())
    done.succeeded()
    assert "2 processes on cpu" in done.output
    return folder


def test_a_task_is_small() -> None:
    lines = sum(len(text.splitlines()) for text in FILES.values())
    assert len(FILES) <= MOST_FILES, sorted(FILES)
    assert lines <= MOST_LINES, lines
    assert set(COMMANDS) == {"train", "test", "export", "inference", "check", "browse"}


def test_it_learns_and_its_test_says_the_same(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "ckpts/blobs/small/metrics.jsonl").read_text().splitlines()]
    accuracies = [line["cls/acc1"] for line in lines if "cls/acc1" in line]
    assert len(accuracies) == 2
    assert accuracies[-1] > 0.95
    done = run(trained, "test", *COMMANDS["test"].split())
    done.succeeded()
    metrics = json.loads((trained / "ckpts/blobs/small/test/metrics.json").read_text())
    assert metrics["cls/acc1"] == max(accuracies)


def test_its_export_predicts_as_the_model_does(trained: Path) -> None:
    pytest.importorskip("onnxruntime")
    done = run(trained, "export", *COMMANDS["export"].split())
    done.succeeded()
    assert "compared with PyTorch on 7 inputs: 4 samples of blobs_test" in done.output
    words = COMMANDS["inference"].split()
    for options in (words, [*words[:-1], "by_file", "--weights", "ckpts/blobs/small/model.onnx"]):
        done = run(trained, "inference", *options)
        done.succeeded()
    for folder in ("found", "by_file"):
        records = [json.loads((trained / folder / f"{name}.json").read_text()) for name in ("blob", "0", "1")]
        assert [record["classes"][0]["class"] for record in records] == ["top right", "top right", "bottom left"]
        assert (trained / folder / "0.jpg").is_file()


def test_its_data_are_checked_and_drawn(trained: Path) -> None:
    done = run(trained, "check", *COMMANDS["check"].split())
    done.succeeded()
    assert "train: blobs_train: 512 samples" in done.output
    assert "a training can read all of it; 0 oddities" in done.output
    done = run(trained, "browse", *COMMANDS["browse"].split())
    done.succeeded()
    for name in ("samples", "train_views"):
        assert cv2.imread(str(trained / "ckpts/blobs/small/data" / f"{name}.png")).shape[1] > 1000


EVERYTHING_ON = [
    *("SOLVER.EMA.ENABLED=True", "SOLVER.AMP.ENABLED=True", "SOLVER.CLIP_GRADIENTS.METHOD=norm", "SOLVER.NONFINITE=rollback"),
    *("TEST.PRECISE_BN.ENABLED=True", "MISC.PROFILER.ENABLED=True", "EVAL.EARLY_STOP.ENABLED=True", "DATA.ON_ERROR=skip"),
    *("SOLVER.SCHEDULER.NAME=step", "FINETUNE.FREEZE_EPOCHS=1"),
    *("TRAIN.WEIGHTS=first.pth", "TRAIN.NUM_WORKERS=0", "TEST.NUM_WORKERS=0", "MISC.CKPT=all_on"),
    *("SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=2", "SOLVER.SCHEDULER.WARM_UP_ITERS=1", "EXPORT.HALF=True"),
    *("EXPORT.HALF_TOLERANCE=1.0", "EXPORT.SIZE=[32, 32]", "EXPORT.SAMPLES=1", "SOLVER.SNAPSHOT_EPOCH=1"),
    *("MISC.TRACKERS=[keeps]", "MISC.IMPORTS=[tests.petlib.trackers.planted]"),
]
COUNT_UNREAD = """
import json, runpy, sys
from argparse import Namespace
from pathlib import Path

import torch

from blobs import config
from pet.commands import browse, check, export_net, inference, test_net
from petlib.config import CfgNode, Key, load_cfg, merge_schemas
from petlib.launch.start.arguments import ScriptArguments

planted, *overrides = sys.argv[1:]
path, unread = Path("cfgs/blobs/small.yaml"), None

class Settings:
    infer_cfg = staticmethod(config.infer_cfg)

    @staticmethod
    def get_base_cfg():
        own = {"MODEL": {planted: Key(1, "Read by nothing.")}} if planted else {}
        return CfgNode(merge_schemas(config.get_base_cfg().schema, own))

def run(main, **options):
    global unread
    cfg = load_cfg(Settings, path, overrides)
    main(cfg, Namespace(cfg=str(path), type=None, weights="", out=None, **options)) if options else main(cfg)
    unread = (set(cfg.flat()) if unread is None else unread) - cfg.read_keys()

script = runpy.run_path("tools/blobs/train_net.py")
torch.save(script["TASK"].build_model(load_cfg(Settings, path)).state_dict(), "first.pth")
run(script["train"])
run(lambda cfg: test_net.test(cfg, ScriptArguments(path)))
run(export_net.export_model, purpose="export")
predict = {"images": "pictures", "images2": "", "window": 0, "polygons": False, "track": None}
run(lambda cfg, options: inference.infer(cfg, Namespace(**{**vars(options), "out": Path("seen")})), **predict)
run(check.check, split="both")
run(browse.browse, split="train", count=1, views=1)
print(json.dumps(sorted(unread)))
"""


# the second finds what is planted and nothing else, so that it says what the first does
@pytest.mark.parametrize("planted", [pytest.param("", marks=pytest.mark.nightly), "PLANTED"])
def test_every_setting_of_it_has_an_effect(trained: Path, planted: str) -> None:
    """All of its settings are read by one of the commands, with every part of a run switched on; one that nothing reads is found."""
    pytest.importorskip("onnxruntime")
    shutil.rmtree(trained / "all_on", ignore_errors=True)
    variables = environment() | {"PYTHONPATH": os.pathsep.join([str(ROOT / "lib"), str(ROOT)])}
    script = trained / "count_unread.py"
    script.write_text(COUNT_UNREAD, encoding="utf-8")
    done = Done(*warm_python().run([script, planted, *EVERYTHING_ON], folder=trained, environment=variables, timeout=240)).succeeded()
    unread = set(json.loads(done.results[-1])) - READ_ELSEWHERE
    assert unread == ({f"MODEL.{planted}"} if planted else set())


def assert_settings_are_checked(folder: Path, root: Path, config: str) -> None:
    """Settings are checked by the launcher, which imports no torch and starts nothing."""
    for option, message in {
        "MODEL.WIDT=16": "MODEL.WIDT: unknown key; did you mean MODEL.WIDTH?",
        "MODEL.NUM_CLASSES=5": "MODEL.NUM_CLASSES: 5 given, but an image has 4 corners",
    }.items():
        done = run(folder, "train", option, root=root, config=config, launcher=True)
        assert done.code == 2, done.output
        assert done.output.count(message) == 1, done.output
        assert "process" not in done.output


def test_its_settings_are_checked_before_anything_starts(tmp_path: Path) -> None:
    write_task(tmp_path)
    assert_settings_are_checked(tmp_path, ROOT, CONFIG)
    done = run(tmp_path, "train", "--dry_run", launcher=True)
    assert f"PYTHONPATH={tmp_path}" in done.output


@pytest.mark.parametrize(
    ("file", "wrong", "message"),
    [
        (
            "blobs/config.py",
            ("pet.config", "pet.confik"),
            "blobs/config.py:3: ModuleNotFoundError: No module named 'pet.confik'\n    from ",
        ),
        ("blobs/task.py", ("class Blobs(", "class Blobs)"), "blobs/task.py:16: SyntaxError: unmatched ')'\n    class Blobs)Dataset):"),
        ("blobs/task.py", ("pet.task", "pet.tusk"), "blobs/task.py:11: ModuleNotFoundError: No module named 'pet.tusk'\n    from "),
        ("blobs/task.py", ("BlobTask()", "BlobTask"), "blobs/task.py:51: TASK is the class BlobTask; an object of a subclass"),
        ("blobs/task.py", ("TASK =", "TUSK ="), "blobs/task.py: it has no TASK; an object of a subclass"),
        ("blobs/config.py", ("get_base_cfg", "get_cfg"), "blobs/config.py: it has no get_base_cfg; the settings of a task have"),
    ],
)
def test_a_mistake_in_its_modules_is_one_message_of_every_command(tmp_path: Path, file: str, wrong: tuple[str, str], message: str) -> None:
    write_task(tmp_path)
    (tmp_path / file).write_text(FILES[file].replace(*wrong), encoding="utf-8")
    for command in ("train", "check"):
        done = run(tmp_path, command, launcher=command == "train")
        assert done.code == 2, done.output
        assert done.output.count(f"{tmp_path}/{message}") == done.output.count("error: ") == 1, done.output
        assert "Traceback" not in done.output


def test_a_task_without_metrics_is_reported_before_it_trains(tmp_path: Path) -> None:
    write_task(tmp_path)
    (tmp_path / "blobs/task.py").write_text(FILES["blobs/task.py"].replace("build_evaluators", "build_evaluator"), encoding="utf-8")
    done = run(tmp_path, "train", launcher=True)
    assert done.code == 2, done.output
    assert done.output.endswith(
        "error: blobs.task.BlobTask has no metrics: it defines no build_evaluators; define it, or leave out TEST.DATASETS\n"
    )
    assert "iter: " not in done.output


@pytest.mark.parametrize("command", ["train", "test", "check"])
def test_a_config_without_a_task_is_reported_in_the_same_words(tmp_path: Path, command: str) -> None:
    write_task(tmp_path)
    (tmp_path / "cfgs/blobs").rename(tmp_path / "cfgs/blob")
    done = run(tmp_path, command, config="cfgs/blob/small.yaml", launcher=command != "check")
    assert done.code == 2, done.output
    assert done.output.startswith("error: cfgs/blob/small.yaml: there is no task for this config\ntried:\n"), done.output
    assert f"  {tmp_path}/blob/config.py\n" in done.output


def test_inside_of_the_repository_no_file_is_edited(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("lib", "pet", "tools"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in {**FILES, "blobs/__init__.py": '"""Which corner has a blob."""\n'}.items():
        place = (
            name.replace("blobs/", "pet/projects/blobs/", 1) if name.startswith("blobs/") else name.replace("/blobs/", "/projects/blobs/")
        )
        assert not (tree / place).exists(), f"{place} exists already"
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        (tree / place).write_text(text.replace("from blobs", "from pet.projects.blobs"), encoding="utf-8")
    config = "cfgs/projects/blobs/small.yaml"
    assert_settings_are_checked(tree, tree, config)
    done = run(tree, "train", "SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=2", root=tree, config=config, launcher=True)
    done.succeeded()
    assert "cls/acc1" in done.output
