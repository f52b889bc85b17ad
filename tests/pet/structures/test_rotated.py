"""Overlap of rotated rectangles against OpenCV and against a count of points; suppression against the definition."""

import cv2
import numpy as np
import pytest
import torch

from pet.structures.boxes3d import Boxes3D
from pet.structures.rotated import iou_3d_of_pairs, iou_of_pairs, overlap_areas, rotated_iou, rotated_nms


def some_rectangles(seed: int, count: int, spread: float = 3.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.uniform(-spread, spread, (count, 2)), rng.uniform(0.5, 5, (count, 2)), rng.uniform(-np.pi, np.pi, (count, 1))], axis=1
    )


def opencv_area(first: np.ndarray, second: np.ndarray) -> float:
    turned = [((box[0], box[1]), (box[2], box[3]), np.degrees(box[4])) for box in (first, second)]
    points = cv2.rotatedRectangleIntersection(*turned)[1]
    return 0.0 if points is None or len(points) < 3 else cv2.contourArea(cv2.convexHull(points))


def test_areas_equal_opencv() -> None:
    first, second = some_rectangles(0, 2000), some_rectangles(1, 2000)
    found = overlap_areas(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    expected = np.array([opencv_area(*pair) for pair in zip(first, second, strict=True)])
    assert (expected > 0.1).sum() > 500
    # OpenCV computes in float32 and drops corners that lie near each other
    np.testing.assert_allclose(found, expected, atol=5e-3)
    assert (np.abs(found - expected) < 1e-4).mean() > 0.99


def test_areas_equal_the_share_of_points_that_lie_in_both() -> None:
    first, second = some_rectangles(2, 40, spread=1.0), some_rectangles(3, 40, spread=1.0)
    grid = np.stack(np.meshgrid(*(np.linspace(-6, 6, 1200),) * 2), axis=-1).reshape(-1, 2)
    cell = (12 / 1199) ** 2
    found = overlap_areas(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    for one, two, area in zip(first, second, found, strict=True):
        inside = np.ones(len(grid), bool)
        for x, y, length, width, angle in (one, two):
            offset = grid - [x, y]
            along, across = offset @ [np.cos(angle), np.sin(angle)], offset @ [-np.sin(angle), np.cos(angle)]
            inside &= (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)
        assert abs(inside.sum() * cell - area) < 0.15


def test_equal_rectangles_overlap_completely_and_exactly() -> None:
    boxes = torch.from_numpy(some_rectangles(4, 5000))
    assert (iou_of_pairs(boxes, boxes) - 1).abs().max() < 1e-9
    turned = boxes.clone()
    turned[:, 4] += np.pi
    assert (iou_of_pairs(boxes, turned) - 1).abs().max() < 1e-9


def test_touching_nested_empty_and_distant_rectangles() -> None:
    one = torch.tensor([[0.0, 0.0, 2.0, 2.0, 0.0]])
    others = torch.tensor([[2.0, 0.0, 2.0, 2.0, 0.0], [0.2, 0.1, 1.0, 0.5, 0.3], [0.0, 0.0, 0.0, 0.0, 0.0], [9.0, 9.0, 2.0, 2.0, 1.0]])
    np.testing.assert_allclose(overlap_areas(one.expand(4, -1), others).numpy(), [0.0, 0.5, 0.0, 0.0], atol=1e-7)
    np.testing.assert_allclose(rotated_iou(one, others)[0].numpy(), [0.0, 0.125, 0.0, 0.0], atol=1e-7)


def test_order_of_a_pair_does_not_matter() -> None:
    first, second = torch.from_numpy(some_rectangles(5, 1000)), torch.from_numpy(some_rectangles(6, 1000))
    assert (overlap_areas(first, second) - overlap_areas(second, first)).abs().max() < 1e-8


@pytest.mark.parametrize("frame", ["lidar", "camera"])
def test_volumes_count_the_common_height(frame: str) -> None:
    values = np.array([[5.0, 1.0, 2.0, 4.0, 2.0, 1.5, 0.4]])
    raised = values.copy()
    raised[0, 2 if frame == "lidar" else 1] += 0.5
    one, two = Boxes3D(values, frame), Boxes3D(raised, frame)
    found = iou_3d_of_pairs(*(torch.from_numpy(array) for box in (one, two) for array in (box.footprints, box.extents)))
    np.testing.assert_allclose(found.numpy(), [1.0 / 2.0])


def test_suppression_keeps_the_best_of_overlapping_ones() -> None:
    boxes = torch.from_numpy(some_rectangles(7, 60))
    scores = torch.rand(60, generator=torch.Generator().manual_seed(0))
    kept = rotated_nms(boxes, scores, threshold=0.2).tolist()
    iou = rotated_iou(boxes, boxes)
    expected: list[int] = []
    for place in scores.argsort(descending=True).tolist():
        if all(iou[place, other] <= 0.2 for other in expected):
            expected.append(place)
    assert kept == expected and 1 < len(kept) < 60


def test_suppression_of_nothing() -> None:
    assert rotated_nms(torch.zeros((0, 5)), torch.zeros(0), threshold=0.5).tolist() == []
