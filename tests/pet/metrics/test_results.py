import json

import pytest

from pet.metrics.results import write_metrics_json, write_predictions


def test_metrics_are_flat_json_with_null_for_what_is_no_number(tmp_path):
    path = tmp_path / "test" / "metrics.json"
    write_metrics_json(path, {"cls/acc1": 0.9825, "cls/mean_class_acc": float("nan"), "bbox/AP": float("inf")})
    assert json.loads(path.read_text()) == {"cls/acc1": 0.9825, "cls/mean_class_acc": None, "bbox/AP": None}
    assert "NaN" not in path.read_text()


def test_metrics_replace_an_older_file_and_leave_nothing_else(tmp_path):
    path = tmp_path / "metrics.json"
    write_metrics_json(path, {"a": 1.0})
    write_metrics_json(path, {"b": 0.1 + 0.2})
    assert json.loads(path.read_text()) == {"b": 0.1 + 0.2}
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.json"]


def test_predictions_are_written_as_they_come(tmp_path):
    path = tmp_path / "test" / "predictions.jsonl"
    taken = []

    def records():
        for number in range(3):
            taken.append(number)
            assert not path.exists()
            yield {"id": number, "file": "bär.png", "scores": [0.5, 0.25]}

    assert write_predictions(path, records()) == 3
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines == [{"id": number, "file": "bär.png", "scores": [0.5, 0.25]} for number in range(3)]


def test_a_failure_keeps_the_older_file(tmp_path):
    path = tmp_path / "predictions.jsonl"
    write_predictions(path, [{"id": 1}])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_predictions(path, [{"id": 2}, {"id": 3, "score": float("nan")}])
    assert path.read_text() == '{"id": 1}\n'
    assert [entry.name for entry in tmp_path.iterdir()] == ["predictions.jsonl"]


def test_no_predictions_give_an_empty_file(tmp_path):
    assert write_predictions(tmp_path / "predictions.jsonl", []) == 0
    assert (tmp_path / "predictions.jsonl").read_text() == ""
