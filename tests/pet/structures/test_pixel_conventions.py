"""Where the pixels of a map lie in a crop, by the published conventions."""

import pytest

from pet.structures.pixel_conventions import CONVENTIONS

CROP, MAPS = (256, 192), (64, 48)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        # of the crop's pixels, whose centres are at 0.5 to 191.5: the middle of the first four and of the last four
        ("pet", 2.0, 190.0),
        # the centre of every fourth
        ("msra", 0.5, 188.5),
        # from the first centre to the last one
        ("udp", 0.5, 191.5),
    ],
)
def test_the_first_and_the_last_pixel_of_a_map(name: str, first: float, last: float) -> None:
    grid = CONVENTIONS[name].grid(CROP, MAPS)
    assert grid.first[0] == first
    assert grid.first[0] + 47 * grid.step[0] == pytest.approx(last)
    # 64 rows of 256, and y as x
    assert grid.first[1] + 63 * grid.step[1] == pytest.approx(last + 64)


def test_lengths_are_counted_between_pixels_or_centres() -> None:
    assert {name: convention.lengths(CROP) for name, convention in CONVENTIONS.items()} == {
        "pet": (192, 256),
        "msra": (192, 256),
        "udp": (191, 255),
    }
