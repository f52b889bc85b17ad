"""Resizing, padding, crops and borders of detection compared with torchvision and hand calculation."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from pet.data.targets.finish import FinishTargets
from pet.data.transforms import rotate, scales, ssd
from pet.structures import InstanceMasks
from petlib.data.protocols import Sample
from petlib.errors import ConfigError


def sample_of(height: int, width: int, *boxes: list[float]) -> Sample:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return {"image": image, "boxes": np.array(boxes, np.float32).reshape(-1, 4), "labels": np.arange(len(boxes)), "meta": {}}


def run(transform: Any, sample: Sample, seed: int = 0) -> Sample:
    found = transform(sample, np.random.default_rng(seed))
    assert isinstance(found, dict)
    return found


def test_the_shorter_edge_is_resized_as_by_torchvision() -> None:
    rng = np.random.default_rng(0)
    for height, width in rng.integers(20, 150, (40, 2)).tolist():
        sample = sample_of(height, width, [1.0, 2.0, 10.0, 15.0])
        found = run(scales.ResizeShortestEdge(sizes=[61], max_size=100), sample)
        reference = GeneralizedRCNNTransform(61, 100, [0.0] * 3, [1.0] * 3)
        tensor = torch.from_numpy(sample["image"]).permute(2, 0, 1).float()
        image, target = reference.resize(tensor, {"boxes": torch.from_numpy(sample["boxes"])})
        assert found["image"].shape[:2] == image.shape[1:]
        assert np.abs(found["image"] - image.permute(1, 2, 0).numpy()).max() <= 1.5
        assert np.allclose(found["boxes"], target["boxes"], atol=1e-3)


def test_lengths_are_chosen_or_drawn_from_a_range() -> None:
    sample = sample_of(40, 60)
    chosen = {run(scales.ResizeShortestEdge(sizes=[20, 30]), sample, seed)["image"].shape[0] for seed in range(30)}
    assert chosen == {20, 30}
    drawn = {run(scales.ResizeShortestEdge(sizes=[30, 20], sample="range"), sample, seed)["image"].shape[0] for seed in range(150)}
    assert drawn == set(range(20, 31))
    assert run(scales.ResizeShortestEdge(sizes=[40]), sample) is sample


def test_padding_goes_right_and_down() -> None:
    sample = sample_of(30, 70, [60, 20, 70, 30])
    sample["semseg"] = np.ones((30, 70), np.uint8)
    found = run(scales.Pad(divisor=32, least=[40, 10], fill=9), sample)
    assert found["image"].shape == (64, 96, 3)
    assert np.array_equal(found["image"][:30, :70], sample["image"])
    assert (found["image"][30:] == 9).all()
    assert (found["semseg"][30:] == 255).all()
    assert found["boxes"].tolist() == [[60, 20, 70, 30]]
    assert run(scales.Pad(divisor=10), sample) is sample


def test_jittered_scales_have_a_fixed_size_and_are_padded_or_cut() -> None:
    sample = sample_of(40, 80, [0, 0, 80, 40])
    half = run(scales.ScaleJitterCrop(size=40, scale=[0.5, 0.5]), sample)
    assert half["image"].shape == (40, 40, 3)
    assert half["boxes"].tolist() == [[0, 0, 20, 10]]
    assert not half["image"][10:].any()
    double = [run(scales.ScaleJitterCrop(size=40, scale=[2.0, 2.0]), sample, seed) for seed in range(40)]
    assert all(found["boxes"].tolist() == [[0, 0, 40, 40]] for found in double)
    starts = {tuple(-found["meta"]["matrix"][:2, 2]) for found in double}
    assert len({start[0] for start in starts}) > 10
    assert all(0 <= x <= 40 and y == 0 for x, y in starts)


def test_iou_crops_hold_a_centre_and_overlap_as_much_as_drawn() -> None:
    boxes = [[10.0, 10.0, 40.0, 40.0], [50.0, 30.0, 90.0, 70.0], [5.0, 60.0, 25.0, 75.0]]
    sample = sample_of(80, 100, *boxes)
    crop = ssd.RandomIoUCrop(thresholds=[0.5])
    sizes = set()
    for seed in range(60):
        found = run(crop, sample, seed)
        height, width = found["image"].shape[:2]
        left, top = -found["meta"]["matrix"][:2, 2]
        sizes.add((height, width))
        assert 0.5 <= width / height <= 2.0
        assert height >= 24 and width >= 30
        inside = [left < (x1 + x2) / 2 < left + width and top < (y1 + y2) / 2 < top + height for x1, y1, x2, y2 in boxes]
        assert found["labels"].tolist() == np.flatnonzero(inside).tolist()
        overlaps = []
        for (x1, y1, x2, y2), chosen in zip(boxes, inside, strict=True):
            shared = max(min(x2, left + width) - max(x1, left), 0) * max(min(y2, top + height) - max(y1, top), 0)
            overlaps.append(chosen * shared / ((x2 - x1) * (y2 - y1) + width * height - shared))
        assert max(overlaps) >= 0.5
        assert np.array_equal(found["image"], sample["image"][int(top) : int(top) + height, int(left) : int(left) + width])
    assert len(sizes) > 20


def test_iou_crops_leave_images_alone_when_they_cannot_be_or_the_draw_says_so() -> None:
    sample = sample_of(80, 100, [0, 0, 2, 2])
    assert run(ssd.RandomIoUCrop(thresholds=[0.9]), sample) is sample, "no window overlaps enough with so small a box"
    assert run(ssd.RandomIoUCrop(thresholds=[1.0]), sample) is sample
    empty = sample_of(80, 100)
    assert run(ssd.RandomIoUCrop(thresholds=[0.1]), empty) is empty


def test_images_are_expanded_into_gray() -> None:
    sample = sample_of(30, 40, [5, 6, 20, 25])
    found = run(ssd.Expand(ratio=[2.5, 2.5], probability=1.0, fill=116), sample)
    assert found["image"].shape == (75, 100, 3)
    left, top = found["meta"]["matrix"][:2, 2].astype(int)
    assert np.array_equal(found["image"][top : top + 30, left : left + 40], sample["image"])
    assert (found["image"] == 116).all(axis=2).sum() >= 75 * 100 - 30 * 40
    assert found["boxes"].tolist() == [[5 + left, 6 + top, 20 + left, 25 + top]]
    assert len({run(ssd.Expand(), sample, seed)["image"].shape for seed in range(40)}) > 10


def test_a_quarter_turn_counter_clockwise() -> None:
    sample = sample_of(40, 40, [10, 0, 20, 30])
    found = run(rotate.Rotate(degrees=[90, 90]), sample)
    assert np.array_equal(found["image"], np.rot90(sample["image"]))
    # the right edge comes to lie on top: (x, y) becomes (y, 40 - x)
    assert np.allclose(found["boxes"], [[0, 20, 30, 30]], atol=1e-4)
    angles = [np.degrees(np.arctan2(*run(rotate.Rotate(degrees=20), sample, seed)["meta"]["matrix"][0, 1::-1])) for seed in range(50)]
    assert min(angles) >= -20 and max(angles) <= 20 and np.ptp(angles) > 25
    stays = [run(rotate.Rotate(degrees=20, probability=0.3), sample, seed) is sample for seed in range(100)]
    assert 50 < sum(stays) < 90


def test_an_affine_map_moves_everything_at_once_and_identities_follow() -> None:
    sample = sample_of(40, 60, [20, 10, 40, 30], [1, 1, 5, 5])
    sample["identities"] = np.array([7, 8])
    found = run(rotate.RandomAffine(degrees=0, shear=0, translate=0, scale=[2, 2]), sample)
    assert np.allclose(found["meta"]["matrix"], [[2, 0, -30], [0, 2, -20], [0, 0, 1]])
    assert found["image"].shape == (40, 60, 3) and found["boxes"].tolist() == [[10, 0, 50, 40]]
    assert found["identities"].tolist() == [7], "the other one is no longer in the image"
    maps = [run(rotate.RandomAffine(probability=0.8), sample, seed)["meta"].get("matrix") for seed in range(200)]
    matrices = np.array([matrix for matrix in maps if matrix is not None])
    assert 20 < len(maps) - len(matrices) < 60
    areas = np.linalg.det(matrices)
    assert 0.24 <= areas.min() and areas.max() <= 1.45
    centres = matrices[:, :2, :2] @ [30, 20] + matrices[:, :2, 2] - [30, 20]
    assert (np.abs(centres) <= [6, 4]).all() and (np.ptp(centres, axis=0) > [9, 6]).all()
    # rows and columns are slanted each by its own angle
    angles = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])), np.degrees(np.arctan2(-matrices[:, 0, 1], matrices[:, 1, 1]))
    assert max(np.abs(angles).max(axis=1)) <= 7.01 and np.abs(angles[0] - angles[1]).max() <= 4.01
    assert np.ptp(angles[0] - angles[1]) > 4


def test_moves_in_a_row_multiply_their_matrices() -> None:
    sample = sample_of(40, 60, [10, 10, 30, 20])
    found = run(scales.Pad(divisor=64), run(scales.ResizeShortestEdge(sizes=[80]), run(rotate.Rotate(degrees=[180, 180]), sample)))
    assert np.allclose(found["meta"]["matrix"], [[-2, 0, 120], [0, -2, 80], [0, 0, 1]])
    assert np.allclose(found["boxes"], [[60, 40, 100, 60]], atol=1e-3)


def test_finished_samples_have_pixels_and_the_fields_that_are_wanted() -> None:
    sample = sample_of(20, 30, [2, 2, 12, 12], [15, 5, 25, 15])
    sample["masks"] = InstanceMasks.from_segmentations([[[2, 2, 12, 2, 12, 12, 2, 12]], [[15, 5, 25, 5, 25, 15, 15, 15]]], (20, 30))
    sample |= {"keypoints": np.zeros((2, 3, 3), np.float32), "semseg": np.zeros((20, 30), np.uint8)}
    found = run(FinishTargets(("boxes", "masks")), sample)
    assert list(found) == ["image", "boxes", "labels", "masks", "meta"]
    assert found["masks"].shape == (2, 20, 30)
    assert found["masks"].dtype == np.uint8
    assert found["masks"].sum(axis=(1, 2)).tolist() == [100, 100]
    assert list(run(FinishTargets(("semseg",)), sample)) == ["image", "semseg", "meta"]
    none_left = {**sample, "masks": InstanceMasks.from_segmentations([[[2, 2, 3, 2, 2, 2]], [[15, 5, 25, 5, 25, 15, 15, 15]]], (20, 30))}
    found = run(FinishTargets(("boxes", "masks", "keypoints")), none_left)
    assert found["labels"].tolist() == [1]
    assert found["masks"].shape == (1, 20, 30)
    assert found["boxes"].shape == (1, 4)
    assert found["keypoints"].shape == (1, 3, 3)
    no_one = {**sample, "boxes": np.zeros((0, 4), np.float32), "labels": np.zeros(0, np.int64), "masks": sample["masks"].select([])}
    assert run(FinishTargets(("boxes", "masks")), no_one)["masks"].shape == (0, 20, 30)


@pytest.mark.parametrize(
    ("transform", "arguments", "message"),
    [
        (scales.ResizeShortestEdge, {"sizes": []}, r"ResizeShortestEdge: sizes: \[\] given"),
        (scales.ResizeShortestEdge, {"sizes": [0]}, "at least one positive number of pixels"),
        (scales.ResizeShortestEdge, {"sizes": [8], "sample": "all"}, "sample: 'all' given, one of choice, range"),
        (scales.ResizeShortestEdge, {"sizes": [8], "max_size": 0}, "max_size: 0 given"),
        (scales.ScaleJitterCrop, {"size": 8, "scale": [0.0, 1.0]}, "scale: .* numbers above 0"),
        (scales.ScaleJitterCrop, {"size": 8, "min_share": 2.0}, "min_share: 2.0 given, a share from 0 to 1"),
        (scales.Pad, {"divisor": 0}, "divisor: 0 given"),
        (ssd.RandomIoUCrop, {"thresholds": []}, r"thresholds: \[\] given"),
        (ssd.RandomIoUCrop, {"trials": 0}, "trials: 0 given"),
        (ssd.Expand, {"ratio": [0.5, 2.0]}, "Expand: ratio"),
        (rotate.Rotate, {"degrees": 300}, "Rotate: degrees"),
        (rotate.RandomAffine, {"scale": [0, 1]}, "RandomAffine: scale: .* numbers above 0 expected"),
        (rotate.RandomAffine, {"shear": 60}, "RandomAffine: shear: 60 given, degrees from 0 to below 45 expected"),
        (rotate.Rotate, {"degrees": 3, "interpolation": "area"}, "'area' given, one of linear, cubic, nearest"),
    ],
)
def test_wrong_arguments_are_reported(transform: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        transform(**arguments)
