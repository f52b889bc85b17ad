"""From the file to the crop, to a heatmap, and back into the file."""

from typing import Any

import numpy as np
import pytest
import torch

from pet.data.transforms.objects import CropObject, RandomCropObject
from pet.models.instance.crop_places import CropPlaces
from pet.models.instance.heatmaps import DECODERS, decode_keypoints, encode_keypoints
from pet.structures.pixel_conventions import CONVENTIONS

CROP, MAPS, SIGMA = (256, 192), (64, 48), 2.0
BOX = np.array([100.0, 60.0, 340.0, 420.0], np.float32)
"""In an image of 640 x 480; grown and padded it becomes the crop, 0.57 of its size."""


def make_sample() -> dict[str, Any]:
    """Return an image with an object that has keypoints all over its crop, also near the edges of crop and image."""
    rng = np.random.default_rng(0)
    points = rng.uniform((0, 15), (365, 465), (400, 2))
    keypoints = np.concatenate([points, np.full((400, 1), 2.0)], axis=1).astype(np.float32)[None]
    meta = {"box": BOX, "label": 3, "score": 0.5, "size": (480, 640)}
    return {"image": np.zeros((480, 640, 3), np.uint8), "boxes": BOX[None], "labels": np.array([3]), "keypoints": keypoints, "meta": meta}


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("decoding", DECODERS)
@pytest.mark.parametrize("turned", [False, True])
def test_a_keypoint_comes_back_to_its_place_in_the_file(convention: str, decoding: str, turned: bool) -> None:
    own, sample = CONVENTIONS[convention], make_sample()
    random = RandomCropObject(size=list(CROP), scale=0.3, rotation=30.0, rotation_probability=1.0, flip=1.0, convention=convention)
    crop = (random if turned else CropObject(size=list(CROP), convention=convention))(sample, np.random.default_rng(1))
    grid, points = own.grid(CROP, MAPS), torch.from_numpy(crop["keypoints"])
    maps = encode_keypoints(points[..., :2], MAPS, grid, sigma=SIGMA, rounds=own.rounds)
    found = decode_keypoints(maps, grid, decoding=decoding, sigma=SIGMA)
    (placed,) = CropPlaces(CROP, [crop["meta"]], torch.device("cpu"), origin=own.origin).to_file({"keypoints": found})
    # those that the crop holds and the map reaches
    low, high = torch.tensor(grid.first) - 0.5, torch.tensor([188.5, 252.5])
    kept = (points[0, :, 2] > 0) & (points[0, :, :2] >= low).all(dim=-1) & (points[0, :, :2] <= high).all(dim=-1)
    assert kept.sum() > 150
    errors = (placed["keypoints"][0, kept, :2] - torch.from_numpy(sample["keypoints"][0])[kept, :2]).norm(dim=-1)
    pixel = max(grid.step) / float(np.sqrt(abs(np.linalg.det(crop["meta"]["matrix"][:2, :2]))))
    corner = 2**0.5 * pixel
    # a mean over places that are even over a pixel of the map: 0.38 of its edge from the middle, half of it from a quarter
    greatest, mean = {"plain": (corner / 2, 0.39 * pixel), "quarter": (corner / 2, 0.21 * pixel), "dark": (0.1, 0.01)}[decoding]
    if own.rounds:
        greatest, mean = corner / 2, 0.39 * pixel
    assert errors.max() < greatest + 1e-3
    assert errors.mean() < mean
    assert placed["boxes"].tolist() == [BOX.tolist()]
    assert placed["labels"].tolist() == [3]
    assert placed["scores"].tolist() == [0.5]
