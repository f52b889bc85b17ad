"""Windows cover an image without gaps and stay inside of it."""

import numpy as np
import pytest

from pet.data.files.windows import Window, check_window, window_starts, windows_of
from petlib.errors import ConfigError


def test_the_last_window_ends_at_the_border() -> None:
    assert window_starts(10, 4, 2) == [0, 2, 4, 6]
    assert window_starts(11, 4, 2) == [0, 2, 4, 6, 7]
    assert window_starts(4, 4, 2) == [0]
    assert window_starts(3, 4, 2) == [0]
    assert window_starts(5, 4, 4) == [0, 1]


def test_windows_cover_every_pixel_and_none_beyond() -> None:
    covered = np.zeros((7, 10), int)
    windows = list(windows_of((7, 10), 4, 3))
    for top, left, height, width in windows:
        assert (height, width) == (4, 4)
        covered[top : top + height, left : left + width] += 1
    assert covered.min() >= 1
    assert len(windows) == len(set(windows)) == 2 * 3


def test_a_short_side_is_taken_whole() -> None:
    assert list(windows_of((3, 6), 4, 2)) == [Window(0, 0, 3, 4), Window(0, 2, 3, 4)]


@pytest.mark.parametrize(("window", "stride", "distance"), [(512, 0, 256), (512, 512, 512), (0, 0, 1), (1, 0, 1)])
def test_half_a_window_is_the_usual_distance(window: int, stride: int, distance: int) -> None:
    assert check_window(window, stride) == distance


@pytest.mark.parametrize(("window", "stride"), [(-1, 0), (4, -2), (4, 5), (0, 3)])
def test_wrong_windows_are_reported(window: int, stride: int) -> None:
    with pytest.raises(ConfigError, match=f"window {window} and stride {stride} given"):
        check_window(window, stride)
