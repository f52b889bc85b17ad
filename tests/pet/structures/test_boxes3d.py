"""Boxes in space: frames, corners, moves, and what changes with the calibration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pet.structures.boxes3d import Boxes3D, wrap_angle
from pet.structures.calibration import Calibration, move_in_space

# of a frame of KITTI, whose last column is not zero
PROJECTION = np.array([[721.5377, 0.0, 609.5593, 44.85728], [0.0, 721.5377, 172.854, 0.2163791], [0.0, 0.0, 1.0, 0.002745884]])
LIDAR_TO_CAMERA = np.array(
    [
        [0.00023477, -0.99994415, -0.01056347, -0.00279681],
        [0.01044940, 0.01056535, -0.99988957, -0.07510879],
        [0.99994538, 0.00012436, 0.01045130, -0.27213280],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
CALIBRATION = Calibration(PROJECTION, LIDAR_TO_CAMERA)
SEEDS = st.integers(0, 2**32 - 1)


def some_boxes(seed: int, frame: str = "lidar", count: int = 20) -> Boxes3D:
    rng = np.random.default_rng(seed)
    ahead, side = rng.uniform(8, 60, count), rng.uniform(-8, 8, count)
    places = (
        np.stack([ahead, side, rng.uniform(-2, 0, count)], 1) if frame == "lidar" else np.stack([side, rng.uniform(1, 2, count), ahead], 1)
    )
    sizes = rng.uniform([1, 0.5, 1], [5, 2, 3], (count, 3))
    return Boxes3D(np.concatenate([places, sizes, rng.uniform(-np.pi, np.pi, (count, 1))], 1), frame)


def as_sets(corners: np.ndarray) -> np.ndarray:
    """Corners of each box in an order that depends on their places alone."""
    return np.stack([box[np.lexsort(np.round(box, 6).T)] for box in corners])


@pytest.mark.parametrize("frame", ["lidar", "camera"])
def test_corners_of_a_box_whose_yaw_is_zero_lie_along_x(frame: str) -> None:
    corners = Boxes3D(np.array([[10.0, 0.0, 0.0, 4.0, 2.0, 1.5, 0.0]]), frame).corners()[0]
    up = 2 if frame == "lidar" else 1
    assert corners[:, 0].min() == 8 and corners[:, 0].max() == 12
    assert np.ptp(corners[:, up]) == 1.5 and np.ptp(corners[:, 3 - up]) == 2
    # the lower face comes first: in the frame of a camera it is the greater y, and y itself is the lower face's
    assert (corners[:4, up] == (-0.75 if frame == "lidar" else 0.0)).all()
    assert (corners[[0, 1], 0] == 12).all()


def test_positive_yaw_turns_left_before_a_lidar_and_right_before_a_camera() -> None:
    front = Boxes3D(np.array([[0, 0, 0, 4, 2, 1, np.pi / 2]]), "lidar").corners()[0, :2].mean(0)
    np.testing.assert_allclose(front[:2], [0, 2], atol=1e-12)
    front = Boxes3D(np.array([[0, 0, 0, 4, 2, 1, np.pi / 2]]), "camera").corners()[0, :2].mean(0)
    # rotation about y, which points down: from x to -z
    np.testing.assert_allclose(front[[0, 2]], [0, -2], atol=1e-12)


def test_conversion_and_back_changes_nothing() -> None:
    boxes = some_boxes(0)
    camera = boxes.to_camera(CALIBRATION)
    assert camera.frame == "camera" and camera.to_camera(CALIBRATION) is camera
    np.testing.assert_allclose(camera.to_lidar(CALIBRATION).values, boxes.values, atol=1e-9)


def test_conversion_moves_corners_as_the_calibration_moves_points() -> None:
    level = Calibration(PROJECTION, Calibration.of_lidar_alone().lidar_to_camera)
    boxes = some_boxes(1)
    np.testing.assert_allclose(as_sets(boxes.to_camera(level).corners()), as_sets(level.to_camera(boxes.corners())), atol=1e-9)
    # the devices of a car are tilted by less than a degree
    found, expected = boxes.to_camera(CALIBRATION).corners(), CALIBRATION.to_camera(boxes.corners())
    distances = np.linalg.norm(found[:, :, None] - expected[:, None], axis=-1)
    assert distances.min(axis=2).max() < 0.08


def test_angle_of_observation_is_the_yaw_relative_to_the_line_of_sight() -> None:
    boxes = Boxes3D(np.array([[10.0, 1.0, 10.0, 4, 2, 1, 0.0]]), "camera")
    np.testing.assert_allclose(boxes.observed_angles(), [-np.pi / 4])
    with pytest.raises(ValueError, match="frame of a camera"):
        some_boxes(0).observed_angles()


@pytest.mark.parametrize("frame", ["lidar", "camera"])
@pytest.mark.parametrize("move", ["mirrored", "turned", "scaled", "shifted"])
def test_moves_of_boxes_move_their_corners(frame: str, move: str) -> None:
    boxes = some_boxes(2, frame)
    up, corners = (2 if frame == "lidar" else 1), boxes.corners()
    one, two = (axis for axis in range(3) if axis != up)
    expected, cosine, sine = corners.copy(), np.cos(0.7), np.sin(0.7)
    if move == "mirrored":
        expected[..., 1 if frame == "lidar" else 0] *= -1
        found = boxes.mirrored()
    elif move == "turned":
        expected[..., one], expected[..., two] = (
            cosine * corners[..., one] - sine * corners[..., two],
            sine * corners[..., one] + cosine * corners[..., two],
        )
        found = boxes.turned(0.7)
    elif move == "scaled":
        expected, found = corners * 1.05, boxes.scaled(1.05)
    else:
        expected, found = corners + [1, 2, 3], boxes.shifted(np.array([1, 2, 3]))
    np.testing.assert_allclose(as_sets(found.corners()), as_sets(expected), atol=1e-9)


@pytest.mark.parametrize("frame", ["lidar", "camera"])
def test_points_in_boxes(frame: str) -> None:
    boxes = some_boxes(3, frame)
    slightly = boxes.centres[:, None] + (boxes.corners() - boxes.centres[:, None]) * np.array([0.99, 1.01])[:, None, None, None]
    for scaled, expected in zip(slightly, (True, False), strict=True):
        inside = np.stack([boxes[np.array([place])].contains(points)[0] for place, points in enumerate(scaled)])
        assert (inside == expected).all()


def test_angles_are_wrapped_and_stay_where_they_are_in_range() -> None:
    np.testing.assert_allclose(wrap_angle(np.array([np.pi, -np.pi, 4.0, 0.3, -7.0])), [np.pi, -np.pi, 4 - 2 * np.pi, 0.3, -7 + 2 * np.pi])


def test_pixels_and_depths_lead_back_to_the_place() -> None:
    places = some_boxes(4, "camera").centres
    pixels, depths = CALIBRATION.project(places)
    np.testing.assert_allclose(CALIBRATION.unproject(pixels, depths), places, atol=1e-9)


def test_what_lies_behind_a_camera_has_no_pixel() -> None:
    pixels, depths = CALIBRATION.project(np.array([[0.0, 0.0, -5.0], [0.0, 0.0, 5.0]]))
    assert np.isnan(pixels[0]).all() and np.isfinite(pixels[1]).all() and depths[0] < 0


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, mirrors=st.booleans())
def test_project_then_move_the_image_equals_move_then_project(seed: int, mirrors: bool) -> None:
    rng = np.random.default_rng(seed)
    boxes = some_boxes(seed, "camera")
    matrix = np.array([[rng.uniform(0.3, 2), 0, rng.uniform(-99, 99)], [0, rng.uniform(0.3, 2), rng.uniform(-99, 99)], [0, 0, 1.0]])
    if mirrors:
        matrix = np.array([[-1.0, 0, 1242], [0, 1, 0], [0, 0, 1]]) @ matrix
    pixels = CALIBRATION.project(boxes.corners())[0]
    expected = pixels @ matrix[:2, :2].T + matrix[:2, 2]
    moved, calibration = boxes.mirrored() if mirrors else boxes, CALIBRATION.with_moved_image(matrix)
    assert (calibration.projection[[0, 1], [0, 1]] > 0).all()
    found = calibration.project(moved.corners())[0]
    np.testing.assert_allclose(as_sets(found), as_sets(expected), atol=1e-3)


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS)
def test_moved_points_project_to_the_pixels_where_they_were(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = some_boxes(seed)
    angle, factor = rng.uniform(-1, 1), rng.uniform(0.9, 1.1)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix = np.diag([factor, factor, factor, 1.0]) @ turn @ np.diag([1.0, -1.0, 1.0, 1.0])
    moved = boxes.mirrored().turned(angle).scaled(factor)
    np.testing.assert_allclose(as_sets(moved.corners()), as_sets(move_in_space(boxes.corners(), matrix)), atol=1e-9)
    before = as_sets(CALIBRATION.project_points(boxes.corners())[0])
    after = as_sets(CALIBRATION.with_moved_points(matrix).project_points(moved.corners())[0])
    np.testing.assert_allclose(after, before, atol=1e-3)
