"""Any affine map as a move: pixels, label images and coordinates go to the same places."""

import cv2
import numpy as np
import pytest

from pet.structures.affine import move_points, shift
from pet.structures.moves import Affine, Chain, CropResize, Flip, Move, QuarterTurns, Turn

SIZE = (40, 60)


def smooth_image(channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return cv2.GaussianBlur(rng.uniform(0, 255, (*SIZE, channels)).astype(np.float32), (0, 0), 2.0).reshape(*SIZE, channels)


@pytest.mark.parametrize("move", [Flip(1), Flip(0), QuarterTurns(1), QuarterTurns(3), CropResize(5, 8, 20, 30, (20, 30))])
def test_what_moves_whole_pixels_is_exact(move: Move) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    labels = image[..., 0]
    affine = Affine(move.matrix(SIZE), move.size_after(SIZE))
    assert np.array_equal(affine(image), move(image))
    assert np.array_equal(affine.labels(labels, 255), move.labels(labels, 255))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_turn_is_the_same_as_turn(dtype: type) -> None:
    turn = Turn(23.0, fill=7)
    affine = Affine(turn.matrix(SIZE), SIZE, fill=7)
    image = smooth_image(6).astype(dtype)
    moved = affine(image)
    assert moved.dtype == dtype
    assert np.array_equal(moved, turn(image))
    assert np.array_equal(affine.labels(image[..., 0].astype(np.uint8), 255), turn.labels(image[..., 0].astype(np.uint8), 255))


def test_one_step_gives_what_several_give() -> None:
    chain = Chain((Turn(30.0), CropResize(4, 6, 24, 36, (48, 72)), Flip(1)))
    affine = Affine(chain.matrix(SIZE), chain.size_after(SIZE))
    image = smooth_image()
    # away from the corners that come from outside; the chain mixes pixels twice, the one step once
    assert np.abs(affine(image) - chain(image))[16:-16, 24:-24].max() < 3.0
    assert np.array_equal(affine.matrix(SIZE), chain.matrix(SIZE))


def test_a_spot_lands_where_the_matrix_says() -> None:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    spot = np.array([33.3, 17.6])
    image = np.exp(-((columns - spot[0]) ** 2 + (rows - spot[1]) ** 2) / 18.0).astype(np.float32)[..., None]
    cosine, sine = 1.3 * np.cos(0.4), 1.3 * np.sin(0.4)
    matrix = shift(5.0, -3.0) @ np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    moved = Affine(matrix, (90, 70))(image)[..., 0].astype(np.float64)
    rows, columns = np.mgrid[:90, :70] + 0.5
    centre = np.array([(columns * moved).sum(), (rows * moved).sum()]) / moved.sum()
    assert np.abs(centre - move_points(spot, matrix)).max() < 0.02


def test_what_comes_from_outside_is_filled() -> None:
    affine = Affine(shift(100.0, 100.0), (8, 8), fill=9)
    assert (affine(np.zeros((*SIZE, 3), np.uint8)) == 9).all()
    assert (affine.labels(np.zeros(SIZE, np.uint8), 255) == 255).all()
