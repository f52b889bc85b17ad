import sys

import numpy as np
import pytest
import torch
from PIL import Image

from pet.visual.confusion_matrix import draw_confusion_matrix

DARKEST = (8, 48, 107)
GREY = (217, 217, 217)


def drawn(tmp_path, matrix, classes):
    path = tmp_path / "new" / "confusion.png"
    draw_confusion_matrix(matrix, classes, path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def has_colour(picture, colour):
    return np.abs(picture - np.array(colour)).max(axis=2) <= 2


def cells(picture, colour, number):
    """Return the (row, column) of cells whose greater part has a colour, and the share of each that has it."""
    dark = has_colour(picture, colour)
    top, bottom, left, right = frame(picture)
    rows, columns = np.linspace(top, bottom, number + 1), np.linspace(left, right, number + 1)
    found = {}
    for row in range(number):
        for column in range(number):
            cell = dark[round(rows[row]) + 2 : round(rows[row + 1]) - 1, round(columns[column]) + 2 : round(columns[column + 1]) - 1]
            if cell.mean() > 0.5:
                found[row, column] = cell.mean()
    return found


def frame(picture):
    """Return top, bottom, left and right of the matrix, whose frame has the longest black lines but for the colour bar's."""
    black = has_colour(picture, (0, 0, 0))
    columns = np.flatnonzero(black.sum(axis=0) > 0.9 * black.sum(axis=0).max())
    rows = np.flatnonzero(black.sum(axis=1) > 0.9 * black.sum(axis=1).max())
    return rows[0], rows[-1], columns[0], columns[-1]


@pytest.mark.parametrize("number", [2, 10, 40])
def test_the_diagonal_is_dark_where_all_is_correct(tmp_path, number):
    picture = drawn(tmp_path, np.eye(number, dtype=int) * 7, [f"class {index}" for index in range(number)])
    assert sorted(cells(picture, DARKEST, number)) == [(index, index) for index in range(number)]


def test_rows_are_true_classes_from_the_top(tmp_path):
    picture = drawn(tmp_path, torch.tensor([[0, 0, 4], [0, 4, 0], [0, 4, 0]]), ["a", "b", "c"])
    assert sorted(cells(picture, DARKEST, 3)) == [(0, 2), (1, 1), (2, 1)]


def test_a_class_without_samples_has_a_grey_row(tmp_path):
    picture = drawn(tmp_path, np.diag([5, 0, 5]), ["a", "b", "c"])
    assert sorted(cells(picture, GREY, 3)) == [(1, 0), (1, 1), (1, 2)]


def test_rare_confusions_can_be_seen(tmp_path):
    matrix = np.diag([100] * 30)
    matrix[0] = 0
    matrix[0, [0, 20]] = 98, 2
    picture = drawn(tmp_path, matrix, [str(index) for index in range(30)])
    top, bottom, left, right = frame(picture)
    side = (right - left) / 30
    rare, none = (picture[round(top + side / 2), round(left + (column + 0.5) * side)].sum() for column in (20, 21))
    assert none - rare > 30


def test_cells_hold_numbers_only_where_there_are_few_classes(tmp_path):
    few, many = (
        cells(drawn(tmp_path, np.eye(number, dtype=int) * 88, [str(index) for index in range(number)]), DARKEST, number)
        for number in (10, 30)
    )
    assert max(few.values()) < 0.99
    assert min(many.values()) > 0.99


@pytest.mark.parametrize("number", [2, 10, 100])
def test_long_names_are_not_cut(tmp_path, number):
    names = [f"a rather long name of a class of things that was given the number {index}" for index in range(number)]
    picture = drawn(tmp_path, np.eye(number, dtype=int), names)
    border = np.concatenate([picture[:5].ravel(), picture[-5:].ravel(), picture[:, :5].ravel(), picture[:, -5:].ravel()])
    assert border.min() == 255
    top, bottom, left, right = frame(picture)
    assert (right - left) / picture.shape[1] > 0.45
    # the names are left of the matrix and below it
    assert (picture[top:bottom, : left - 6].min(axis=(1, 2)) < 100).sum() > 5 * min(number, 20)
    assert (picture[bottom + 6 :, left:right].min(axis=(0, 2)) < 100).sum() > 5 * min(number, 20)


def test_the_picture_does_not_grow_with_the_names_or_without_end(tmp_path):
    shapes = [drawn(tmp_path, np.eye(3, dtype=int), ["x" * length] * 3).shape for length in (40, 4000)]
    assert shapes[0] == shapes[1]
    assert max(drawn(tmp_path, np.eye(1500, dtype=int), [str(index) for index in range(1500)]).shape) < 2600


def test_names_are_text_and_no_formulas(tmp_path):
    picture = drawn(tmp_path, np.eye(2, dtype=int), [r"$\frac{$", "a\nb $"])
    assert len(cells(picture, DARKEST, 2)) == 2


def test_characters_that_no_font_has_are_reported_in_one_line(tmp_path, caplog, recwarn):
    drawn(tmp_path, np.eye(2, dtype=int), ["\U00013000\U00013001", "b"])
    assert [str(warning.message) for warning in recwarn] == []
    assert caplog.text.count("no installed font has all characters") == 1


def test_pyplot_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert drawn(tmp_path, np.zeros((2, 2), dtype=int), ["a", "b"]).shape[2] == 3


def test_matrix_and_names_have_to_fit(tmp_path):
    with pytest.raises(AssertionError, match=r"2 classes and a matrix of shape \(3, 3\)"):
        draw_confusion_matrix(np.eye(3, dtype=int), ["a", "b"], tmp_path / "confusion.png")
