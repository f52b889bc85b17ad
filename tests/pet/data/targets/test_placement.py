"""Predictions come back to where things are in the image files."""

from typing import Any

import numpy as np
import pytest
import torch

from pet.data.targets.kinds import to_original
from pet.data.transforms.base import Compose
from pet.data.transforms.geometry import CenterCrop, RandomHorizontalFlip, RandomVerticalFlip
from pet.data.transforms.rotate import Rotate
from pet.data.transforms.scales import Pad, ResizeShortestEdge

FLIP = np.array([[-1.0, 0.0, 40.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
DOUBLE = np.diag([2.0, 3.0, 1.0])
SHIFT = np.array([[1.0, 0.0, 5.0], [0.0, 1.0, -7.0], [0.0, 0.0, 1.0]])


def place(meta: dict[str, Any], **fields: list[Any]) -> dict[str, torch.Tensor]:
    prediction = {name: torch.tensor(value, dtype=torch.float32) for name, value in fields.items()}
    placed: dict[str, torch.Tensor] = to_original([prediction], [meta])[0]
    return placed


def test_without_a_matrix_boxes_stay_and_are_cut_off_at_the_edges_of_the_file() -> None:
    boxes = [[-3.0, 2.0, 50.0, 9.0], [1.0, 1.0, 5.0, 30.0]]
    assert place({}, boxes=boxes)["boxes"].tolist() == boxes
    assert place({"size": (20, 40)}, boxes=boxes)["boxes"].tolist() == [[0, 2, 40, 9], [1, 1, 5, 20]]


@pytest.mark.parametrize(
    ("matrix", "box", "point"),
    [
        (DOUBLE, [1.0, 2.0, 4.0, 6.0], [2.5, 3.0]),
        (SHIFT, [-3.0, 13.0, 3.0, 25.0], [0.0, 16.0]),
        (FLIP, [32.0, 6.0, 38.0, 18.0], [35.0, 9.0]),
        (SHIFT @ FLIP @ DOUBLE, [18.5, 13 / 3, 21.5, 25 / 3], [20.0, 16.0 / 3]),
    ],
)
def test_boxes_and_keypoints_go_back_through_the_matrix(matrix: np.ndarray, box: list[float], point: list[float]) -> None:
    """By hand: the box 2, 6, 8, 18 and the point 5, 9 of the network's input."""
    placed = place({"matrix": matrix}, boxes=[[2, 6, 8, 18]], keypoints=[[[5, 9, 0.75]]])
    torch.testing.assert_close(placed["boxes"], torch.tensor([box]))
    torch.testing.assert_close(placed["keypoints"], torch.tensor([[[*point, 0.75]]]))


@pytest.mark.parametrize("size", [(60, 90), (90, 60), (33, 47)])
def test_a_drawn_dot_comes_back_from_the_input_of_the_network(size: tuple[int, int]) -> None:
    """The dot is found as its centre of mass, so the matrix of the transforms is not what it is compared with."""
    image = np.zeros((*size, 3), np.uint8)
    image[18:22, 10:16] = 255
    transforms = Compose(
        [
            ResizeShortestEdge(sizes=[128], max_size=1000),
            RandomHorizontalFlip(probability=1.0),
            Pad(divisor=32),
            RandomVerticalFlip(probability=1.0),
            CenterCrop(size=[200, 220]),
        ]
    )
    sample = transforms({"image": image, "meta": {"size": size}}, np.random.default_rng(0))
    bright = sample["image"][..., 0].astype(np.float64)
    assert bright.sum() > 0, "the crop holds the dot"
    rows, columns = np.indices(bright.shape) + 0.5
    centre = [float((places * bright).sum() / bright.sum()) for places in (columns, rows)]
    extent = np.flatnonzero(bright.max(axis=0) > 127), np.flatnonzero(bright.max(axis=1) > 127)
    box = [extent[0][0], extent[1][0], extent[0][-1] + 1, extent[1][-1] + 1]
    placed = place(sample["meta"], boxes=[box], keypoints=[[[*centre, 1.0]]])
    np.testing.assert_allclose(placed["keypoints"][0, 0, :2], [13.0, 20.0], atol=0.1)
    np.testing.assert_allclose(placed["boxes"][0], [10, 18, 16, 22], atol=0.75)


def test_a_turned_box_comes_back_as_the_box_around_it() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    sample = Rotate(degrees=[90, 90])({"image": image, "meta": {"size": (40, 40)}}, np.random.default_rng(0))
    placed = place(sample["meta"], boxes=[[30, 4, 36, 20]], keypoints=[[[30, 4, 1.0]]])
    # a quarter counter-clockwise: what was at x, y of the file is at y, 40 - x
    torch.testing.assert_close(placed["boxes"], torch.tensor([[20.0, 30.0, 36.0, 36.0]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(placed["keypoints"], torch.tensor([[[36.0, 30.0, 1.0]]]), atol=1e-4, rtol=0)


def test_other_fields_and_the_given_predictions_stay() -> None:
    given = {"boxes": torch.tensor([[0.0, 0.0, 4.0, 4.0]]), "scores": torch.tensor([0.5]), "masks": torch.rand(1, 4, 4)}
    placed = to_original([given], [{"matrix": DOUBLE, "size": (9, 9)}])[0]
    assert placed["scores"] is given["scores"]
    assert placed["masks"] is given["masks"]
    assert given["boxes"].tolist() == [[0, 0, 4, 4]]
    assert placed["boxes"].tolist() == [[0, 0, 2, pytest.approx(4 / 3)]]


def test_images_without_detections() -> None:
    empty = {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "keypoints": torch.zeros(0, 5, 3)}
    placed = to_original([empty, {}], [{"matrix": FLIP, "size": (20, 40)}, {"size": (20, 40)}])
    assert {name: tuple(value.shape) for name, value in placed[0].items()} == {"boxes": (0, 4), "scores": (0,), "keypoints": (0, 5, 3)}
    assert placed[1] == {}


def test_each_image_has_its_own_matrix() -> None:
    prediction = {"boxes": torch.tensor([[2.0, 6.0, 8.0, 18.0]])}
    placed = to_original([prediction, prediction], [{"matrix": DOUBLE}, {"matrix": SHIFT}])
    assert [one["boxes"].tolist() for one in placed] == [[[1, 2, 4, 6]], [[-3, 13, 3, 25]]]
