import cv2
import numpy as np
import pytest

from pet.data.alignment import TEMPLATE, align_face, distance_from_template, similarity
from pet.structures.affine import move_points
from petlib.errors import DataError


def turned(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]], [0, 0, 1]])


def test_a_similarity_is_found_exactly():
    matrix = turned(0.4, 1.7, (30, -5))
    np.testing.assert_allclose(similarity(move_points(TEMPLATE, np.linalg.inv(matrix)), TEMPLATE), matrix, atol=1e-9)


def test_points_that_are_mirrored_are_not_mirrored_back():
    matrix = similarity(TEMPLATE * (-1, 1) + (112, 0), TEMPLATE)
    assert np.linalg.det(matrix[:2, :2]) > 0


def test_the_fit_is_the_best_one():
    rng = np.random.default_rng(0)
    points = move_points(TEMPLATE, turned(-0.3, 0.6, (20, 40))) + rng.normal(0, 3, (5, 2))
    best = similarity(points, TEMPLATE)
    error = np.square(move_points(points, best) - TEMPLATE).sum()
    for _ in range(50):
        other = turned(*(np.array([np.arctan2(best[1, 0], best[0, 0]), np.hypot(best[0, 0], best[1, 0])]) + rng.normal(0, 0.01, 2)), (0, 0))
        other[:2, 2] = TEMPLATE.mean(axis=0) - other[:2, :2] @ points.mean(axis=0)
        assert np.square(move_points(points, other) - TEMPLATE).sum() >= error


def test_the_picture_is_that_of_opencv_in_its_own_coordinates():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (180, 150, 3)).astype(np.uint8), (7, 7), 2)
    matrix = turned(0.2, 0.8, (15, 4))
    points = move_points(TEMPLATE, np.linalg.inv(matrix))
    # with centres of pixels at whole numbers
    theirs = similarity(points - 0.5, TEMPLATE - 0.5)
    assert np.abs(align_face(image, points).astype(int) - cv2.warpAffine(image, theirs[:2], (112, 112))).max() <= 1
    assert align_face(image, points, size=64).shape == (64, 64, 3)


def test_the_distance_from_the_template_is_a_share_of_that_of_the_eyes():
    eyes = np.linalg.norm(TEMPLATE[1] - TEMPLATE[0])
    assert distance_from_template(TEMPLATE) == 0
    assert distance_from_template(TEMPLATE + (0, eyes / 10)) == pytest.approx(0.1)
    assert distance_from_template(TEMPLATE / 2, size=56) == pytest.approx(0)


def test_points_at_one_place_are_refused():
    with pytest.raises(DataError, match="no five different places"):
        align_face(np.zeros((9, 9, 3), np.uint8), np.ones((5, 2)))
