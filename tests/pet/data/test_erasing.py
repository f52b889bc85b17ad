"""Covered rectangles."""

from typing import Any

import numpy as np
import pytest

from pet.data.transforms.erasing import RandomErasing
from petlib.errors import ConfigError


def white(height: int = 60, width: int = 80) -> np.ndarray:
    image = np.full((height, width, 3), 255, np.uint8)
    image.flags.writeable = False
    return image


def rectangles(transform: RandomErasing, count: int) -> list[tuple[int, int]]:
    """Return heights and widths of what was covered."""
    rng, sizes = np.random.default_rng(0), []
    for _ in range(count):
        covered = (transform.apply(white(), rng) == 0).all(axis=2)
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        assert covered.sum() == len(rows) * len(columns)
        assert rows[-1] - rows[0] == len(rows) - 1
        sizes.append((len(rows), len(columns)))
    return sizes


def test_rectangles_have_the_areas_and_aspects_asked_for() -> None:
    sizes = np.array(rectangles(RandomErasing(probability=1, area=[0.1, 0.2], aspect=[0.5, 2.0]), 200))
    areas, aspects = sizes.prod(axis=1) / (60 * 80), sizes[:, 0] / sizes[:, 1]
    assert 0.09 < areas.min() < 0.11
    assert 0.19 < areas.max() < 0.21
    assert 0.45 < aspects.min() < 0.6
    assert 1.7 < aspects.max() < 2.2
    assert abs(np.log(aspects).mean()) < 0.1


def test_the_probability_is_the_share_of_covered_images() -> None:
    transform, rng = RandomErasing(), np.random.default_rng(0)
    covered = sum(bool((transform.apply(white(), rng) == 0).any()) for _ in range(600))
    assert 110 < covered < 190


def test_values() -> None:
    rng = np.random.default_rng(0)
    coloured = RandomErasing(probability=1, value=[124, 116, 104]).apply(white(), rng)
    assert {tuple(pixel) for pixel in coloured.reshape(-1, 3).tolist()} == {(255, 255, 255), (124, 116, 104)}
    noisy = RandomErasing(probability=1, value="random", area=[0.3, 0.3]).apply(white(), rng)
    noise = noisy[(noisy < 255).any(axis=2)]
    assert len(np.unique(noise)) > 200
    assert abs(float(noise.mean()) - 127.5) < 5


def test_the_generator_decides_and_the_given_image_stays() -> None:
    transform = RandomErasing(probability=1, value="random")
    image = white()
    first, second, other = (transform({"image": image, "label": 2}, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first["image"], second["image"])
    assert not np.array_equal(first["image"], other["image"])
    assert first["label"] == 2
    assert (image == 255).all()


def test_an_image_that_holds_no_rectangle_stays() -> None:
    image = white(1, 1)
    assert RandomErasing(probability=1).apply(image, np.random.default_rng(0)) is image


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probability": 1.5}, "probability: 1.5 given"),
        ({"area": [0.5, 0.2]}, r"area: \[0.5, 0.2\] given"),
        ({"area": [0.5, 1.2]}, "from 0 to 1 expected"),
        ({"aspect": [0.0, 2.0]}, "aspect: .* numbers above 0"),
        ({"value": "noise"}, "value: 'noise' given"),
        ({"value": 256}, "value: 256 given"),
        ({"value": [0, 0]}, r"value: \[0, 0\] given"),
    ],
)
def test_wrong_arguments_are_reported(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RandomErasing(**arguments)
