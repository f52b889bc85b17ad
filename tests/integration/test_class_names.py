"""The classes of a checkpoint go by name: tests, predictions, checks and a continued training, from the command line."""

import json
from pathlib import Path

import pytest
import torch

from tests.integration.conftest import ROOT, Done
from tests.integration.many_runs import run_many
from tests.pet.data.named_files import write_folders

NAMES = ["ant", "bee", "cat"]
SHORT = [
    "MODEL.BACKBONE=timm/test_resnet",
    "TRAIN.WEIGHTS=",
    "ANALYSER.ENABLED=False",
    "MISC.TENSORBOARD=False",
    "SOLVER.SCHEDULER.TOTAL_EPOCHS=1",
    "SOLVER.SCHEDULER.WARM_UP_EPOCHS=0",
    "TRAIN.NUM_WORKERS=0",
    "TEST.NUM_WORKERS=0",
    "TRAIN.BATCH_SIZE=3",
    "TRAIN.RESIZE.SCALES=[32]",
    "TEST.RESIZE.SCALES=[32]",
]


def line(folder: Path, val: Path, *options: str) -> list[str | Path]:
    config = ROOT / "cfgs/tasks/cls/finetune_resnet18.yaml"
    data = [f"TRAIN.DATASETS=[{folder}/train]", f"TEST.DATASETS=[{val}]", f"MISC.CKPT={folder}/run", "DATA.ALLOW_OUTSIDE=True"]
    return ["--cfg", config, *options, *SHORT, *data]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """The folder of a training, and how what came after it ended, by what it was."""
    folder = tmp_path_factory.mktemp("names")
    write_folders(folder / "train", NAMES)
    write_folders(folder / "val", NAMES)
    write_folders(folder / "renamed", ["ant", "cat", "dog"])
    (folder / "some.txt").write_text("val/cat/1.png cat\nval/bee/1.png bee\n")
    done: dict[str, Done] = {}
    (done["training"],) = run_many([("tasks/cls/train_net.py", line(folder, folder / "val"))], folder)
    done["training"].succeeded()
    # a class is called otherwise from here on, in the training data too
    (folder / "train" / "bee").rename(folder / "train" / "dog")
    images = ["--images", str(folder / "val" / "bee"), "--out", str(folder / "found"), "--weights", str(folder / "run/model_latest.pth")]
    later = {
        "test": ("test_net.py", line(folder, folder / "val")),
        "a list that lacks a class": ("test_net.py", line(folder, folder / "some.txt", "MISC.SEED=1")),
        "renamed": ("test_net.py", line(folder, folder / "renamed")),
        "continued": ("tasks/cls/train_net.py", line(folder, folder / "renamed")),
        "inference": ("inference.py", line(folder, folder / "renamed", *images)),
        "check": ("data/check.py", line(folder, folder / "renamed")),
    }
    results = []
    for name, command in later.items():
        done[name] = run_many([command], folder)[0]
        if (folder / "run/test").exists():
            (folder / "run/test").rename(folder / f"test of {name}")
        results.append(name)
    return folder, done


def predictions(folder: Path) -> dict[str, tuple[int, int]]:
    records = [json.loads(text) for text in (folder / "predictions.jsonl").read_text().splitlines()]
    return {record["file"]: (record["label"], record["prediction"]) for record in records}


def test_the_checkpoint_has_the_names(outcomes: tuple[Path, dict[str, Done]]) -> None:
    saved = torch.load(outcomes[0] / "run" / "model_latest.pth", weights_only=True)
    assert saved["names"] == {"label": NAMES}


def test_a_test_goes_by_the_names_of_the_checkpoint(outcomes: tuple[Path, dict[str, Done]]) -> None:
    folder, done = outcomes
    done["test"].succeeded()
    done["a list that lacks a class"].succeeded()
    whole = predictions(folder / "test of test")
    assert [label for label, _ in whole.values()] == [0, 1, 2]
    some = predictions(folder / "test of a list that lacks a class")
    assert {Path(file).parent.name: found for file, found in some.items()} == {
        Path(file).parent.name: found for file, found in whole.items() if "ant" not in file
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("renamed", "renamed has classes that the training does not know: dog (1 times); the first is in "),
        ("continued", "label are ant, bee, cat (3) in the checkpoint and ant, cat, dog (3) in the data"),
    ],
)
def test_other_names_are_one_message(name: str, message: str, outcomes: tuple[Path, dict[str, Done]]) -> None:
    done = outcomes[1][name]
    assert done.code == 2, done.output
    assert message in done.output
    assert done.output.count("error: ") == 1
    assert "Traceback" not in done.output


def test_predictions_have_the_names_of_the_checkpoint(outcomes: tuple[Path, dict[str, Done]]) -> None:
    folder, done = outcomes
    done["inference"].succeeded()
    record = (folder / "found" / "1.json").read_text()
    assert '"bee"' in record
    assert '"dog"' not in record


def test_the_check_says_that_the_run_cannot_be_continued(outcomes: tuple[Path, dict[str, Done]]) -> None:
    done = outcomes[1]["check"]
    assert done.code == 1, done.output
    assert "the run in MISC.CKPT cannot be continued on these data" in done.output
    assert "label are ant, bee, cat (3) in the checkpoint and ant, cat, dog (3) in the data" in done.output
