"""COCO files: what samples and truths are, compared with pycocotools, and what is reported when a file is wrong."""

import contextlib
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from pet.data.catalog.source import Source
from pet.data.datasets.coco import CocoDataset, build_coco
from pet.data.datasets.coco_segmentations import rle_counts
from pet.data.targets.finish import FinishTargets
from petlib.errors import ConfigError, DataError

HEIGHT, WIDTH = 20, 30
SQUARE = [[2.0, 3.0, 12.0, 3.0, 12.0, 9.0, 2.0, 9.0]]
TWO_PARTS = [[1.5, 1.5, 6.0, 2.0, 4.0, 7.25], [10.0, 10.0, 18.5, 10.0, 14.0, 16.0]]
NAMES = ["nose", "left_eye", "right_eye"]


def uncompressed_rle() -> dict[str, Any]:
    return {"size": [HEIGHT, WIDTH], "counts": [45, 5, 15, 5, HEIGHT * WIDTH - 70]}


def annotation(number: int, image: int | str = 7, category: int = 3, **entries: Any) -> dict[str, Any]:
    row = {"id": number, "image_id": image, "category_id": category, "bbox": [2, 3, 10, 6], "area": 60.0, "iscrowd": 0}
    return {**row, "segmentation": SQUARE, **entries}


def content() -> dict[str, Any]:
    """Return a file of two images: one with two objects and a crowd region, one without any."""
    return {
        "images": [
            {"id": 7, "file_name": "b.png", "height": HEIGHT, "width": WIDTH},
            {"id": 5, "file_name": "a.png", "height": HEIGHT, "width": WIDTH},
        ],
        "annotations": [
            annotation(11, keypoints=[4, 5, 2, 8, 8, 0, 9, 4, 1]),
            annotation(12, category=9, bbox=[-2.5, 4, 50, 30], area=100, segmentation=TWO_PARTS),
            annotation(13, iscrowd=1, bbox=[2, 5, 2, 5], segmentation=uncompressed_rle()),
        ],
        "categories": [
            {"id": 9, "name": "ball"},
            {"id": 3, "name": "person", "keypoints": NAMES, "skeleton": [[1, 2], [1, 3]]},
        ],
    }


def write(folder: Path, file: dict[str, Any]) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    for place, name in enumerate(("a.png", "b.png")):
        assert cv2.imwrite(str(folder / "images" / name), np.full((HEIGHT, WIDTH, 3), place, np.uint8))
    path = folder / "instances.json"
    path.write_text(json.dumps(file))
    return path


def make(folder: Path, file: dict[str, Any], classes: list[str] | None = None, kinds: set[str] | None = None) -> CocoDataset:
    path = write(folder, file)
    return build_coco(Source(folder / "images", "train", classes, path, None if kinds is None else frozenset(kinds)))


def reference(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


# what it gives


def test_samples_hold_the_objects_and_truths_the_crowd_too(tmp_path: Path) -> None:
    dataset = make(tmp_path, content())
    assert (len(dataset), dataset.info.classes, dataset.info.category_ids, dataset.info.numbered) == (2, ["person", "ball"], [3, 9], False)
    assert dataset.info.kinds == {"boxes", "masks", "keypoints"}
    assert dataset.info.skipped == {}
    sample = dataset[0]
    assert sample["image"].shape == (HEIGHT, WIDTH, 3)
    assert int(sample["image"][0, 0, 0]) == 1
    assert sample["boxes"].dtype == np.float32
    assert sample["boxes"].tolist() == [[2, 3, 12, 9], [0, 4, 30, 20]]
    assert (sample["labels"].dtype, sample["labels"].tolist()) == (np.int64, [0, 1])
    # an absent keypoint has no place, whatever the file says
    assert sample["keypoints"].tolist() == [[[4, 5, 2], [0, 0, 0], [9, 4, 1]], [[0, 0, 0]] * 3]
    assert dataset.file_of(0) == sample["meta"]["file"]
    assert sample["meta"] == {"id": 7, "file": str(tmp_path / "images/b.png"), "size": (HEIGHT, WIDTH), "keypoint_swap": (0, 2, 1)}
    truth = dataset.truth(0)
    assert truth[:4] == (7, str(tmp_path / "images/b.png"), HEIGHT, WIDTH)
    assert truth.boxes.tolist() == [[2, 3, 12, 9], [-2.5, 4, 47.5, 34], [2, 5, 4, 10]]
    assert (truth.labels.tolist(), truth.crowd.tolist(), truth.areas.tolist()) == ([0, 1, 0], [False, False, True], [60, 100, 60])
    assert truth.segmentations == [SQUARE, TWO_PARTS, uncompressed_rle()]
    assert truth.keypoints is not None
    assert truth.keypoints.shape == (3, 3, 3)


def test_an_image_without_objects_stays(tmp_path: Path) -> None:
    dataset = make(tmp_path, content())
    sample, truth = dataset[1], dataset.truth(-1)
    assert (sample["boxes"].shape, sample["labels"].shape, sample["keypoints"].shape) == ((0, 4), (0,), (0, 3, 3))
    assert sample["masks"].rasterise().shape == (0, HEIGHT, WIDTH)
    assert (truth.id, len(truth.boxes), truth.segmentations) == (5, 0, [])
    with pytest.raises(IndexError):
        dataset[2]


def test_masks_are_those_of_pycocotools(tmp_path: Path) -> None:
    file = content()
    bits = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    bits[4:9, 3:21] = 1
    packed = coco_mask.encode(bits)
    packed["counts"] = packed["counts"].decode()
    file["annotations"].append(annotation(14, segmentation=packed))
    file["annotations"].append(annotation(15, segmentation=uncompressed_rle()))
    dataset = make(tmp_path, file)
    coco = reference(tmp_path / "instances.json")
    expected = [coco.annToMask(coco.anns[number]) for number in (11, 12, 14, 15)]
    np.testing.assert_array_equal(dataset[0]["masks"].rasterise(), expected)


def test_ignore_changes_nothing_as_in_pycocotools(tmp_path: Path) -> None:
    file = content()
    file["annotations"][0]["ignore"] = 1
    dataset = make(tmp_path, file)
    assert dataset.truth(0).crowd.tolist() == [False, False, True]
    assert len(dataset[0]["boxes"]) == 2


def test_an_area_that_is_missing_is_that_of_the_mask_or_of_the_box(tmp_path: Path) -> None:
    file = content()
    for row in file["annotations"]:
        del row["area"]
    with_masks = make(tmp_path, file).truth(0).areas
    coco = reference(tmp_path / "instances.json")
    assert with_masks.tolist() == [float(coco.annToMask(row).sum()) for row in file["annotations"]]
    assert make(tmp_path, file, kinds={"boxes"}).truth(0).areas.tolist() == [60, 1500, 10]


def test_only_wanted_kinds_are_given(tmp_path: Path) -> None:
    dataset = make(tmp_path, content(), kinds={"boxes"})
    assert set(dataset[0]) == {"image", "meta", "boxes", "labels"}
    assert "keypoint_swap" not in dataset[0]["meta"]
    assert (dataset.truth(0).segmentations, dataset.truth(0).keypoints) == (None, None)
    assert dataset.info.kinds == {"boxes", "masks", "keypoints"}
    assert set(make(tmp_path, content(), kinds={"masks"})[0]) == {"image", "meta", "masks"}
    assert set(make(tmp_path, content(), kinds=set())[0]) == {"image", "meta"}
    with pytest.raises(DataError, match=r"instances\.json: no parsing and no semseg in these data; they have boxes, keypoints, masks"):
        make(tmp_path, content(), kinds={"boxes", "semseg", "parsing"})


def test_given_classes_fix_the_labels_and_leave_others_out(tmp_path: Path) -> None:
    dataset = make(tmp_path, content(), classes=["ball", "person"])
    assert (dataset.info.classes, dataset.info.category_ids, dataset[0]["labels"].tolist()) == (["ball", "person"], [9, 3], [1, 0])
    alone = make(tmp_path, content(), classes=["ball"], kinds={"boxes"})
    assert (alone.info.category_ids, alone.truth(0).labels.tolist()) == ([9], [0])
    assert alone.info.skipped == {"object of a class that DATA.CLASSES leaves out": 2}
    assert (alone.info.left_out, dataset.info.left_out) == ({"person": 2}, {})
    lacking = make(tmp_path, content(), classes=["ball", "bat"], kinds={"boxes"})
    assert (lacking.info.classes, lacking.info.category_ids) == (["ball"], [9])
    message = r"none of the classes persn is a category of this file; did you mean person\?; it has person, ball"
    with pytest.raises(DataError, match=message):
        make(tmp_path, content(), classes=["persn"])


def test_what_the_keypoints_are(tmp_path: Path) -> None:
    keypoints = make(tmp_path, content()).info.keypoint_set
    assert keypoints is not None
    assert (keypoints.names, keypoints.swap, keypoints.skeleton) == (tuple(NAMES), (0, 2, 1), ((0, 1), (0, 2)))
    assert keypoints.sigmas == (0.05, 0.05, 0.05)
    file = content()
    file["categories"][1]["sigmas"] = [0.1, 0.2, 0.3]
    keypoints = make(tmp_path, file).info.keypoint_set
    assert keypoints is not None
    assert keypoints.sigmas == (0.1, 0.2, 0.3)
    file = content()
    file["categories"][1] = {"id": 3, "name": "person", "keypoints": [f"k{place}" for place in range(17)]}
    file["annotations"][0]["keypoints"] = [1, 1, 2] * 17
    keypoints = make(tmp_path, file).info.keypoint_set
    assert keypoints is not None
    published = np.array([0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]) / 10
    np.testing.assert_allclose(keypoints.sigmas, published)
    file = {**content(), "categories": [{"id": 3, "name": "a"}, {"id": 9, "name": "b"}]}
    assert make(tmp_path, file, ["b"]).info.keypoint_set is None


def as_other_types(file: dict[str, Any]) -> None:
    """Write every number of a file as another type, in each object another one."""
    for image, width in zip(file["images"], (30.0, "30"), strict=True):
        image.update(height="20", width=width)
    file["images"][1]["id"] = 5.0
    file["categories"][0]["id"], file["categories"][1]["id"] = 9.0, "3"
    file["categories"][1].update(skeleton=[["1", 2.0], [1, "3"]], sigmas=["0.1", 0.1, 0.1])
    first, second, third = file["annotations"]
    first.update(image_id="7", category_id=3.0, bbox=["2", "3", 10.0, "6.0"], area="60", iscrowd="0", instance_id="4")
    first.update(keypoints=["4", 5.0, "2", 8, 8, 0.0, 9, 4, "1"], segmentation=[[str(value) for value in SQUARE[0]]])
    second.update(image_id=7.0, category_id="9", iscrowd="False", area="1e2")
    third.update(category_id="3.0", iscrowd="true")
    third["segmentation"] = {"size": ["20", 30.0], "counts": [str(count) for count in third["segmentation"]["counts"]]}


def test_numbers_of_another_type_mean_the_same(tmp_path: Path) -> None:
    (tmp_path / "usual").mkdir()
    (tmp_path / "other").mkdir()
    file = content()
    file["annotations"][0]["instance_id"] = 4
    file["categories"][1]["sigmas"] = [0.1] * 3
    usual = make(tmp_path / "usual", file)
    as_other_types(file)
    other = make(tmp_path / "other", file)
    assert other.info == usual.info
    assert other.info.skipped == {}
    assert other.truth(0).crowd.tolist() == [False, False, True]
    for index in range(2):
        found, expected = other.truth(index), usual.truth(index)
        assert (found.id, found.height, found.width) == (expected.id, expected.height, expected.width)
        for field in ("boxes", "labels", "crowd", "areas", "keypoints"):
            np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
        for key, value in usual[index].items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(other[index][key], value)
    np.testing.assert_array_equal(other[0]["masks"].areas(), usual[0]["masks"].areas())


@pytest.mark.parametrize("crowd", [0, 1, "0", "1", "False", "true", False, True, 0.0, 1.0, None])
def test_crowd_is_what_the_value_means(crowd: Any, tmp_path: Path) -> None:
    file = content()
    file["annotations"][0]["iscrowd"] = crowd
    assert make(tmp_path, file).truth(0).crowd[0] == (crowd in (1, "1", "true", True))


@pytest.mark.parametrize(("of_image", "of_annotation"), [("000007", 7), ("7", 7.0), (7, "7"), (7, "007"), ("a7", "a7"), ("7", "7")])
def test_an_id_is_found_as_text_and_as_a_number(of_image: Any, of_annotation: Any, tmp_path: Path) -> None:
    file = content()
    file["images"][0]["id"] = of_image
    for row in file["annotations"]:
        row["image_id"] = of_annotation
    dataset = make(tmp_path, file)
    assert (len(dataset[0]["boxes"]), dataset.truth(0).id, dataset.info.skipped) == (2, of_image, {})


# what is skipped and counted


SKIPPED: list[tuple[dict[str, Any], str]] = [
    ({"bbox": [2, 3, -10, 6]}, "object whose box has no area"),
    ({"bbox": [2, 3, 10, 0]}, "object whose box has no area"),
    ({"bbox": [WIDTH, 3, 10, 6]}, "object whose box lies outside of the image"),
    ({"bbox": [2, -6, 10, 6]}, "object whose box lies outside of the image"),
    ({"image_id": 8}, "annotation of an image that is not listed"),
]


def test_a_file_that_is_listed_as_two_images_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = content()
    again = {**file["images"][0], "id": 99}
    file["images"].append(again)
    with caplog.at_level(logging.WARNING):
        dataset = make(tmp_path, file)
    (reason,) = dataset.info.skipped
    assert reason.startswith("image whose file another image has too")
    assert dataset.info.skipped[reason] == 1
    assert f"(the first: {again['file_name']}, images 7 and 99)" in caplog.text
    # nothing is left out
    assert len(dataset) == 3
    assert len(dataset.truth(0).boxes) == 3


@pytest.mark.parametrize(("entries", "reason"), SKIPPED)
def test_what_cannot_be_used_is_skipped_counted_and_reported(
    entries: dict[str, Any], reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = content()
    file["annotations"] += [annotation(21, **entries), annotation(22, **entries)]
    with caplog.at_level(logging.WARNING):
        dataset = make(tmp_path, file)
    assert dataset.info.skipped == {reason: 2}
    assert len(dataset.truth(0).boxes) == 3
    image = entries.get("image_id", 7)
    reported = f"{tmp_path / 'instances.json'}: while reading: 2 x {reason} (the first: annotation 21 of image {image})"
    assert caplog.messages == [reported]


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([[1, 1, 5, 5]], "object whose polygons have fewer than 3 points or no area, kept as a box alone"),
        ([[]], "object whose polygons have fewer than 3 points or no area, kept as a box alone"),
        ([[2, 3, 8, 3, 12, 3]], "object whose polygons have fewer than 3 points or no area, kept as a box alone"),
        ({"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}, "object whose RLE has no pixel, kept as a box alone"),
        ([], "object without a mask, kept as a box alone"),
        (None, "object without a mask, kept as a box alone"),
    ],
)
def test_an_object_without_a_mask_is_a_box(segmentation: Any, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = content()
    file["annotations"] += [annotation(21, segmentation=segmentation)]
    del file["annotations"][-1]["area"]
    with caplog.at_level(logging.WARNING):
        dataset = make(tmp_path, file)
    assert dataset.info.skipped == {reason: 1}
    assert caplog.messages == [f"{tmp_path / 'instances.json'}: while reading: 1 x {reason} (the first: annotation 21 of image 7)"]
    truth, sample = dataset.truth(0), dataset[0]
    box = truth.boxes[-1]
    assert (truth.segmentations or [])[-1] is None
    assert truth.areas[-1] == (box[2] - box[0]) * (box[3] - box[1])
    assert sample["masks"].known.tolist() == [*[True] * (len(sample["boxes"]) - 1), False]
    finished = FinishTargets(["boxes", "masks"])(sample, np.random.default_rng(0))
    assert len(finished["boxes"]) == len(finished["masks"]) == len(sample["boxes"])
    assert (finished["masks"][-1] == 255).all() and finished["masks"][:-1].max() == 1


def test_a_poor_mask_matters_only_where_masks_are_wanted(tmp_path: Path) -> None:
    file = content()
    file["annotations"] = [annotation(1, segmentation=[[1, 1, 5, 5]]), annotation(2, segmentation={"size": [1, 1], "counts": [1]})]
    dataset = make(tmp_path, file, kinds={"boxes"})
    assert (dataset.info.skipped, len(dataset[0]["boxes"])) == ({}, 2)


def test_an_object_keeps_its_good_polygons(tmp_path: Path) -> None:
    file = content()
    file["annotations"] = [annotation(1, segmentation=[[1, 1, 5, 5], *SQUARE, []])]
    dataset = make(tmp_path, file)
    assert dataset.truth(0).segmentations == [SQUARE]
    assert dataset.info.skipped == {"polygon of fewer than 3 points or without area; its object has others": 2}


# what is an error


def changed(**entries: Any) -> Callable[[dict[str, Any]], None]:
    return lambda file: file["annotations"][1].update(entries)


def removed(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda file: file["annotations"][1].pop(key)


def rle(counts: Any, size: list[int] | None = None) -> Callable[[dict[str, Any]], None]:
    return changed(segmentation={"size": size or [HEIGHT, WIDTH], "counts": counts})


BAD: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (changed(category_id=4), r"annotation 12 of image 7: its category_id 4 is not listed; the categories are 3, 9"),
    (changed(category_id=[4]), r"annotation 12 of image 7: its category_id is \[4\], a whole number expected"),
    (changed(category_id=True), r"annotation 12 of image 7: its category_id is True, a whole number expected"),
    (changed(category_id=9.5), r"annotation 12 of image 7: its category_id is 9\.5, a whole number expected"),
    (changed(image_id=True), r"annotations\[1\] \(id 12\): its image_id is True, an id of 'images' expected"),
    (changed(image_id=7.5), r"annotations\[1\] \(id 12\): its image_id is 7\.5, an id of 'images' expected"),
    (changed(iscrowd=2), r"annotation 12 of image 7: its iscrowd is 2, 0 or 1 expected"),
    (changed(iscrowd="no"), r"annotation 12 of image 7: its iscrowd is 'no', 0 or 1 expected"),
    (changed(iscrowd=[]), r"annotation 12 of image 7: its iscrowd is \[\], 0 or 1 expected"),
    (changed(bbox="1234"), r"annotation 12 of image 7: its bbox is '1234', four numbers \[x, y, width, height\] expected"),
    (changed(bbox=[1, 2, True, 4]), r"annotation 12 of image 7: its bbox is \[1, 2, True, 4\]"),
    (changed(bbox={"1": 1, "2": 2, "3": 3, "4": 4}), r"annotation 12 of image 7: its bbox is \{"),
    (changed(area=False), r"annotation 12 of image 7: its area is False, a number of square pixels expected"),
    (
        changed(segmentation=[[1, 1], [5, 1], [5, 5]]),
        r"annotation 12 of image 7: its segmentation .* has a point in the place of each polygon; \[\[x, y, x, y, \.\.\.\]\] expected",
    ),
    (changed(segmentation=0), r"annotation 12 of image 7: its segmentation is 0, polygons or an RLE"),
    (
        changed(segmentation=[["1", "2", "x", "4", "5", "6"]]),
        r"annotation 12 of image 7: its segmentation is \[\['1', .*a list of polygons",
    ),
    (lambda file: file["images"][1].update(id=True), r"image True: a whole number or text expected as its id"),
    (lambda file: file["images"][1].update(id="7"), r"image '7': another image has the id 7; which of them an annotation means"),
    (lambda file: file["images"][1].update(height=True), r"image 5: its height is True, pixels as a whole number from 1 expected"),
    (lambda file: file["images"][1].update(height="tall"), r"image 5: its height is 'tall', pixels as a whole number from 1 expected"),
    (lambda file: file["categories"][1].update(id="9"), r"category 9 \('person'\): two categories have this id"),
    (lambda file: file["categories"][1].update(id=False), r"category False \('person'\): a whole number as id and text as name expected"),
    (
        lambda file: (file["images"][0].update(id="7"), file["images"][1].update(id="07")),
        r"annotations\[0\] \(id 11\): its image_id is 7, which may be the image '7' or '07'; write it as 'images' does",
    ),
    (changed(image_id=None), r"annotations\[1\] \(id 12\): its image_id is None, an id of 'images' expected"),
    (removed("bbox"), r"annotation 12 of image 7: it has no 'bbox'"),
    (removed("category_id"), r"annotation 12 of image 7: it has no 'category_id'"),
    (removed("id"), r"annotation \(without id\) of image 7: it has no 'id'"),
    (changed(bbox=[1, 2, 3]), r"annotation 12 of image 7: its bbox is \[1, 2, 3\], four numbers \[x, y, width, height\] expected"),
    (changed(bbox=[1, 2, float("nan"), 3]), r"annotation 12 of image 7: its bbox is \[1, 2, nan, 3\]"),
    (changed(area="big"), r"annotation 12 of image 7: its area is 'big'"),
    (changed(instance_id=70000), r"annotation 12 of image 7: its instance_id is 70000, a whole number from 0 to 65535 expected"),
    (
        lambda file: [row.update(instance_id=4) for row in file["annotations"][:2]],
        r"annotation 12 of image 7: its instance_id 4 is also that of annotation 11",
    ),
    (
        changed(category_id=3, keypoints=[1, 1, 2] * 4),
        r"annotation 12 of image 7: its keypoints are 12 numbers, 9 expected: .* of 3 keypoints",
    ),
    (changed(category_id=3, keypoints=[1, 1, 7] * 3), r"annotation 12 of image 7: its keypoints are .*0, 1 or 2 as visibility"),
    (rle([600, 1]), r"annotation 12 of image 7: the counts of its RLE add up to 601 pixels, its image has 20 x 30 = 600"),
    (rle("0"), r"annotation 12 of image 7: the counts of its RLE add up to 0 pixels"),
    (rle("P"), r"annotation 12 of image 7: the counts of its RLE are 'P': they end in the middle of a number"),
    (rle(["x"]), r"annotation 12 of image 7: the counts of its RLE are \['x'\]: whole numbers expected"),
    (rle([-1, 601]), r"annotation 12 of image 7: the counts of its RLE are \[-1, 601\]: the count -1 is negative"),
    (
        rle([600], [30, 20]),
        r"annotation 12 of image 7: its RLE is for an image of size \[30, 20\] \(height, width\), the image has \[20, 30\]",
    ),
    (changed(segmentation=[1, 2, 3, 4, 5, 6]), r"annotation 12 of image 7: its segmentation is \[1, 2, .*a list of polygons"),
    (
        changed(segmentation=[*SQUARE, [1, 1, 2, 2, 3, 3, 4]]),
        r"annotation 12 of image 7: a polygon of its segmentation has 7 numbers, pairs",
    ),
    (changed(segmentation=[["a"] * 6]), r"annotation 12 of image 7: its segmentation is .*a list of polygons"),
    (changed(segmentation="mask.png"), r"annotation 12 of image 7: its segmentation is 'mask\.png', polygons or an RLE"),
    (lambda file: file["annotations"].append("x"), r"annotations\[3\] is a str"),
    (
        lambda file: [row.update(image_id=f"a{row['image_id']}") for row in file["annotations"]],
        r"none of the 3 annotations belongs to a listed image: their image_id is, e\.g\., 'a7', the ids of images are, e\.g\., 7",
    ),
    (lambda file: file["images"][1].update(id=7), r"image 7: two images have this id; the second is a\.png"),
    (lambda file: file["images"][1].pop("height"), r"images\[1\] has no 'height' \(id 5\); it has id, file_name, width"),
    (lambda file: file["images"][1].update(width=0), r"image 5: its width is 0, pixels as a whole number from 1 expected"),
    (lambda file: file["images"].clear(), r"the COCO file lists no images"),
    (lambda file: file.pop("categories"), r"not a COCO file: the list 'categories' is missing; the file has images, annotations"),
    (lambda file: file["categories"].clear(), r"the COCO file lists no categories"),
    (lambda file: file["categories"][1].update(id=9), r"category 9 \('person'\): two categories have this id"),
    (lambda file: file["categories"][1].update(name="ball"), r"category 3 \('ball'\): two categories have this name"),
    (
        lambda file: file["categories"][0].update(keypoints=["a", "b"]),
        r"category 9 \('ball'\) has 2 keypoints, but category 3 \('person'\) has 3",
    ),
    (lambda file: file["categories"][1].update(sigmas=[1]), r"category 3 \('person'\): its sigmas are \[1\], 3 numbers above 0 expected"),
]


@pytest.mark.parametrize(("damage", "message"), BAD)
def test_a_wrong_file_is_reported_at_once_with_its_record(damage: Callable[[dict[str, Any]], object], message: str, tmp_path: Path) -> None:
    file = content()
    damage(file)
    with pytest.raises(DataError, match=r"instances\.json: " + message):
        make(tmp_path, file)


@pytest.mark.parametrize("skeleton", [[[0, 2]], [[1, 4]], [[1, 2], [2]], 7, "1-2", {"a": 1}, [["a", "b"]]])
def test_a_skeleton_stops_no_training(skeleton: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = content()
    file["categories"][1]["skeleton"] = skeleton
    keypoints = make(tmp_path, file).info.keypoint_set
    assert keypoints is not None
    assert (keypoints.names, keypoints.skeleton) == (tuple(NAMES), ())
    assert "category 3 ('person')" in caplog.text and "pictures have no lines" in caplog.text


def test_keypoints_need_no_names(tmp_path: Path) -> None:
    file = content()
    del file["categories"][1]["keypoints"], file["categories"][1]["skeleton"]
    dataset = make(tmp_path, file, kinds={"boxes", "keypoints"})
    keypoints = dataset.info.keypoint_set
    assert keypoints is not None
    assert (keypoints.names, keypoints.swap, keypoints.skeleton) == (("0", "1", "2"), (0, 1, 2), ())
    assert dataset[0]["keypoints"].tolist() == [[[4, 5, 2], [0, 0, 0], [9, 4, 1]], [[0, 0, 0]] * 3]


def test_pairs_of_the_catalogue_come_before_names(tmp_path: Path) -> None:
    path = write(tmp_path, content())
    dataset = CocoDataset(images=tmp_path / "images", annotations=path, flip_pairs=[(0, 2)])
    assert dataset.info.keypoint_set is not None
    assert (dataset.info.keypoint_set.swap, dataset[0]["meta"]["keypoint_swap"]) == ((2, 1, 0), (2, 1, 0))
    with pytest.raises(ConfigError, match="flip_pairs: 'tail' is none of the keypoints"):
        CocoDataset(images=tmp_path / "images", annotations=path, flip_pairs=[("tail", NAMES[0])])


def test_a_file_that_is_no_coco_file_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path, content())
    path.write_text('{"images": [}')
    with pytest.raises(DataError, match=r"instances\.json: not a JSON file, or a damaged one: .*line 1 column 13"):
        CocoDataset(images=tmp_path, annotations=path)
    path.write_text("[1]")
    with pytest.raises(DataError, match=r"instances\.json: not a COCO file: it holds a list"):
        CocoDataset(images=tmp_path, annotations=path)
    with pytest.raises(DataError, match=r"no\.json: the COCO file cannot be read: No such file"):
        CocoDataset(images=tmp_path, annotations=tmp_path / "no.json")
    with pytest.raises(ConfigError, match="data of the type coco need annotations"):
        build_coco(Source(tmp_path, "train", None))


def test_a_missing_image_and_one_of_another_size_are_reported(tmp_path: Path) -> None:
    dataset = make(tmp_path, content())
    (tmp_path / "images/a.png").unlink()
    with pytest.raises(DataError, match=r"a\.png: the image cannot be read"):
        dataset[1]
    assert cv2.imwrite(str(tmp_path / "images/b.png"), np.zeros((WIDTH, HEIGHT, 3), np.uint8))
    message = r"b\.png: the image is 20x30 \(width x height\), but image 7 of .*instances\.json says 30x20.*EXIF"
    with pytest.raises(DataError, match=message):
        dataset[0]


# label images next to it


def with_labels(folder: Path) -> dict[str, Any]:
    labels = {"semseg": np.uint8(1), "parsing": np.uint8(2), "instances": np.uint16(300)}
    for name, value in labels.items():
        (folder / name).mkdir(exist_ok=True)
        for file in ("a.png", "b.png"):
            pixels = np.zeros((HEIGHT, WIDTH), value.dtype)
            pixels[3:9, 2:12] = value
            assert cv2.imwrite(str(folder / name / file), pixels)
    file = content()
    file["pet"] = {name: name for name in labels}
    file["pet"].update(semseg_classes=["background", "thing"], parts=["background", "Left-arm", "Right-arm"])
    file["annotations"][0]["instance_id"] = 300
    return file


def test_label_images_become_semseg_and_parsing(tmp_path: Path) -> None:
    dataset = make(tmp_path, with_labels(tmp_path))
    assert dataset.info.kinds == {"boxes", "masks", "keypoints", "semseg", "parsing"}
    assert dataset.info.semseg_classes == ["background", "thing"]
    assert dataset.info.part_set is not None
    assert (dataset.info.part_set.names, dataset.info.part_set.swap) == (("background", "Left-arm", "Right-arm"), (0, 2, 1))
    sample = dataset[0]
    assert [sample[name].dtype for name in ("semseg", "parsing", "instances")] == [np.uint8, np.uint8, np.uint16]
    assert [int(sample[name][4, 4]) for name in ("semseg", "parsing", "instances")] == [1, 2, 300]
    assert (sample["instance_ids"].dtype, sample["instance_ids"].tolist()) == (np.int64, [300, 0])
    assert sample["meta"]["part_swap"] == (0, 2, 1)
    assert set(make(tmp_path, with_labels(tmp_path), kinds={"semseg"})[0]) == {"image", "meta", "semseg"}


def test_a_label_image_has_the_size_of_its_image_and_known_values(tmp_path: Path) -> None:
    dataset = make(tmp_path, with_labels(tmp_path))
    assert cv2.imwrite(str(tmp_path / "semseg/b.png"), np.full((HEIGHT, WIDTH), 5, np.uint8))
    with pytest.raises(DataError, match=r"semseg/b\.png: the label image has the value 5, 0 to 1 expected for 2 classes"):
        dataset[0]
    assert cv2.imwrite(str(tmp_path / "semseg/b.png"), np.full((HEIGHT, WIDTH), 255, np.uint8))
    assert (dataset[0]["semseg"] == 255).all()
    assert cv2.imwrite(str(tmp_path / "instances/b.png"), np.zeros((4, 5), np.uint8))
    with pytest.raises(DataError, match=r"instances/b\.png: the label image is 5x4 \(width x height\), its image 30x20"):
        dataset[0]


BAD_EXTENSIONS: list[tuple[dict[str, Any], str]] = [
    ({"semsg": "x"}, r"unknown entry 'semsg' of 'pet'; did you mean semseg"),
    ({"semseg": "x"}, r"'pet' has 'semseg', so it needs 'semseg_classes' too"),
    ({"parsing": "x", "parts": ["a"]}, r"'pet' has 'parsing', so it needs 'instances' too"),
    ({"semseg": 3, "semseg_classes": ["a"]}, r"'semseg' of 'pet' is 3, a folder relative to this file expected"),
    ({"semseg": "x", "semseg_classes": "a"}, r"'semseg_classes' of 'pet' is 'a', a list of names expected"),
    ({"parsing": "x", "instances": "y", "parts": ["a", "b"], "part_swap": [1, 1]}, r"'part_swap' of 'pet' is \[1, 1\]"),
    ({"parsing": "x", "instances": "y", "parts": ["a", "b", "c"], "part_swap": [1, 2, 0]}, r"'part_swap' of 'pet' is \[1, 2, 0\]"),
]


@pytest.mark.parametrize(("entries", "message"), BAD_EXTENSIONS)
def test_a_wrong_extension_is_reported(entries: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"instances\.json: " + message):
        make(tmp_path, {**content(), "pet": entries})


# the length of an RLE


def test_the_length_of_counts_is_that_of_the_image() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        height, width = (int(edge) for edge in rng.integers(1, 200, 2))
        image = cv2.resize(rng.integers(0, 2, (5, 5), np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        noisy = image ^ (rng.random((height, width)) < rng.choice([0, 0.1, 1.0])).astype(np.uint8)
        encoded = coco_mask.encode(np.asfortranarray(noisy))
        assert rle_counts(encoded["counts"], height * width).sum() == height * width
        assert rle_counts(encoded["counts"].decode(), height * width).sum() == height * width
