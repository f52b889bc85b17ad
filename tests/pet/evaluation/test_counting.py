import csv

import pytest
import torch

from pet.evaluation.counting import CountEvaluator, read_interval
from pet.metrics.counting import Interval
from petlib.errors import DataError


def batch_of(*images):
    """Images by index: true dots."""
    metas = [{"index": index, "id": f"im{index}", "size": (16, 16)} for index, _ in images]
    return {"meta": metas, "truth_dots": [torch.tensor(dots, dtype=torch.float32).reshape(-1, 2) for _, dots in images]}


def density(values):
    values = torch.tensor(values)
    return {"count": values.sum(), "density": values, "density_cell": torch.tensor([8.0, 8.0])}


def test_counts_of_densities_are_measured_against_the_dots_of_the_file(tmp_path, caplog):
    evaluator = CountEvaluator(interval=Interval(1.0))
    evaluator.update(batch_of((1, [[1, 1], [2, 2]]), (0, [])), [density([[1.0, 0.0], [0.0, 0.0]]), density([[0.5, 0.0], [0.0, 0.0]])])
    metrics = evaluator.compute()
    assert metrics["count/MAE"] == pytest.approx(0.75) and metrics["count/bias"] == pytest.approx(-0.25)
    assert metrics["count/always_the_mean"] == pytest.approx(1.0)
    assert metrics["count/MAE/0"] == pytest.approx(0.5) and metrics["count/MAE/1-100"] == pytest.approx(1.0)
    # the density is even in its cell, the dots are in its first quarter
    assert metrics["count/GAME1"] == pytest.approx((1.0 + 0.5) / 2)
    assert metrics["count/GAME2"] == pytest.approx(((2 - 0.25) + 0.75 + 0.5) / 2)
    assert metrics["count/coverage"] == pytest.approx(1.0)
    evaluator.write(tmp_path)
    rows = list(csv.DictReader((tmp_path / "counts.csv").read_text().splitlines()))
    assert [(row["image"], row["truth"], row["count"]) for row in rows] == [("im0", "0", "0.5000"), ("im1", "2", "1.0000")]
    assert evaluator.summary().startswith("test_MAE: 0.75 | RMSE: 0.79 | NAE: 0.500 | bias: -0.25 | always the mean: 1.00 | coverage")
    assert "no better" not in caplog.text


def test_places_of_dots_are_measured_within_each_radius_and_a_useless_model_is_reported(caplog):
    evaluator = CountEvaluator(radii=[2, 8])
    predictions = [
        {"count": torch.tensor(2.0), "dots": torch.tensor([[1.0, 2.0], [9.0, 9.0]]), "dot_scores": torch.tensor([0.9, 0.6])},
        {"count": torch.tensor(0.0), "dots": torch.zeros(0, 2), "dot_scores": torch.zeros(0)},
    ]
    evaluator.update(batch_of((0, [[1, 1], [5, 9]]), (1, [[4, 4]])), predictions)
    metrics = evaluator.compute()
    assert metrics["dots/precision@2"] == pytest.approx(1 / 2) and metrics["dots/recall@2"] == pytest.approx(1 / 3)
    assert metrics["dots/F1@8"] == pytest.approx(2 * 2 / 5)
    # the unit is the distance of the two dots, root of 80: found ones are 0.11 and 0.45 of it away
    assert [metrics[f"dots/nAP@{share}"] for share in (0.05, 0.25, 0.5)] == pytest.approx([0, 1 / 3, 2 / 3])
    assert metrics["dots/nAP"] == pytest.approx((2 * 0 + 6 * 1 / 3 + 2 * 2 / 3) / 10)
    assert "the counts are no better (MAE 0.50) than always answering the mean (0.50)" in caplog.text
    assert evaluator.summary().endswith("F1@2: 40.00% | F1@8: 80.00%")


def test_tables_of_a_test_calibrate_intervals(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text("image,truth,count\n" + "".join(f"{number},{number},{number + 1}\n" for number in range(20)))
    assert 0 < read_interval(path, 0.9).width < 1
    with pytest.raises(DataError, match="20 images, but intervals that hold 0.99 of the counts need at least 99"):
        read_interval(path, 0.99)
    path.write_text("image,number\n1,2\n")
    with pytest.raises(DataError, match=r"counts\.csv: columns 'truth' and 'count' with numbers expected"):
        read_interval(path, 0.9)
