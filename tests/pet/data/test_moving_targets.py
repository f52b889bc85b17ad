"""Targets stay on what they belong to, whatever is done to the image: discs are looked for where the targets say they are."""

from typing import Any

import cv2
import numpy as np
import pytest

from pet.data.targets.dataset import IGNORE
from pet.data.transforms import geometry, rotate, scales, ssd
from pet.data.transforms.colour import ColorJitter
from pet.data.transforms.mosaic import Mosaic
from pet.data.transforms.policies import AugMix, RandAugment
from pet.structures import InstanceMasks
from petlib.data.protocols import Sample, SampleTransform
from petlib.errors import ConfigError

SIZE = (90, 120)
RADIUS = 11.0


def disc(x: float, y: float) -> np.ndarray:
    angles = np.linspace(0.0, 2 * np.pi, 60, endpoint=False)
    return np.stack([x + RADIUS * np.cos(angles), y + RADIUS * np.sin(angles)], axis=1)


def make_sample(seed: int = 0, *, bitmaps: bool = False) -> Sample:
    """Return an image with a red, a green and a blue disc, classes 0, 1 and 2; keypoint 0 is the centre, 1 absent."""
    rng = np.random.default_rng(seed)
    centres = np.array([[25.0, 25.0], [85.0, 30.0], [50.0, 65.0]]) + rng.uniform(-8, 8, (3, 2))
    image = np.zeros((*SIZE, 3), np.uint8)
    semseg, instances = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint16)
    masks = InstanceMasks.from_segmentations([[disc(*centre).ravel()] for centre in centres], SIZE)
    for label, pixels in enumerate(masks.rasterise().astype(bool)):
        image[pixels, label] = 255
        semseg[pixels], instances[pixels] = label + 1, label + 4
    keypoints = np.zeros((3, 2, 3), np.float32)
    keypoints[:, 0] = np.concatenate([centres, np.full((3, 1), 2.0)], axis=1)
    return {
        "image": image,
        "boxes": np.concatenate([centres - RADIUS, centres + RADIUS], axis=1).astype(np.float32),
        "labels": np.arange(3),
        "masks": InstanceMasks.from_bitmaps(masks.rasterise()) if bitmaps else masks,
        "keypoints": keypoints,
        "semseg": semseg,
        "parsing": semseg.copy(),
        "instances": instances,
        "instance_ids": np.arange(3) + 4,
        "meta": {"id": seed, "file": "a.png", "size": SIZE},
    }


class Samples:
    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Sample:
        return make_sample(index)


TRANSFORMS: dict[str, SampleTransform] = {
    "hflip": geometry.RandomHorizontalFlip(probability=1.0),
    "vflip": geometry.RandomVerticalFlip(probability=1.0),
    "resize": geometry.Resize(size=[130, 140]),
    "shrink": geometry.Resize(size=60),
    "resized crop": geometry.RandomResizedCrop(size=[80, 100], scale=[0.4, 1.0]),
    "crop": geometry.RandomCrop(size=[60, 70], padding=10, border="reflect"),
    "centre": geometry.CenterCrop(size=[60, 130]),
    "shortest edge": scales.ResizeShortestEdge(sizes=[100, 140], max_size=150),
    "jitter": scales.ScaleJitterCrop(size=[100, 110], scale=[0.6, 2.0]),
    "pad": scales.Pad(divisor=32),
    "iou crop": ssd.RandomIoUCrop(),
    "expand": ssd.Expand(ratio=[1.0, 2.0], probability=1.0),
    "rotate": rotate.Rotate(degrees=60),
    "affine": rotate.RandomAffine(degrees=30, shear=15, scale=[0.8, 1.4], translate=0.2, fill=0),
    "mosaic": Mosaic(size=[140, 150], dataset=Samples()),
}
MIRRORS = {"hflip": -1.0, "vflip": -1.0}


@pytest.mark.parametrize("bitmaps", [False, True], ids=["polygons", "bitmaps"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_discs_are_where_the_targets_say(name: str, bitmaps: bool) -> None:
    counted = 0
    for seed in range(8):
        found = TRANSFORMS[name](make_sample(seed, bitmaps=bitmaps), np.random.default_rng(seed))
        height, width = found["image"].shape[:2]
        count = len(found["boxes"])
        fields = ("labels", "masks", "keypoints", "instance_ids")
        assert all(len(found[field]) == count for field in fields)
        assert all(found[field].shape == (height, width) for field in ("semseg", "parsing", "instances"))
        masks = found["masks"].rasterise().astype(bool)
        for box, label, mask, keypoints, identity in zip(
            found["boxes"], found["labels"], masks, found["keypoints"], found["instance_ids"], strict=True
        ):
            assert (box >= 0).all()
            assert (box <= (width, height, width, height)).all()
            assert (box[2:] - box[:2] >= 0.999).all()
            colour = found["image"][..., label] > 127
            assert keypoints[1].tolist() == [0, 0, 0]
            if mask.sum() >= 30:
                assert colour[mask].mean() > 0.85
                assert (found["instances"][mask] == identity).mean() > 0.85
                assert (found["semseg"][mask] == label + 1).mean() > 0.85
                rows, columns = np.nonzero(mask)
                outside = max(box[0] - columns.min(), columns.max() + 1 - box[2], box[1] - rows.min(), rows.max() + 1 - box[3])
                assert outside <= (2.0 if bitmaps else 1.0), "the mask lies in its box"
            if keypoints[0, 2] > 0 and (box[:2] > 1).all() and (box[2:] < (width - 1, height - 1)).all() and name != "mosaic":
                rows, columns = np.nonzero(colour)
                centroid = columns.mean() + 0.5, rows.mean() + 0.5
                assert np.abs(keypoints[0, :2] - centroid).max() < 0.6
                assert np.abs((box[:2] + box[2:]) / 2 - centroid).max() < 0.6
                counted += 1
    assert counted > 3 or name == "mosaic"


@pytest.mark.parametrize("name", TRANSFORMS)
def test_labels_of_pixels_stay_with_their_pixels(name: str) -> None:
    for seed in range(4):
        found = TRANSFORMS[name](make_sample(seed), np.random.default_rng(seed))
        semseg = found["semseg"]
        assert set(np.unique(semseg)) <= {0, 1, 2, 3, IGNORE}
        assert np.array_equal(semseg, found["parsing"])
        for label in range(3):
            # interpolation makes the edges of discs soft; the border of a reflecting crop shows discs without labels
            colour = (found["image"][..., label] > 127) & (semseg != IGNORE)
            assert (colour != (semseg == label + 1)).sum() <= 0.12 * max((semseg == label + 1).sum(), 200)
        assert found["instances"].dtype == np.uint16
        assert ((semseg == IGNORE) <= (found["instances"] == 0)).all()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_matrix_leads_from_the_file_to_the_image(name: str) -> None:
    for seed in range(4):
        sample = make_sample(seed)
        found = TRANSFORMS[name](sample, np.random.default_rng(seed))
        matrix = found["meta"].get("matrix", np.eye(3))
        assert matrix.shape == (3, 3)
        assert matrix.dtype == np.float64
        assert np.sign(np.linalg.det(matrix)) == MIRRORS.get(name, 1.0)
        for label in range(3):
            x, y, _ = matrix @ [*sample["keypoints"][label, 0, :2], 1.0]
            if name != "mosaic" and 0 <= x < found["image"].shape[1] and 0 <= y < found["image"].shape[0]:
                assert found["image"][int(y), int(x), label] > 127


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_generator_decides_and_what_is_given_stays(name: str) -> None:
    sample = make_sample()
    for value in sample.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    first, second = (TRANSFORMS[name](sample, np.random.default_rng(3)) for _ in range(2))
    assert first.keys() == second.keys() == sample.keys()
    assert all(np.array_equal(first[field], second[field]) for field in first if field not in ("masks", "meta"))
    assert np.array_equal(first["masks"].rasterise(), second["masks"].rasterise())
    assert "matrix" not in sample["meta"]
    for field, dtype in (("boxes", np.float32), ("labels", np.int64), ("keypoints", np.float32), ("instance_ids", np.int64)):
        assert first[field].dtype == dtype


@pytest.mark.parametrize("name", TRANSFORMS)
def test_images_without_objects_and_samples_with_some_fields_pass(name: str) -> None:
    sample = make_sample()
    no_one = {field: sample[field][:0] for field in ("boxes", "labels", "keypoints", "instance_ids")}
    found = TRANSFORMS[name]({**sample, **no_one, "masks": sample["masks"].select([])}, np.random.default_rng(0))
    if name != "mosaic":
        assert found["boxes"].shape == (0, 4)
        assert found["keypoints"].shape == (0, 2, 3)
        assert found["masks"].rasterise().shape == (0, *found["image"].shape[:2])
        found = TRANSFORMS[name]({"image": sample["image"], "semseg": sample["semseg"], "label": 3}, np.random.default_rng(0))
        assert found["semseg"].shape == found["image"].shape[:2]
        assert found["label"] == 3
    only = TRANSFORMS[name]({"image": sample["image"], "label": 3, "meta": {}}, np.random.default_rng(0))
    assert only["label"] == 3


def swapping_sample() -> Sample:
    keypoints = np.array([[[10, 20, 2], [30, 20, 1], [0, 0, 0]]], np.float32)
    parsing = np.zeros((40, 60), np.uint8)
    parsing[:, :10], parsing[:, 10:20], parsing[:, 50:] = 1, 2, IGNORE
    return {
        "image": np.zeros((40, 60, 3), np.uint8),
        "boxes": np.array([[5, 10, 40, 30]], np.float32),
        "labels": np.array([0]),
        "keypoints": keypoints,
        "parsing": parsing,
        "meta": {"keypoint_swap": (1, 0, 2), "part_swap": (0, 2, 1)},
    }


def test_mirrors_change_left_and_right() -> None:
    found = geometry.RandomHorizontalFlip(probability=1.0)(swapping_sample(), np.random.default_rng(0))
    assert found["boxes"].tolist() == [[20, 10, 55, 30]]
    assert found["keypoints"].tolist() == [[[30, 20, 1], [50, 20, 2], [0, 0, 0]]]
    assert found["parsing"][0, [0, 9, 39, 40, 49, 50, 59]].tolist() == [IGNORE, IGNORE, 0, 1, 1, 2, 2]
    assert found["meta"]["matrix"].tolist() == [[-1, 0, 60], [0, 1, 0], [0, 0, 1]]
    upside_down = geometry.RandomVerticalFlip(probability=1.0)(swapping_sample(), np.random.default_rng(0))
    assert upside_down["keypoints"].tolist() == [[[30, 20, 1], [10, 20, 2], [0, 0, 0]]]
    turned = rotate.Rotate(degrees=[180, 180])(swapping_sample(), np.random.default_rng(0))
    assert np.allclose(turned["keypoints"], [[[50, 20, 2], [30, 20, 1], [0, 0, 0]]], atol=1e-4)


@pytest.mark.parametrize("transform", [geometry.RandomHorizontalFlip(probability=1), geometry.RandomVerticalFlip(probability=1)])
def test_two_mirrors_change_nothing(transform: Any) -> None:
    for sample in (swapping_sample(), make_sample()):
        rng = np.random.default_rng(0)
        found = transform(transform(sample, rng), rng)
        assert np.allclose(found["meta"]["matrix"], np.eye(3))
        for field in sample.keys() - {"meta", "masks"}:
            assert np.allclose(found[field], sample[field], atol=1e-4), field
        if "masks" in sample:
            assert np.array_equal(found["masks"].rasterise(), sample["masks"].rasterise())


def test_keypoints_that_leave_the_image_are_absent() -> None:
    sample = swapping_sample()
    sample["keypoints"] = np.array([[[0, 0, 1], [25, 20, 2], [60, 40, 2]]], np.float32)
    found = geometry.RandomHorizontalFlip(probability=1.0)({**sample, "meta": {}}, np.random.default_rng(0))
    assert found["keypoints"].tolist() == [[[60, 0, 1], [35, 20, 2], [0, 40, 2]]], "edges belong to the image"
    cropped = geometry.CenterCrop(size=[40, 20])(sample, np.random.default_rng(0))
    assert cropped["keypoints"].tolist() == [[[0, 0, 0], [5, 20, 2], [0, 0, 0]]]


def test_vanished_objects_vanish_everywhere() -> None:
    sample = make_sample()
    sample["boxes"] = np.array([[0, 0, 30.5, 30], [29, 20, 31, 50], [30, 30, 90, 90]], np.float32)
    window = geometry.CenterCrop(size=[30, 60])
    found = window(sample, np.random.default_rng(0))
    # the window begins at x = 30, y = 30: half a pixel is left of the first box, one of the second
    assert found["boxes"].tolist() == [[0, 0, 1, 20], [0, 0, 60, 30]]
    assert found["labels"].tolist() == [1, 2]
    assert found["instance_ids"].tolist() == [5, 6]
    assert len(found["masks"]) == len(found["keypoints"]) == 2
    assert found["instances"].max() <= 6


def test_a_share_of_the_area_can_be_asked_for() -> None:
    sample = {"image": np.zeros((10, 40, 3), np.uint8), "boxes": np.array([[0, 0, 40, 10], [15, 0, 29, 10]], np.float32)}
    sample["labels"] = np.array([7, 8])
    for share, labels in ((0.5, [7, 8]), (0.51, [8]), (0.8, [])):
        crop = geometry.RandomCrop(size=[10, 20], min_share=share)
        found = [crop(sample, np.random.default_rng(seed)) for seed in range(30)]
        # the window that begins at x = 12 cuts off nothing of the second box; share by share others do
        assert any(item["labels"].tolist() == labels for item in found) or share == 0.8
    whole = geometry.RandomCrop(size=[10, 20], min_share=1.0)
    kept = [whole(sample, np.random.default_rng(seed)) for seed in range(60)]
    assert all(np.ptp(item["boxes"][:, ::2], axis=1).tolist() in ([], [14.0]) for item in kept)
    assert {len(item["labels"]) for item in kept} == {0, 1}


def test_colours_leave_targets_alone_and_policies_refuse_them() -> None:
    sample = make_sample()
    found = ColorJitter(brightness=0.5)(sample, np.random.default_rng(0))
    assert all(found[field] is sample[field] for field in sample if field != "image")
    for policy in (RandAugment(), AugMix()):
        with pytest.raises(ConfigError, match="without their targets, and the samples have boxes, keypoints, masks, parsing, semseg"):
            policy(sample, np.random.default_rng(0))
        assert policy({"image": sample["image"], "label": 1}, np.random.default_rng(0))["label"] == 1
    harmless = RandAugment(operations=["color", "posterize"])
    assert harmless(sample, np.random.default_rng(0))["boxes"] is sample["boxes"]


def test_moves_of_images_and_of_label_maps_agree_pixel_by_pixel() -> None:
    labels = cv2.resize(np.random.default_rng(0).integers(0, 3, (9, 12), dtype=np.uint8), (120, 90), interpolation=cv2.INTER_NEAREST)
    sample = {"image": labels[..., None].repeat(3, axis=2) * 100, "semseg": labels}
    for name in ("hflip", "vflip", "pad", "centre", "iou crop"):
        found = TRANSFORMS[name](sample, np.random.default_rng(0))
        inside = found["semseg"] != IGNORE
        assert np.array_equal(found["image"][inside, 0], found["semseg"][inside] * 100)
        assert (found["image"][~inside] == 0).all()
    nearest = geometry.Resize(size=[45, 240], interpolation="nearest")(sample, np.random.default_rng(0))
    assert (nearest["image"][..., 0] == nearest["semseg"] * 100).mean() > 0.99
