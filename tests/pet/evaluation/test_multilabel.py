"""Average precision against scikit-learn, and by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from pet.evaluation.multilabel import MultilabelEvaluator
from pet.metrics.multilabel import average_precision


def test_by_hand() -> None:
    # hits at places 1 and 3: (1 / 1 + 2 / 3) / 2
    assert average_precision(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False])) == pytest.approx(5 / 6)
    # all of one score: the share of the class
    assert average_precision(np.zeros(4), np.array([True, False, True, True])) == 0.75
    assert np.isnan(average_precision(np.zeros(4), np.zeros(4, bool)))


def test_as_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, targets = rng.integers(0, 10, 50) / 10, rng.random(50) < 0.3
        assert average_precision(scores, targets) == pytest.approx(average_precision_score(targets, scores))


def test_the_mean_over_the_classes_that_occur(tmp_path: Path) -> None:
    evaluator = MultilabelEvaluator(classes=["a", "b", "c"], keep_predictions=True, prefix="action", suffix="@1x1")
    scores = torch.tensor([[0.9, 0.2, 0.5], [0.8, 0.7, 0.5], [0.7, 0.1, 0.5]])
    targets = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 0, 0]], dtype=torch.uint8)
    for start, stop in ((0, 2), (2, 3)):
        meta = [{"id": index, "file": f"{index}.mp4"} for index in range(start, stop)]
        evaluator.update({"multilabel": targets[start:stop], "meta": meta}, [{"class_scores": row} for row in scores[start:stop]])
    assert evaluator.compute() == {"action/mAP@1x1": pytest.approx((5 / 6 + 1) / 2)}
    assert evaluator.summary() == "test_mAP@1x1: 91.67%"
    evaluator.write(tmp_path)
    assert (tmp_path / "average_precision.csv").read_text().splitlines() == ["class,average precision", "a,0.833333", "b,1.000000", "c,-"]
    assert len((tmp_path / "predictions.jsonl").read_text().splitlines()) == 3


def test_without_samples() -> None:
    evaluator = MultilabelEvaluator(classes=["a"])
    assert np.isnan(evaluator.compute()["cls/mAP"])
    assert evaluator.summary() == "test_mAP: -"
