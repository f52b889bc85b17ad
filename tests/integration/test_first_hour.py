"""docs/first_hour.md: one command from a folder to a model, in an empty folder."""

import json
import re
import time
from pathlib import Path

import pytest

import pet
from pet.autoconfig.drawn_sets import DRAWN_SETS
from tests.integration.conftest import ROOT, Done, run_command
from tests.pet.autoconfig.folders import CLASSES, MAKERS

PAGE = (ROOT / "docs" / "first_hour.md").read_text(encoding="utf-8")
SHORT = ["MISC.TENSORBOARD=False", "ANALYSER.ENABLED=False", "TRAIN.NUM_WORKERS=0", "TEST.NUM_WORKERS=0"]
OF_EACH_TASK = ("coco_keypoints", "pairs")
"""Formats whose trainings every change waits for; ``test_one_command_trains_and_the_config_goes_on`` has the classes, the night all."""


def call(command: str, folder: Path, *words: str) -> Done:
    """Run an installed command in a folder, without a network and without a GPU."""
    variables = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "no_cache"), "CUDA_VISIBLE_DEVICES": ""}
    return run_command(f"pet-{command}", *words, folder=folder, variables=variables, timeout=900)


def test_one_command_trains_and_the_config_goes_on(tmp_path: Path) -> None:
    MAKERS["classes"](tmp_path / "fruit")
    done = call("train", tmp_path, "--data", "fruit", "--epochs", "1", *SHORT).succeeded()
    assert [line.partition(":")[0] for line in done.output.splitlines()[:5]] == ["data", "task", "model", "training", "config"]
    config = "cfgs/tasks/cls/fruit.yaml"
    assert (tmp_path / "ckpts/tasks/cls/fruit/model_best.pth").is_file()
    assert "test_acc1: " in call("test", tmp_path, "--cfg", config).succeeded().output
    again = call("train", tmp_path, "--data", "fruit", "--epochs", "1", *SHORT).succeeded().output
    assert f"config:   {config}, which an earlier call wrote" in again
    assert "continuing from iteration" in again


def train_two_iterations(name: str, folder: Path) -> str:
    """Write the data of a format, train on them, and return the path of the config below ``cfgs`` without its ending."""
    MAKERS[name](folder / name)
    length = ["SOLVER.SCHEDULER.TOTAL_EPOCHS=0", "SOLVER.SCHEDULER.TOTAL_ITERS=2"]
    call("train", folder, "--data", name, "--epochs", "1", *SHORT, *length).succeeded()
    (config,) = (folder / "cfgs").rglob("*.yaml")
    return config.relative_to(folder / "cfgs").with_suffix("").as_posix()


@pytest.mark.parametrize("name", OF_EACH_TASK)
def test_data_of_each_task_train(name: str, tmp_path: Path) -> None:
    run = train_two_iterations(name, tmp_path)
    assert (tmp_path / "ckpts" / run / "model_latest.pth").is_file()


@pytest.mark.nightly
@pytest.mark.parametrize("name", MAKERS)
def test_data_of_each_format_train_are_tested_and_predicted(name: str, tmp_path: Path) -> None:
    run = train_two_iterations(name, tmp_path)
    tested = call("test", tmp_path, "--cfg", f"cfgs/{run}.yaml", "MISC.TENSORBOARD=False").succeeded()
    assert "Traceback" not in tested.output
    figures = json.loads((tmp_path / "ckpts" / run / "test" / "metrics.json").read_text(encoding="utf-8"))
    assert figures
    model = pet.load(tmp_path / "ckpts" / run, device="cpu")
    (image, *_) = sorted(path for path in (tmp_path / name).rglob("*") if path.suffix == (".png" if name == "pairs" else ".jpg"))
    found = model.predict(image, tmp_path / name / "B" / image.name if name == "pairs" else None)
    assert found.draw().shape[2] == 3
    assert json.dumps(found.to_dict())
    pixels = {"pairs": ["background", "foreground"], "label_images": ["background", "class_1", "class_2"]}
    pixels["label_images_in_one_folder"] = ["nothing", *CLASSES]
    assert list(model.names.semseg_classes if name in pixels else model.names.classes) == pixels.get(name, [*CLASSES])


@pytest.mark.nightly
def test_a_time_is_kept(tmp_path: Path) -> None:
    began = time.monotonic()
    done = call("train", tmp_path, "--data", "digits", "--time", "200s").succeeded()
    taken = time.monotonic() - began
    print(f"{taken:.0f} s of 200 s")
    # others may begin or end to work on the same cores after the speed was measured
    assert 100 < taken < 400
    assert re.search(r"^training: \d+ iterations of [\d.]+ s fit into 200 s$", done.output, re.MULTILINE)


def test_a_folder_that_is_not_recognised_ends_with_one_message(tmp_path: Path) -> None:
    (tmp_path / "nothing" / "here").mkdir(parents=True)
    done = call("train", tmp_path, "--data", "nothing")
    assert done.code == 2
    assert done.output.startswith(
        "error: nothing: no format of data is recognised; it has the folders here, and no files. One of these is expected:"
    )
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "digits", "--time", "ten"], "'ten' given, a time expected: 90s, 10m or 2h"),
        (["--data", "digits", "--epochs", "0"], "'0' given, a whole number from 1 on expected"),
        (["--data", "digits", "--epochs", "1", "--time", "1m"], "not allowed with argument"),
        (["--data", "digits", "MODEL.BACKBON=x"], "MODEL.BACKBON"),
    ],
)
def test_mistakes_on_the_command_line_are_reported(words: list[str], message: str, tmp_path: Path) -> None:
    done = call("train", tmp_path, *words)
    assert done.code == 2
    assert message in done.output


def test_the_page_names_what_there_is() -> None:
    assert re.findall(r"^    (pet-train .*)$", PAGE, re.MULTILINE) == [
        "pet-train --data flowers",
        "pet-train --data FOLDER [--model NAME] [--epochs N | --time 10m] [--name NAME] [KEY VALUE ...]",
    ]
    line = next(line for line in PAGE.splitlines() if "in place of a folder" in line)
    assert re.findall(r"`(\w+)`", line) == list(DRAWN_SETS)
