"""What the windows of a large image show becomes its objects, each of them once: calculated by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pet.data.files.windows import Window, spaced_windows
from pet.models.detection.window_joining import join_windows
from pet.models.detection.windows import find_through_windows

SIZE = (100, 250)
LEFT, MIDDLE, RIGHT = WINDOWS = spaced_windows(SIZE, 100, 0.25)
"""From 0, 75 and 150: neighbours share 25 pixels."""


def seen(
    *boxes: tuple[float, float, float, float], scores: list[float] | None = None, labels: list[int] | None = None
) -> dict[str, Tensor]:
    count = len(boxes)
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "scores": torch.tensor(scores or [0.9] * count, dtype=torch.float32),
        "labels": torch.tensor(labels or [0] * count, dtype=torch.int64),
    }


def join(*found: dict[str, Tensor]) -> dict[str, Tensor]:
    return join_windows(found, WINDOWS, SIZE)


def test_windows_lie_at_equal_distances_and_overlap() -> None:
    assert [(one.left, one.width) for one in WINDOWS] == [(0, 100), (75, 100), (150, 100)]
    assert spaced_windows((30, 250), 100, 0.0) == [Window(0, 0, 30, 100), Window(0, 75, 30, 100), Window(0, 150, 30, 100)]
    assert spaced_windows((80, 60), 100, 0.25) == [Window(0, 0, 80, 60)]
    grid = spaced_windows((1000, 900), 300, 0.2)
    assert {one.top + one.height for one in grid} >= {1000} and {one.left + one.width for one in grid} >= {900}
    tops = sorted({one.top for one in grid})
    assert max(np.diff(tops)) <= 240


def test_what_no_other_window_sees_stays_as_it_is() -> None:
    # two boxes of one class in each other, which the detector itself left: no seam is near
    found = join(seen((10, 10, 50, 50), (12, 12, 50, 50), scores=[0.6, 0.8]), seen(), seen((190, 5, 230, 60), scores=[0.7]))
    assert found["scores"].tolist() == pytest.approx([0.8, 0.7, 0.6])
    assert found["boxes"].tolist() == [[12, 12, 50, 50], [190, 5, 230, 60], [10, 10, 50, 50]]


def test_an_object_that_a_border_cuts_is_left_to_the_window_that_sees_it_whole() -> None:
    # from 80 to 110: the left window sees 20 of its 30 pixels, and is the more certain
    found = join(seen((80, 10, 100, 40), scores=[0.99]), seen((80, 10, 110, 40), scores=[0.5]), seen())
    assert found["boxes"].tolist() == [[80, 10, 110, 40]]
    assert found["scores"].tolist() == [0.5]


def test_a_piece_that_the_neighbour_should_see_whole_is_dropped_where_it_finds_nothing() -> None:
    assert len(join(seen((85, 10, 100, 40)), seen(), seen())["boxes"]) == 0


def test_what_two_windows_see_whole_is_kept_once_with_the_better_score() -> None:
    found = join(seen((80, 10, 95, 40), scores=[0.7]), seen((81, 10, 95, 40), scores=[0.8]), seen())
    assert found["boxes"].tolist() == [[81, 10, 95, 40]]


def test_classes_do_not_touch_each_other() -> None:
    found = join(seen((80, 10, 95, 40), labels=[0]), seen((80, 10, 95, 40), labels=[1]), seen())
    assert sorted(found["labels"].tolist()) == [0, 1]


def test_neighbours_of_one_class_in_the_overlap_stay_two() -> None:
    # shared: 80 to 86 of 80 to 90 and 86 to 96, IoU 4 / 16
    found = join(seen((80, 10, 90, 40)), seen((86, 10, 96, 40)), seen())
    assert len(found["boxes"]) == 2


def test_an_object_longer_than_the_overlap_is_the_union_of_its_pieces() -> None:
    # from 40 to 130: neither window sees it whole
    found = join(seen((40, 20, 100, 60), scores=[0.6]), seen((75, 22, 130, 60), scores=[0.9]), seen())
    assert found["boxes"].tolist() == [[40, 20, 130, 60]]
    assert found["scores"].tolist() == pytest.approx([0.9])


def test_an_object_longer_than_a_window_is_joined_from_all_of_its_pieces() -> None:
    found = join(seen((20, 20, 100, 60)), seen((75, 20, 175, 60)), seen((150, 20, 240, 60), scores=[0.95]))
    assert found["boxes"].tolist() == [[20, 20, 240, 60]]
    assert found["scores"].tolist() == pytest.approx([0.95])


def test_pieces_that_disagree_where_both_windows_look_are_two_objects() -> None:
    # heights 20 to 40 and 60 to 90 in the overlap
    found = join(seen((30, 20, 100, 40)), seen((75, 60, 140, 90)), seen())
    assert len(found["boxes"]) == 2


def test_an_object_as_long_as_the_overlap_is_not_left_by_each_window_to_the_other() -> None:
    # both windows see it at their own borders, within the two pixels that count as cut
    found = join(seen((76, 10, 99, 40), scores=[0.7]), seen((76, 10, 99, 40), scores=[0.8]), seen())
    assert found["boxes"].tolist() == [[76, 10, 99, 40]]


def test_a_piece_in_an_object_that_another_window_found_is_a_part_of_it() -> None:
    # the middle window ends the object at 60, before its own border: no piece of its own, but around most of the left one
    found = join(seen((60, 20, 100, 60), scores=[0.95]), seen((75, 20, 130, 60), scores=[0.5]), seen())
    assert len(found["boxes"]) == 1
    found = join(seen((72, 20, 100, 60), scores=[0.95]), seen((77, 20, 130, 60), scores=[0.5]), seen())
    assert len(found["boxes"]) == 1


def test_borders_of_the_image_cut_nothing() -> None:
    found = join(seen((0, 0, 30, 100)), seen(), seen((220, 0, 250, 100)))
    assert len(found["boxes"]) == 2


def test_in_a_grid_a_corner_piece_is_left_to_the_window_that_sees_most() -> None:
    grid = spaced_windows((175, 175), 100, 0.25)
    assert [(one.top, one.left) for one in grid] == [(0, 0), (0, 75), (75, 0), (75, 75)]
    # from 80 to 120 along both axes: whole in the last window alone
    pieces = [seen((80, 80, 100, 100)), seen((80, 80, 120, 100)), seen((80, 80, 100, 120)), seen((80, 80, 120, 120), scores=[0.4])]
    found = join_windows(pieces, grid, (175, 175))
    assert found["boxes"].tolist() == [[80, 80, 120, 120]]
    # from 50 to 130: four pieces, none of them whole
    pieces = [seen((50, 50, 100, 100)), seen((75, 50, 130, 100)), seen((50, 75, 100, 130)), seen((75, 75, 130, 130))]
    assert join_windows(pieces, grid, (175, 175))["boxes"].tolist() == [[50, 50, 130, 130]]


def test_masks_of_pieces_become_one_over_the_whole_box() -> None:
    left, right = seen((40, 0, 100, 40), scores=[0.6]), seen((80, 0, 140, 40), scores=[0.9])
    windows = [Window(0, 0, 100, 100), Window(0, 80, 100, 100)]
    # the left half of the object is full, the right half empty; the box is 40 to 140
    left["masks"], right["masks"] = torch.zeros(1, 20, 20), torch.zeros(1, 20, 20)
    left["masks"][..., : 50 * 20 // 60] = 1.0
    right["masks"][..., : 10 * 20 // 60] = 1.0
    (mask,) = join_windows([left, right], windows, (100, 180))["masks"]
    assert mask.shape == (20, 20)
    assert (mask[:, :9] > 0.99).all() and (mask[:, 11:] < 0.01).all()


def test_each_keypoint_of_pieces_is_the_one_with_the_better_score() -> None:
    left, right = seen((40, 0, 100, 40), scores=[0.6]), seen((75, 0, 140, 40), scores=[0.9])
    left["keypoints"] = torch.tensor([[[45.0, 20, 0.9], [99.0, 30, 0.2]]])
    right["keypoints"] = torch.tensor([[[76.0, 20, 0.1], [130.0, 30, 0.8]]])
    (points,) = join(left, right, {**seen(), "keypoints": torch.zeros(0, 2, 3)})["keypoints"]
    assert points.tolist() == [[45, 20, pytest.approx(0.9)], [130, 30, pytest.approx(0.8)]]


def test_embeddings_are_those_of_the_better_piece() -> None:
    left, right = seen((40, 0, 100, 40), scores=[0.6]), seen((75, 0, 140, 40), scores=[0.9])
    left["embeddings"], right["embeddings"] = torch.tensor([[1.0, 0]]), torch.tensor([[0, 1.0]])
    assert join(left, right, {**seen(), "embeddings": torch.zeros(0, 2)})["embeddings"].tolist() == [[0, 1]]


def bright_columns(batch: dict[str, Any]) -> list[dict[str, Tensor]]:
    """A detector without a fault: a box around all that is bright in each image."""
    found = []
    for image, (height, width) in zip(batch["image"], batch["image_sizes"], strict=True):
        assert image.shape[1] % 32 == 0 and image.shape[2] % 32 == 0
        assert (image[:, height:] == 0).all() and (image[:, :, width:] == 0).all()
        rows, columns = np.nonzero(image[0, :height, :width].numpy() > 0)
        found.append(seen((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)) if len(rows) else seen())
    return found


def test_boxes_lie_where_the_objects_of_a_large_image_are() -> None:
    image = torch.zeros(1, 3, 224, 320)
    image[:, :, 90:106, 130:146] = 1.0
    (found,) = find_through_windows(bright_columns, {"image": image, "image_sizes": [(210, 300)]}, window=100, overlap=0.25)
    assert found["boxes"].tolist() == [[130, 90, 146, 106]]
    image[:, :, 100:104, 10:290] = 1.0
    image[:, :, 90:106, 130:146] = 0.0
    image[:, :, 100:104, 130:146] = 1.0
    (found,) = find_through_windows(bright_columns, {"image": image, "image_sizes": [(210, 300)]}, window=100, overlap=0.25)
    assert found["boxes"].tolist() == [[10, 100, 290, 104]]


def test_small_images_are_looked_at_whole() -> None:
    image = torch.zeros(2, 3, 64, 64)
    image[:, :, 8:20, 8:20] = 1.0
    found = find_through_windows(bright_columns, {"image": image, "image_sizes": [(50, 60), (64, 64)]}, window=64, overlap=0.25)
    assert [one["boxes"].tolist() for one in found] == [[[8, 8, 20, 20]]] * 2
