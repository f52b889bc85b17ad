"""Masks of objects compared with pycocotools and counting."""

import pickle

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pet.structures import InstanceMasks
from petlib.errors import DataError

SIZE = (40, 50)
FLIP = np.array([[-1.0, 0.0, 50.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def blob(x: float, y: float, radius: float, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    angles = np.linspace(0.0, 2 * np.pi, 20, endpoint=False)
    radii = radius * rng.uniform(0.6, 1.0, 20)
    return np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1).ravel().tolist()


def bitmaps(count: int = 3) -> np.ndarray:
    rng = np.random.default_rng(1)
    pixels = np.zeros((count, *SIZE), np.uint8)
    for index in range(count):
        top, left = rng.integers(0, 20, 2)
        pixels[index, top : top + 10, left : left + 15] = rng.integers(0, 2, (10, 15))
    return pixels


def test_polygons_are_drawn_as_pycocotools_draws_them() -> None:
    segmentations = [[blob(25, 20, 15)], [blob(10, 10, 8, 1), blob(35, 25, 12, 2)], [blob(48, 38, 9, 3)]]
    found = InstanceMasks.from_segmentations(segmentations, SIZE).rasterise()
    for pixels, polygons in zip(found, segmentations, strict=True):
        assert np.array_equal(pixels, coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *SIZE))))
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous


def test_rectangles_cover_the_pixels_between_their_edges() -> None:
    pixels = InstanceMasks.from_segmentations([[[10, 5, 30, 5, 30, 20, 10, 20]]], SIZE).rasterise()[0]
    expected = np.zeros(SIZE, np.uint8)
    expected[5:20, 10:30] = 1
    assert np.array_equal(pixels, expected)


def test_rles_of_both_kinds_are_read() -> None:
    pixels = bitmaps(1)[0]
    compressed = coco_mask.encode(np.asfortranarray(pixels))
    flat = pixels.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *ends, flat.size]).tolist()
    text = {"size": list(SIZE), "counts": compressed["counts"].decode()}
    masks = InstanceMasks.from_segmentations([compressed, {"size": list(SIZE), "counts": counts}, text], SIZE)
    assert all(np.array_equal(found, pixels) for found in masks.rasterise())
    assert masks.areas().tolist() == [pixels.sum()] * 3


@pytest.mark.parametrize("kind", ["polygons", "bitmaps", "rles"])
def test_moves_by_whole_pixels_and_mirrors_are_exact(kind: str) -> None:
    masks = InstanceMasks.from_bitmaps(bitmaps())
    if kind == "polygons":
        masks = InstanceMasks.from_segmentations([[[10, 5, 30, 5, 30, 20, 10, 20]], [[0, 0, 4, 0, 4, 9, 0, 9]]], SIZE)
    if kind == "rles":
        masks = InstanceMasks.from_segmentations([coco_mask.encode(np.asfortranarray(item)) for item in bitmaps()], SIZE)
    pixels = masks.rasterise()
    assert np.array_equal(masks.moved(FLIP, SIZE).rasterise(), pixels[:, :, ::-1])
    assert np.array_equal(masks.moved(FLIP, SIZE).moved(FLIP, SIZE).rasterise(), pixels)
    window = masks.moved(shift(-12, -3), (20, 30))
    assert window.size == (20, 30)
    assert np.array_equal(window.rasterise(), pixels[:, 3:23, 12:42])
    assert np.array_equal(window.areas(), pixels[:, 3:23, 12:42].sum(axis=(1, 2)))
    doubled = masks.moved(np.diag([2.0, 2.0, 1.0]), (80, 100))
    assert np.array_equal(doubled.rasterise(), pixels.repeat(2, axis=1).repeat(2, axis=2))


def test_what_a_crop_has_cut_off_does_not_come_back() -> None:
    masks = InstanceMasks.from_segmentations([[[0, 0, 50, 0, 50, 40, 0, 40]], {"size": list(SIZE), "counts": [0, 2000]}], SIZE)
    bordered = masks.moved(shift(-20, -10), (20, 20)).moved(shift(5, 3), (30, 30))
    expected = np.zeros((2, 30, 30), np.uint8)
    expected[:, 3:23, 5:25] = 1
    assert np.array_equal(bordered.rasterise(), expected)
    assert bordered.moved(shift(100, 0), (30, 30)).areas().tolist() == [0, 0]
    assert masks.moved(shift(100, 0), SIZE).moved(shift(-100, 0), SIZE).areas().tolist() == [0, 0]


def test_turned_masks_keep_their_areas_and_meet_the_border_of_their_image() -> None:
    cosine, sine = np.cos(0.3), np.sin(0.3)
    turn = shift(25, 20) @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ shift(-25, -20)
    outlines = [[blob(25, 20, 14)], [[0, 0, 50, 0, 50, 40, 0, 40]]]
    polygons = InstanceMasks.from_segmentations(outlines, SIZE)
    pixels = InstanceMasks.from_bitmaps(polygons.rasterise())
    assert polygons.moved(turn, SIZE).areas()[0] == pytest.approx(polygons.areas()[0], rel=0.04)
    difference = polygons.moved(turn, SIZE).rasterise() != pixels.moved(turn, SIZE).rasterise()
    assert difference.mean() < 0.02
    there_and_back = polygons.moved(turn, SIZE).moved(np.linalg.inv(turn), SIZE).rasterise()
    assert there_and_back[1].sum() < 2000, "the corners that were turned out of the image are gone"
    assert there_and_back[1, 15:25, 20:30].all()


def test_select_and_concatenate_keep_the_order() -> None:
    masks = InstanceMasks.from_bitmaps(bitmaps())
    pixels = masks.rasterise()
    assert np.array_equal(masks.select([2, 0]).rasterise(), pixels[[2, 0]])
    assert np.array_equal(masks.select(np.array([False, True, True])).rasterise(), pixels[1:])
    assert masks.select([]).rasterise().shape == (0, *SIZE)
    joined = InstanceMasks.concatenate([masks.moved(FLIP, SIZE), masks.select([1]), InstanceMasks.from_segmentations([], SIZE)])
    assert len(joined) == 4
    assert np.array_equal(joined.rasterise(), np.concatenate([pixels[:, :, ::-1], pixels[1:2]]))
    assert np.array_equal(joined.select([3, 0]).moved(FLIP, SIZE).rasterise()[1], pixels[0])
    assert np.array_equal(masks.rasterise(), pixels)


def test_an_object_without_an_outline_has_no_pixel() -> None:
    masks = InstanceMasks.from_segmentations([[blob(25, 20, 15)], None], SIZE)
    assert masks.known.tolist() == [True, False]
    turned = InstanceMasks.concatenate([masks.select([1]), masks.moved(FLIP, SIZE)])
    assert turned.known.tolist() == [False, True, False]
    assert turned.rasterise().max(axis=(1, 2)).tolist() == [0, 1, 0]
    assert (turned.areas() > 0).tolist() == [False, True, False]


def test_they_travel_between_processes() -> None:
    masks = InstanceMasks.from_segmentations([[blob(25, 20, 15)], {"size": list(SIZE), "counts": [100, 1900]}], SIZE).moved(FLIP, SIZE)
    assert np.array_equal(pickle.loads(pickle.dumps(masks)).rasterise(), masks.rasterise())


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([], "object 1: no polygon given"),
        ([[1, 2, 3, 4]], "object 1: a polygon of 4 numbers given, x and y of at least three points"),
        ([[1, 2, 3, 4, 5, 6, 7]], "a polygon of 7 numbers"),
        ({"size": [50, 40], "counts": [2000]}, r"an RLE of size \[50, 40\] given, \[40, 50\] expected"),
        ({"size": [40, 50], "counts": [20, 30]}, r"an RLE of 50 pixels given, 2000 expected \(40 rows of 50\)"),
    ],
)
def test_wrong_segmentations_are_reported(segmentation: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        InstanceMasks.from_segmentations([[blob(25, 20, 15)], segmentation], SIZE)
