"""Left and right in the names of keypoints and parts."""

import pytest

from pet.data.targets.dataset import swap_from_names


@pytest.mark.parametrize(
    ("names", "swap"),
    [
        (["nose", "left_eye", "right_eye"], (0, 2, 1)),
        (["Left-arm", "torso", "Right-arm", "left leg"], (2, 1, 0, 3)),
        (["eyeLeft", "eyeRight", "LEFT_EAR", "RIGHT_EAR"], (1, 0, 3, 2)),
        (["leftover", "bright", "upright", "left"], (0, 1, 2, 3)),
        (["leftEye", "rightEye", "left", "right"], (1, 0, 3, 2)),
        ([], ()),
    ],
)
def test_names_of_both_sides_swap(names: list[str], swap: tuple[int, ...]) -> None:
    assert swap_from_names(names) == swap
