import json
from pathlib import Path

import numpy as np
import pytest

from pet.visual.charts import Line, LineChart, Table, as_record, make_calibration, make_confusion, make_histogram, write_charts


def test_charts_become_json_without_numbers_that_it_lacks(tmp_path: Path) -> None:
    write_charts(tmp_path / "charts.json", [Table("t", ["class", "x %"], [["a", np.float32(0.5)], ["b", float("nan")]])])
    assert json.loads((tmp_path / "charts.json").read_text()) == [
        {"kind": "table", "title": "t", "columns": ["class", "x %"], "rows": [["a", 0.5], ["b", None]], "note": ""}
    ]


def test_long_lines_are_thinned_out_and_keep_their_ends() -> None:
    x = np.arange(100_000.0)
    (line,) = as_record(LineChart("t", "x", "y", [Line("a", x, x)]))["lines"]
    assert len(line["x"]) == 400
    assert (line["x"][0], line["x"][-1]) == (0, 99_999)


def test_calibration_is_the_share_of_right_ones_in_each_bin() -> None:
    chart = make_calibration(np.array([0.11, 0.13, 0.95, 0.97]), np.array([False, True, True, True]), what="samples")
    model, perfect = chart.lines
    assert list(model.x) == pytest.approx([0.12, 0.96])
    assert list(model.y) == [0.5, 1]
    assert list(perfect.x) == list(perfect.y) == [0, 1]
    assert "error 0.210:" in chart.note


def test_histograms_of_scores_span_the_whole_axis() -> None:
    chart = make_histogram("t", "score", {"right": np.array([0.4, 0.41]), "wrong": np.zeros(0)}, bins=10)
    assert (chart.edges[0], chart.edges[-1]) == (0, 1)
    assert (sum(chart.counts["right"]), sum(chart.counts["wrong"])) == (2, 0)


def test_of_many_classes_the_most_confused_ones_are_shown() -> None:
    counts = np.diag(np.full(100, 5))
    counts[7, 93] = 4
    matrix = make_confusion("t", [str(place) for place in range(100)], counts)
    assert len(matrix.names) == 60
    assert matrix.counts[list(matrix.names).index("7")][list(matrix.names).index("93")] == 4
