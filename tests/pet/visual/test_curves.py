import json
import os

import numpy as np
import pytest
from PIL import Image

from pet.visual import draw_run
from pet.visual.curves import draw_curves, find_panels

FIRST_LINE = (31, 119, 180)
SECOND_LINE = (255, 127, 14)


def drawn(tmp_path, records, end=""):
    source = tmp_path / "metrics.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in records) + end)
    draw_curves(source, tmp_path / "curves.png")
    return np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).astype(int)


def curve(picture):
    """Return the places of the first line's pixels, as fractions from 0 to 1 to the right and upwards."""
    rows, columns = np.nonzero(np.abs(picture - np.array(FIRST_LINE)).max(axis=2) < 40)
    plot = columns < 0.72 * picture.shape[1]
    rows, columns = rows[plot], columns[plot]
    return (columns - columns.min()) / np.ptp(columns), 1 - (rows - rows.min()) / np.ptp(rows)


def height_in_the_middle(picture):
    across, up = curve(picture)
    return up[np.abs(across - 0.5) < 0.02].mean()


def test_a_loss_over_decades_is_drawn_on_a_logarithmic_axis(tmp_path):
    picture = drawn(tmp_path, [{"iteration": i, "loss": 100 * 0.95**i} for i in range(100)])
    assert height_in_the_middle(picture) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("last", [0.0, 5.0])
def test_other_losses_are_drawn_on_a_linear_axis(tmp_path, last):
    picture = drawn(tmp_path, [{"iteration": i, "loss": 100 * 0.95**i + 5} for i in range(100)] + [{"iteration": 100, "loss": last}])
    assert height_in_the_middle(picture) < 0.2


def test_each_kind_of_value_has_a_panel(tmp_path):
    training = [{"iteration": i, "epoch": 1, "iter_time": 0.1, "data_time": 0.0, "memory_mb": 10.0, "loss": 1.0 / i} for i in range(1, 9)]
    heights = [drawn(tmp_path, training).shape[0]]
    for more in ({"lr": 0.1}, {"acc1": 0.5}, {"cls/acc1": 0.5, "cls/acc5": 0.9}, {"bbox/AP": 0.3}):
        training = [{**record, **more} for record in training]
        heights.append(drawn(tmp_path, training).shape[0])
    assert np.diff(heights) == pytest.approx(240, abs=15)


def test_null_and_a_line_that_was_cut_off_are_left_out(tmp_path):
    records = [{"iteration": i, "loss": 1.0 - i / 10} for i in range(8)]
    whole = drawn(tmp_path, records)
    with_gaps = drawn(tmp_path, [*records, {"iteration": 8, "loss": None}, {"iteration": 8, "cls/acc1": None}], end='{"iteration": 9, "lo')
    assert np.array_equal(whole, with_gaps)


def test_a_single_evaluation_can_be_seen(tmp_path):
    picture = drawn(tmp_path, [{"iteration": 100, "cls/acc1": 0.9}])
    plot = picture[:, : round(0.72 * picture.shape[1])]
    assert (np.abs(plot - np.array(FIRST_LINE)).max(axis=2) < 40).sum() >= 4


def test_long_names_are_not_cut(tmp_path):
    names = [f"bbox/average_precision_of_a_class_with_a_very_long_name_{index}" for index in range(30)]
    picture = drawn(tmp_path, [{"iteration": i, **dict.fromkeys(names, 0.5)} for i in range(5)])
    border = np.concatenate([picture[:5].ravel(), picture[-5:].ravel(), picture[:, :5].ravel(), picture[:, -5:].ravel()])
    assert border.min() == 255
    assert picture.shape[1] < 1000


def test_an_empty_file_gives_a_picture_that_says_so(tmp_path):
    picture = drawn(tmp_path, [])
    middle = picture[picture.shape[0] // 3 : -picture.shape[0] // 3, picture.shape[1] // 3 : -picture.shape[1] // 3]
    assert (middle.min(axis=2) < 100).sum() > 50


def test_a_run_does_not_fail_because_its_curves_cannot_be_written(tmp_path, caplog):
    (tmp_path / "metrics.jsonl").write_text('{"iteration": 1, "loss": 2.0}\n')
    (tmp_path / f".{os.getpid()}.tmp.curves.png").symlink_to("/dev/full")
    draw_run(tmp_path)
    assert "the curves of the run cannot be drawn: [Errno 28] No space left on device" in caplog.messages


def test_curves_that_lie_on_each_other_are_both_seen(tmp_path):
    # as the loss and its only term, or two metrics at 1
    picture = drawn(tmp_path, [{"iteration": step, "loss": 2.0 / step, "loss_cls": 2.0 / step} for step in range(1, 200)])
    plot = picture[:, : int(0.72 * picture.shape[1])]
    for colour in (FIRST_LINE, SECOND_LINE):
        assert (np.abs(plot - np.array(colour)).max(axis=2) < 40).sum() > 200


def test_counts_have_a_panel_of_their_own():
    series = {name: ([1, 2], values) for name, values in {"track/HOTA": [0.1, 0.2], "track/IDSW": [0, 3], "cls/acc1": [0.5, 0.6]}.items()}
    assert find_panels(series) == [
        ("Evaluation: track", "fraction (0 to 1)", ["track/HOTA"]),
        ("Evaluation: track, identity switches", "count", ["track/IDSW"]),
        ("Evaluation: cls", "fraction (0 to 1)", ["cls/acc1"]),
    ]
