"""Measuring a trained network, and the evaluator behind it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pet.compat.antgo.framework.helper import tester as testing
from pet.compat.antgo.framework.helper.runner.builder import MEASURES
from pet.compat.antgo.framework.helper.trainer import Trainer
from pet.compat.antgo.measures.evaluator import MeasureEvaluator, build_measures
from petlib import distributed
from petlib.checkpoint import Checkpointer
from petlib.config.nested import Component
from petlib.errors import CheckpointError, ConfigError, DataError
from tests.conftest import RunRanks
from tests.pet.compat.antgo.document import TinySquares, tiny_config


class Order:
    """Gives the samples as one number, 0 first."""

    def keys(self) -> dict[str, list[str]]:
        return {"pred": ["number"], "gt": ["number"]}

    def __call__(self, preds: list[dict[str, Any]], gts: list[dict[str, Any]]) -> dict[str, Any]:
        assert [int(pred["number"]) for pred in preds] == [int(gt["number"]) for gt in gts]
        return {"order": np.float32(sum(int(pred["number"]) * 10**place for place, pred in enumerate(preds)))}


class Wrong:
    """Returns what a test says."""

    def __init__(self, returns: Any) -> None:
        self.returns = returns

    def keys(self) -> dict[str, list[str]]:
        return {"pred": ["number"], "gt": ["number"]}

    def __call__(self, preds: list[dict[str, Any]], gts: list[dict[str, Any]]) -> Any:
        return self.returns


def measured(evaluator: MeasureEvaluator, numbers: list[int]) -> dict[str, float]:
    for begin in range(0, len(numbers), 2):
        batch = torch.tensor(numbers[begin : begin + 2])
        evaluator.update({"number": batch, "meta": [{}] * len(batch)}, [{"number": value} for value in batch])
    return evaluator.compute()


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    trainer = Trainer(tiny_config(), folder, device="cpu")
    trainer.config_dataloader(with_validate=True)
    trainer.config_model()
    trainer.start_train(max_epochs=2)
    return folder


def test_the_test_agrees_with_the_evaluation_of_the_training(work_dir: Path) -> None:
    lines = [json.loads(line) for line in (work_dir / "metrics.jsonl").read_text().splitlines()]
    scores = [line["miou"] for line in lines if "miou" in line]
    tester = testing.Tester(
        tiny_config(evaluation={"out_dir": "./results/", "metric": {"type": "SegMIOU", "class_num": 2}}), work_dir, device="cpu"
    )
    tester.config_model()
    assert tester.evaluate()["miou"] == max(scores)
    tester.config_model(work_dir / "model_latest.pth")
    metrics = tester.evaluate()
    assert metrics["miou"] == scores[-1]
    assert json.loads((work_dir / "results" / "metrics.json").read_text()) == pytest.approx(metrics)
    assert (work_dir / "config.yaml").exists(), "the record of the training stays"


def test_the_names_of_the_classes_are_those_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinySquares, "classes", ["background", "square"], raising=False)
    trainer = Trainer(tiny_config(), tmp_path, device="cpu")
    trainer.config_dataloader()
    trainer.config_model()
    trainer.start_train(max_epochs=1)
    assert Checkpointer(tmp_path).read_latest()["names"] == {"classes": ["background", "square"]}  # type: ignore[index]
    tester = testing.Tester(tiny_config(), tmp_path, device="cpu")
    tester.config_model()
    assert "miou" in tester.evaluate()
    monkeypatch.setattr(TinySquares, "classes", ["square", "background"])
    with pytest.raises(DataError, match=r"data.test: classes are background, square \(2\) in the checkpoint and square, background"):
        tester.evaluate()
    trainer.config_dataloader()
    with pytest.raises(CheckpointError, match="classes are background, square"):
        trainer.start_train(max_epochs=2)


def test_what_cannot_be_tested(work_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"call config_model\(checkpoint\) before"):
        testing.Tester(tiny_config(), work_dir, device="cpu").evaluate()
    with pytest.raises(
        CheckpointError, match="there is no model_best.pth and no model_latest.pth; train first, or give the path of a checkpoint"
    ):
        testing.Tester(tiny_config(), tmp_path, device="cpu").config_model()
    model = tiny_config()["model"]
    wider = {**model, "decode_head": {**model["decode_head"], "out_channels": 3}}
    with pytest.raises(CheckpointError, match="another architecture.*\n.*mismatched: network.decode_head"):
        testing.Tester(tiny_config(model=wider), work_dir, device="cpu").config_model()
    data = {name: value for name, value in tiny_config()["data"].items() if name != "test"}
    tester = testing.Tester(tiny_config(data=data), work_dir, device="cpu")
    tester.config_model()
    with pytest.raises(ConfigError, match="data.test: missing"):
        tester.evaluate()


def test_a_measure_gets_all_samples_at_the_end() -> None:
    evaluator = MeasureEvaluator([Order()], save_best="order")
    assert measured(evaluator, [3, 1, 2]) == {"order": 213.0}
    assert evaluator.summary() == "order: 213.0000"


def test_the_shares_of_several_processes_are_joined_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(own: Any) -> list[Any]:
        others = [{"number": np.asarray(number)} for number in (4, 5)]
        return [own, ([], []), (others, others)]

    monkeypatch.setattr("pet.compat.antgo.measures.evaluator.gather_objects", gather)
    assert measured(MeasureEvaluator([Order()]), [1, 2, 3]) == {"order": 54321.0}


@pytest.mark.parametrize(
    ("measures", "save_best", "message"),
    [
        ([Wrong(None)], "", "Wrong returned None, numbers by name expected"),
        ([Wrong({"ap": [0.5, 0.6]})], "", "Wrong returned 'ap' as list, a number expected"),
        ([Wrong({"ap": 0.5})], "map", "evaluation.save_best: 'map' given, but no measure returns it; did you mean ap"),
        ([Wrong({"ap": 0.5}), Wrong({"ap": 0.4})], "", "two measures return ap"),
    ],
)
def test_what_measures_must_return(measures: list[Any], save_best: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        measured(MeasureEvaluator(measures, save_best=save_best), [1])


def test_a_prediction_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="it measures 'number', but forward_test returned numbers; did you mean numbers"):
        MeasureEvaluator([Order()]).update({"number": torch.ones(1), "meta": [{}]}, [{"numbers": torch.ones(())}])


def test_a_class_that_is_no_measure() -> None:
    MEASURES.register_module("NoMeasure")(lambda: {"no": "measure"})
    MEASURES.register_module("NoKeys")(lambda: lambda preds, gts: {})
    with pytest.raises(ConfigError, match="lr.py:3: evaluation.metric: NoMeasure has no keys"):
        build_measures({"evaluation.metric": Component("NoMeasure", {}, "lr.py:3: evaluation.metric")})
    with pytest.raises(ConfigError, match="NoKeys has no keys"):
        build_measures({"evaluation.metric.0": Component("NoKeys", {}, "")})


def train_and_test_twice(folder: str) -> list[dict[str, float]]:
    distributed.destroy_process_group()
    found = []
    for name in ("first", "second"):
        trainer = Trainer(tiny_config(), Path(folder, name), device="cpu")
        trainer.config_dataloader(with_validate=True)
        trainer.config_model()
        trainer.start_train(max_epochs=1)
        tester = testing.Tester(tiny_config(), Path(folder, name), device="cpu")
        tester.config_model()
        found.append(tester.evaluate())
    distributed.init_process_group(torch.device("cpu"), timeout_seconds=30)
    return found


def test_trainings_and_tests_follow_each_other_in_the_same_processes(run_ranks: RunRanks, tmp_path: Path) -> None:
    first, second = run_ranks(train_and_test_twice, 2, str(tmp_path), timeout=120)
    assert first == second, "both ranks have the metrics of all samples"
    assert first[0] == first[1], "a second run repeats the first one exactly"
    assert 0.0 < first[0]["miou"] <= 1.0


def test_the_arguments_of_antgos_own_scripts(work_dir: Path) -> None:
    tester = testing.Tester(tiny_config(), work_dir, -1, distributed=False)
    tester.config_model(checkpoint="", revise_keys=[(r"^module\.", "")], strict=False)
    assert 0.0 <= tester.evaluate()["miou"] <= 1.0
