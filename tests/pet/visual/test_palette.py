import cv2
import numpy as np
import pytest

from pet.visual.palette import class_colour, class_colours, text_colour


def lab(colours):
    """Return CIELAB by OpenCV, whose conversion is the reference here."""
    return cv2.cvtColor((colours[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]


def distances(colours):
    points = lab(colours)
    found = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return found[np.triu_indices(len(points), 1)]


def luminance(colour):
    values = np.array(colour) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


# a difference of about 2.3 can just be noticed
@pytest.mark.parametrize(("count", "least"), [(5, 60), (20, 30), (80, 14), (150, 10)])
def test_colours_differ_clearly(count, least):
    assert distances(class_colours(count)).min() > least


def test_the_colour_of_a_class_does_not_depend_on_their_number():
    assert np.array_equal(class_colours(200)[:7], class_colours(7))
    assert class_colour(3) == tuple(class_colours(4)[3].tolist())
    assert class_colours(0).shape == (0, 3)


def test_any_number_of_classes_has_colours():
    many = class_colours(5000)
    assert many.shape == (5000, 3)
    assert len(np.unique(many[:2048], axis=0)) == 2048


def test_no_colour_is_near_black_white_or_gray():
    points = lab(class_colours(500))
    assert points[:, 0].min() > 30
    assert points[:, 0].max() < 95
    assert np.hypot(points[:, 1], points[:, 2]).min() > 20


def test_text_can_be_read_on_every_colour():
    for colour in class_colours(300):
        ground, text = luminance(colour), luminance(text_colour(tuple(int(value) for value in colour)))
        assert (max(ground, text) + 0.05) / (min(ground, text) + 0.05) >= 4.5
