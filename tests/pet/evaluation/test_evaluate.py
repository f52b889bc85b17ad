"""Evaluation of a model over the samples of one and of several processes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pet.evaluation import ClassificationEvaluator, Evaluation
from pet.evaluation.loop import evaluate
from petlib import distributed

CLASSES = ["ant", "bee", "cat", "dog", "eel", "fox"]
COUNT = 23


class Linear(nn.Module):
    """Six logits from five numbers; whether it is in training mode can be seen from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 6)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(6, 5, generator=torch.Generator().manual_seed(1)))
            self.layer.bias.zero_()
        self.modes: list[bool] = []

    def forward(self, batch: dict[str, Any]) -> list[dict[str, torch.Tensor]]:
        self.modes.append(self.training)
        return [{"logits": row} for row in self.layer(batch["image"])]


def make_batches(start: int, stop: int, batch_size: int = 4) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(COUNT, 5, generator=generator), torch.randint(0, 6, (COUNT,), generator=generator)
    parts = [range(first, min(first + batch_size, stop)) for first in range(start, stop, batch_size)]
    return [
        {
            "image": images[part.start : part.stop],
            "label": labels[part.start : part.stop],
            "meta": [{"id": 100 + index, "file": f"{index}.png"} for index in part],
        }
        for part in parts
    ]


def build_evaluators(keep_predictions: bool) -> list[ClassificationEvaluator]:
    return [ClassificationEvaluator(classes=CLASSES, num_classes=6, keep_predictions=keep_predictions)]


def run_share(folder: str) -> dict[str, float]:
    rank, world_size = distributed.rank(), distributed.world_size()
    batches = make_batches(rank * COUNT // world_size, (rank + 1) * COUNT // world_size)
    return Evaluation(loader=batches, build_evaluators=build_evaluators).test(Linear(), Path(folder))


def test_metrics_are_those_of_all_samples() -> None:
    model, batches = Linear(), make_batches(0, COUNT)
    metrics = evaluate(model, batches, build_evaluators(False))
    logits = torch.cat([model.layer(batch["image"]) for batch in batches])
    labels = torch.cat([batch["label"] for batch in batches])
    assert metrics["cls/acc1"] == pytest.approx((logits.argmax(dim=1) == labels).double().mean().item())
    in_five = (logits.topk(5).indices == labels[:, None]).any(dim=1)
    assert metrics["cls/acc5"] == pytest.approx(in_five.double().mean().item())


@pytest.mark.parametrize("was_training", [True, False])
def test_the_mode_of_the_model_returns(was_training: bool) -> None:
    model = Linear().train(was_training)
    evaluate(model, make_batches(0, COUNT), build_evaluators(False))
    assert not any(model.modes)
    assert model.training == was_training


def test_results_of_a_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = run_share(str(tmp_path))
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    records = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert [record["id"] for record in records] == list(range(100, 100 + COUNT))
    logits = Linear().layer(torch.cat([batch["image"] for batch in make_batches(0, COUNT)]))
    scores, best = logits.softmax(dim=1).topk(5)
    assert [record["top5"] for record in records] == best.tolist()
    assert [record["prediction"] for record in records] == best[:, 0].tolist()
    assert [record["score"] for record in records] == pytest.approx(scores[:, 0].tolist(), abs=1e-6)
    assert records[3]["file"] == "3.png"
    right = sum(record["prediction"] == record["label"] for record in records)
    assert metrics["cls/acc1"] == pytest.approx(right / COUNT)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"test_acc1: {metrics['cls/acc1']:.2%} | test_acc5: {metrics['cls/acc5']:.2%}"


def test_tables_and_picture_of_a_test(tmp_path: Path) -> None:
    metrics = run_share(str(tmp_path))
    with (tmp_path / "confusion_matrix.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["label", *CLASSES]
    counts = [[int(value) for value in row[1:]] for row in rows]
    assert sum(map(sum, counts)) == COUNT
    assert sum(counts[number][number] for number in range(6)) / COUNT == pytest.approx(metrics["cls/acc1"])
    with (tmp_path / "per_class_accuracy.csv").open() as file:
        accuracies = {row["class"]: row for row in csv.DictReader(file)}
    assert int(accuracies["cat"]["samples"]) == sum(counts[2])
    assert float(accuracies["cat"]["accuracy"]) == pytest.approx(counts[2][2] / sum(counts[2]), abs=1e-6)
    assert (tmp_path / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("world_size", [2, 3])
def test_several_processes_give_the_result_of_one(world_size: int, run_ranks: Any, tmp_path: Path) -> None:
    alone = run_share(str(tmp_path / "alone"))
    results = run_ranks(run_share, world_size, str(tmp_path / "together"))
    assert results == [alone] * world_size
    for name in ("metrics.json", "predictions.jsonl", "confusion_matrix.csv"):
        assert (tmp_path / "together" / name).read_text() == (tmp_path / "alone" / name).read_text()


def evaluate_sharded() -> tuple[dict[str, float], int]:
    model = Linear()
    distributed.parallelize(model, "fsdp", device=torch.device("cpu"))
    batches = make_batches(0, 12) if distributed.rank() == 0 else make_batches(12, 16)
    return evaluate(model, batches, build_evaluators(False)), len(model.modes)


def test_sharded_processes_keep_pace_with_each_other(run_ranks: Any) -> None:
    alone = evaluate(Linear(), make_batches(0, 16), build_evaluators(False))
    assert run_ranks(evaluate_sharded, 2) == [(alone, 3), (alone, 3)]


def test_more_outputs_than_class_names() -> None:
    evaluator = ClassificationEvaluator(classes=["ant", "bee"], num_classes=6)
    metrics = evaluate(Linear(), make_batches(0, COUNT), [evaluator])
    assert 0 <= metrics["cls/acc1"] <= 1
    assert evaluator.classes == ["ant", "bee", "2", "3", "4", "5"]
