"""pet-search with a planted training that takes no time: choices, pruning, interruptions, messages."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import pet.vision.config
from pet.search.loop import Search, Slot
from pet.search.results import describe_search
from pet.search.space import Dimension, read_space
from pet.search.study import SearchStudy
from pet.search.trial_config import Around, check_space
from pet.search.trial_run import TrialRun, first_metric, read_evaluations
from petlib.config import ConfigError, load_cfg
from petlib.errors import OutputError
from tests.integration.conftest import DIGITS

LEARNING_RATE = Dimension("SOLVER.OPTIMIZER.BASE_LR", low=0.001, high=1.0, log=True)
NESTEROV = Dimension("SOLVER.OPTIMIZER.NESTEROV", choices=(True, False))

# evaluates four times; what it reaches depends on the rate, and each evaluation is a little better
TRAINING = """
import json, math, pathlib, signal, sys, time
folder, rate, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
if rate < 0:
    sys.exit("the loss is not finite")
folder.mkdir(exist_ok=True)
log = folder / "metrics.jsonl"
done = log.read_text().count("cls/acc1") if log.exists() else 0
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
for number in range(done + 1, 5):
    with log.open("a") as file:
        print(json.dumps({"iteration": number * 10, "lr": rate, "loss": 1.0}), file=file)
        print(json.dumps({"iteration": number * 10, "cls/acc1": 1 - abs(math.log10(rate / 0.1)) / 4 + number / 1000}), file=file)
    time.sleep(seconds)
"""


def make_study(folder: Path, *, prunes: bool = True, seed: int = 3, around: Mapping[str, Any] = MappingProxyType({})) -> SearchStudy:
    pytest.importorskip("optuna")
    folder.mkdir(exist_ok=True)
    return SearchStudy(folder, dimensions=[LEARNING_RATE, NESTEROV], around=around, greater=True, seed=seed, prunes=prunes)


def make_search(study: SearchStudy, folder: Path, *, trials: int, seconds: float = 0.0, slots: int = 2, lines: list[str]) -> Search:
    def begin(path: Path, point: Mapping[str, Any], slot: Slot) -> TrialRun:
        words = [str(path), str(point[LEARNING_RATE.key]), str(seconds)]
        return TrialRun(folder=path, command=[sys.executable, "-c", TRAINING, *words], environment={}, metric="")

    return Search(
        study=study, folder=folder, slots=slots * [Slot()], trials=trials, seconds=None, begin=begin, greater=True, say=lines.append
    )


def test_a_search_finds_the_better_settings_and_goes_on_with_more_trials(tmp_path: Path) -> None:
    lines: list[str] = []
    study = make_study(tmp_path, prunes=False)
    assert make_search(study, tmp_path, trials=4, lines=lines).run()
    first = study.rows()
    assert [row["state"] for row in first] == 4 * ["finished"]
    study = make_study(tmp_path, prunes=False)
    assert make_search(study, tmp_path, trials=10, lines=lines).run()
    rows, best = study.rows(), study.best()
    assert rows[:4] == first and len(rows) == 10
    assert len({row["point"][LEARNING_RATE.key] for row in rows}) == 10, "a search that goes on does not repeat its choices"
    assert best is not None and 0.02 < best["point"][LEARNING_RATE.key] < 0.5
    assert best["value"] == max(row["value"] for row in rows)
    importance = study.importance()
    assert importance[LEARNING_RATE.key] > importance[NESTEROV.key]
    text = "\n".join(describe_search(study, folder=tmp_path, metric="cls/acc1"))
    assert f"in trial {best['number']}, whose weights are {tmp_path}/trial_{best['number']:03d}/model_best.pth" in text
    elsewhere = "\n".join(describe_search(study, folder=Path("my search"), metric="cls/acc1"))
    assert "train with them: pet-train --cfg 'my search/best.yaml'\n" in elsewhere, "what is printed can be typed"


def test_what_is_worse_than_half_of_the_others_is_pruned(tmp_path: Path) -> None:
    lines: list[str] = []
    study = make_study(tmp_path)
    make_search(study, tmp_path, trials=10, seconds=0.3, slots=4, lines=lines).run()
    rows = study.rows()
    pruned = [row for row in rows if row["state"] == "pruned"]
    assert any(row["evaluations"] < 4 for row in pruned)
    assert sum(row["state"] == "finished" for row in rows) == 10 - len(pruned) >= 5
    assert f"trial {pruned[0]['number']}: worse than half of the others at this evaluation: it ends" in lines
    best = study.best()
    assert best is not None and best["value"] >= max(row["value"] for row in pruned)


def test_a_signal_lets_trials_save_and_the_next_search_continues_them(tmp_path: Path) -> None:
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        # once: a second signal, when the other trial comes as far, would end the search at once
        if "iteration 10" in line and not search.signal_number:
            os.kill(os.getpid(), signal.SIGTERM)

    study = make_study(tmp_path)
    search = make_search(study, tmp_path, trials=2, seconds=0.5, lines=lines)
    search._say = say
    assert not search.run()
    assert search.signal_number == signal.SIGTERM
    cut = study.rows()
    assert [row["state"] for row in cut] == 2 * ["interrupted"]
    again = make_study(tmp_path)
    assert make_search(again, tmp_path, trials=2, lines=lines).run()
    assert [row["state"] for row in again.rows()] == 2 * ["finished"]
    assert [row["point"] for row in again.rows()] == [row["point"] for row in cut]
    assert [one.iteration for one in read_evaluations(tmp_path / "trial_000" / "metrics.jsonl", "cls/acc1")] == [10, 20, 30, 40]


def test_a_search_with_nothing_but_failures_ends(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    dimension = Dimension(LEARNING_RATE.key, low=-2.0, high=-1.0)
    study = SearchStudy(tmp_path, dimensions=[dimension], around={}, greater=True, seed=0, prunes=True)
    lines: list[str] = []
    with pytest.raises(OutputError, match="the first 3 trials failed, see .*: the search ends"):
        make_search(study, tmp_path, trials=9, slots=1, lines=lines).run()
    assert f"trial 0 failed ({tmp_path}/trial_000.log): the loss is not finite" in lines


def test_another_search_in_the_folder_is_refused(tmp_path: Path) -> None:
    make_study(tmp_path, around={"MISC.SEED": 3})
    make_study(tmp_path, around={"MISC.SEED": 3})
    with pytest.raises(ConfigError, match=r"search\.db: the search in this folder has another config: MISC\.SEED was 3 and is 4; choose"):
        make_study(tmp_path, around={"MISC.SEED": 4})


# the space


def digits(*overrides: str) -> Around:
    cfg = load_cfg(pet.vision.config, DIGITS, overrides, type_folder="vision")
    return Around(config=DIGITS, type_folder="vision", task=pet.vision.config, cfg=cfg)


def read(folder: Path, text: str, *overrides: str) -> list[Dimension]:
    path = folder / "space.yaml"
    path.write_text(text)
    found = digits(*overrides)
    dimensions = read_space(path, found.cfg)
    check_space(found, dimensions, path, folder / "checked.yaml")
    return dimensions


def test_a_space_is_read_dotted_and_nested(tmp_path: Path) -> None:
    text = """
SOLVER.OPTIMIZER.BASE_LR: {low: 1e-3, high: 1, log: True}
SOLVER: {OPTIMIZER: {NAME: [SGD, AdamW]}}
TRAIN:
  BATCH_SIZE: {low: 32, high: 128, step: 32}
  RESIZE: {SCALES: [[16], [32]]}
"""
    assert read(tmp_path, text) == [
        Dimension("SOLVER.OPTIMIZER.BASE_LR", low=0.001, high=1, log=True),
        Dimension("SOLVER.OPTIMIZER.NAME", choices=("SGD", "AdamW")),
        Dimension("TRAIN.BATCH_SIZE", low=32, high=128, step=32, whole=True),
        Dimension("TRAIN.RESIZE.SCALES", choices=([16], [32])),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "SOLVER.OPTIMIZER.BAS_LR: [1.0, 2.0]",
            r"space\.yaml:1: .*BAS_LR: unknown key; did you mean SOLVER\.OPTIMIZER\.BASE_LR\?",
        ),
        ("SOLVER.OPTIMIZER.BASE_LR: {low: -1.0, high: 1.0}", r"space\.yaml:1: .*BASE_LR: -1\.0 \(float\) given, at least 0 expected"),
        ("SOLVER.OPTIMIZER.BASE_LR: {low: 1.0, high: 0.1}", "low is 1.0 and high is 0.1; low has to be the smaller one"),
        ("SOLVER.OPTIMIZER.BASE_LR: {low: 0, high: 0.1, log: True}", "a range with log begins above 0 and has no step"),
        ("SOLVER.OPTIMIZER.BASE_LR: {low: 0.1, hihg: 0.2}", "'hihg' is no part of a range; did you mean high"),
        ("SOLVER.OPTIMIZER.BASE_LR: {low: 0.1}", "numbers for low and high expected"),
        ("SOLVER.OPTIMIZER.BASE_LR: 0.1", "0.1 given, a list of values, or a range"),
        ("SOLVER.OPTIMIZER.NAME: [SGD]", "at least two values to choose from expected"),
        ("TRAIN.BATCH_SIZE: {low: 0.5, high: 8}", r"BATCH_SIZE: 0\.5 \(float\) given, int expected"),
        ("SOLVER.SCHEDULER.NAME: [cosine, cosin]", "'cosin' .*given, one of 'step', 'cosine'"),
        ("SOLVER.OPTIMIZER.BETAS: [[0.8, 0.9], [0.9, 0.99]]", "BETAS: it has no effect in any trial: SOLVER.OPTIMIZER.NAME is 'SGD'"),
        ("SOLVER.SCHEDULER.TOTAL_ITERS: {low: 10, high: 20}", r"TOTAL_ITERS = 10: .*exactly one of them must be positive"),
        ("{}", "it names no settings to search"),
    ],
)
def test_mistakes_in_a_space_are_reported(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


def test_a_setting_that_the_command_line_gives_is_not_searched(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"BASE_LR: it is searched here, and the command line gives it the value 0\.1; leave one"):
        read(tmp_path, "SOLVER.OPTIMIZER.BASE_LR: {low: 0.1, high: 1.0}", "SOLVER.OPTIMIZER.BASE_LR=0.1")


def test_a_setting_that_another_dimension_switches_on_has_an_effect(tmp_path: Path) -> None:
    text = "SOLVER.OPTIMIZER.BETAS: [[0.8, 0.9], [0.9, 0.99]]\nSOLVER.OPTIMIZER.NAME: [SGD, AdamW]\n"
    assert len(read(tmp_path, text)) == 2


def test_the_config_of_a_trial_is_the_config_with_its_settings(tmp_path: Path) -> None:
    found = digits("SOLVER.SCHEDULER.TOTAL_EPOCHS=2")
    path = tmp_path / "trial_000.yaml"
    found.write(path, tmp_path / "trial_000", {"SOLVER.OPTIMIZER.BASE_LR": 0.25})
    cfg = load_cfg(pet.vision.config, path, type_folder="vision")
    expected = {
        **found.cfg.flat(),
        "SOLVER.OPTIMIZER.BASE_LR": 0.25,
        "MISC.CKPT": f"{tmp_path}/trial_000",
    }
    assert cfg.flat() == expected
    assert path.read_text().startswith("_TYPE_: vision\n")


@pytest.mark.parametrize(("metric", "values"), [("", [0.5, 0.75]), ("cls/acc5", [0.9, 1.0]), ("cls/none", [])])
def test_evaluations_are_read_without_figures_of_the_training(metric: str, values: list[float], tmp_path: Path) -> None:
    records = [
        {"iteration": 10, "lr": 0.1, "cls/acc1": 0.1},
        {"iteration": 10, "cls/acc1": 0.5, "cls/acc5": 0.9},
        {"iteration": 20, "cls/acc1": 0.75, "cls/acc5": 1.0},
        {"iteration": 30, "cls/acc1": None, "cls/acc5": None},
    ]
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join([*map(json.dumps, records), '{"iteration": 40, "cls/a']))
    assert [one.value for one in read_evaluations(path, metric)] == values
    assert read_evaluations(tmp_path / "missing.jsonl", metric) == []
    assert (first_metric(path), first_metric(tmp_path / "missing.jsonl")) == ("cls/acc1", "")
