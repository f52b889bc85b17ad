"""Places on surfaces, as pictures show them."""

import numpy as np
import pytest

from pet.data.targets.drawing import draw_predictions
from pet.visual import DrawSettings
from pet.visual.palette import class_colour

PLAIN = DrawSettings(scale=1.0, boxes=False, labels=False, parsing_alpha=1.0)


def surface(part: int) -> np.ndarray:
    """One object of one part all over its box, u from left to right and v from top to bottom."""
    u, v = np.meshgrid(np.linspace(0, 255, 32), np.linspace(0, 255, 32))
    return np.stack([np.full((32, 32), part), u, v]).astype(np.uint8)


@pytest.mark.parametrize("scores", [[0.9, 0.8], [0.8, 0.9]])
def test_parts_are_tinted_in_chequers_and_the_more_certain_object_is_in_front(scores: list[float]) -> None:
    predictions = {
        "boxes": np.array([[0.0, 0, 64, 64], [32, 0, 96, 64]], np.float32),
        "scores": np.array(scores),
        "labels": np.zeros(2, np.int64),
        "surface": np.stack([surface(1), surface(2)]),
    }
    drawn = draw_predictions(np.zeros((64, 128, 3), np.uint8), predictions, settings=PLAIN)
    assert not drawn[:, 96:].any()
    front = 1 if scores[0] > scores[1] else 2
    # fields of 16 pixels: full colour, then half of it, along both directions
    assert drawn[4, 4].tolist() == list(class_colour(1))
    for row, column in ((4, 20), (20, 4)):
        np.testing.assert_allclose(drawn[row, column], np.array(class_colour(1)) / 2, atol=1)
    assert drawn[20, 20].tolist() == list(class_colour(1))
    assert drawn[4, 36].tolist() == list(class_colour(front)), "nothing of what lies behind shows through"
    assert not draw_predictions(np.zeros((64, 128, 3), np.uint8), predictions, settings=PLAIN._replace(parsing=False)).any()
