import json

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from pet.data.catalog.source import Source
from pet.data.datasets.crowds import build_crowds
from pet.data.datasets.dots import build_dots
from petlib.errors import ConfigError, DataError

POINTS = np.array([[3.5, 4.0], [20.0, 10.0], [39.0, 29.0]])


def write_image(path, size=(30, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), 90, np.uint8))


def write_shanghaitech(folder, name="ground_truth", points=POINTS):
    write_image(folder / "images" / "IMG_1.jpg")
    (folder / name).mkdir()
    cell = np.empty((1, 1), object)
    cell[0, 0] = {"location": points, "number": len(points)}
    savemat(folder / name / "GT_IMG_1.mat", {"image_info": cell})


def read(path, split="train", **changes):
    return build_dots(Source(path=path, split=split, classes=None, kinds=frozenset({"dots"}), **changes))


@pytest.mark.parametrize("name", ["ground_truth", "ground-truth"])
def test_shanghaitech_is_read_in_both_spellings_by_its_split(tmp_path, name):
    write_shanghaitech(tmp_path / "train_data", name)
    data = read(tmp_path)
    assert len(data) == 1
    np.testing.assert_allclose(data[0]["dots"], POINTS)
    assert data[0]["dots"].dtype == np.float32
    assert data[0]["meta"]["size"] == (30, 40) and data[0]["meta"]["id"] == "IMG_1"


def test_qnrf_keeps_the_number_of_dots_of_the_file_also_where_some_lie_outside(tmp_path):
    write_image(tmp_path / "Test" / "img_0001.jpg")
    savemat(tmp_path / "Test" / "img_0001_ann.mat", {"annPoints": np.array([[3.5, 4.0], [100.0, -5.0]])})
    np.testing.assert_allclose(read(tmp_path, "test")[0]["dots"], [[3.5, 4.0], [40.0, 0.0]])


def test_nwpu_is_read_by_its_lists_from_json_and_mat_also_without_people(tmp_path):
    for name in ("0001", "0002", "0003"):
        write_image(tmp_path / "images" / f"{name}.jpg")
    (tmp_path / "train.txt").write_text("0001 0 2\n0003 1 0\n")
    (tmp_path / "jsons").mkdir()
    (tmp_path / "jsons" / "0001.json").write_text(json.dumps({"points": POINTS.tolist(), "human_num": 3}))
    (tmp_path / "jsons" / "0003.json").write_text(json.dumps({"points": []}))
    data = read(tmp_path)
    assert [len(data[place]["dots"]) for place in range(len(data))] == [3, 0]
    for path in (tmp_path / "jsons").iterdir():
        path.unlink()
    (tmp_path / "jsons").rmdir()
    (tmp_path / "mats").mkdir()
    savemat(tmp_path / "mats" / "0001.mat", {"annPoints": POINTS})
    savemat(tmp_path / "mats" / "0003.mat", {"annPoints": np.zeros((0, 0))})
    data = read(tmp_path)
    assert [len(data[place]["dots"]) for place in range(len(data))] == [3, 0]


def test_jhu_own_files_and_lists_have_lines_of_x_and_y(tmp_path):
    write_image(tmp_path / "jhu" / "val" / "images" / "7.jpg")
    (tmp_path / "jhu" / "val" / "gt").mkdir()
    (tmp_path / "jhu" / "val" / "gt" / "7.txt").write_text("3 4 12 13 0 0\n20 10 3 3 1 0\n")
    np.testing.assert_allclose(read(tmp_path / "jhu", "val")[0]["dots"], [[3, 4], [20, 10]])
    write_image(tmp_path / "own" / "a.png")
    (tmp_path / "own" / "a.txt").write_text("3.5,4\n")
    np.testing.assert_allclose(read(tmp_path / "own")[0]["dots"], [[3.5, 4]])
    (tmp_path / "train.list").write_text("own/a.png own/a.txt\n")
    np.testing.assert_allclose(read(tmp_path / "train.list")[0]["dots"], [[3.5, 4]])


def test_centres_of_boxes_are_dots_of_the_classes_that_are_named(tmp_path):
    write_image(tmp_path / "images" / "a.jpg")
    boxes = [{"id": 1, "bbox": [0, 0, 10, 20], "category_id": 1}, {"id": 2, "bbox": [10, 10, 4, 4], "category_id": 2}]
    crowd = {"id": 3, "bbox": [0, 0, 30, 30], "category_id": 1, "iscrowd": 1}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 30, "width": 40}],
        "annotations": [{"image_id": 1, "area": 10, "iscrowd": 0, **box} for box in [*boxes, crowd]],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    source = Source(path=tmp_path / "images", split="train", classes=None, annotations=tmp_path / "boxes.json", kinds=frozenset({"dots"}))
    np.testing.assert_allclose(build_dots(source)[0]["dots"], [[5, 10], [12, 12]])
    cars = build_dots(source._replace(classes=["car"]))
    np.testing.assert_allclose(cars[0]["dots"], [[5, 10]])
    assert cars.info.classes == ["car"]
    with pytest.raises(DataError, match=r"the class 'cat' is to be counted, the boxes are of car, bus"):
        build_dots(source._replace(classes=["cat"]))


def test_boxes_of_voc_files_are_dots(tmp_path):
    write_image(tmp_path / "JPEGImages" / "a.jpg")
    (tmp_path / "Annotations").mkdir()
    box = "<object><name>RBC</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>10</xmax><ymax>20</ymax></bndbox></object>"
    xml = f"<annotation><filename>a.jpg</filename><size><width>40</width><height>30</height><depth>3</depth></size>{box}</annotation>"
    (tmp_path / "Annotations" / "a.xml").write_text(xml)
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("a\n")
    np.testing.assert_allclose(read(tmp_path)[0]["dots"], [[5, 10]])
    source = Source(path=tmp_path, split="train", classes=None, kinds=frozenset({"dots"}))
    np.testing.assert_allclose(build_dots(source, corners="edges")[0]["dots"], [[5.5, 10.5]])


def test_other_dots_have_no_corners(tmp_path):
    with pytest.raises(ConfigError, match=r"CatalogEntry.corners: 'edges' given, but .* has no annotation files of VOC"):
        build_dots(Source(path=tmp_path, split="train", classes=None, kinds=frozenset({"dots"})), corners="edges")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"GT_IMG_1\.mat: no file of MATLAB"),
        (b"\x00" * 200, r"GT_IMG_1\.mat: "),
        (None, r"GT_IMG_1\.mat: there is no such file|GT_IMG_1\.mat: .*cannot be read|GT_IMG_1\.mat.*missing|no such"),
    ],
)
def test_damaged_and_missing_files_of_dots_are_named(tmp_path, content, message):
    write_shanghaitech(tmp_path)
    path = tmp_path / "ground_truth" / "GT_IMG_1.mat"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_other_tables_and_lines_are_refused_with_their_place(tmp_path):
    write_shanghaitech(tmp_path / "a")
    savemat(tmp_path / "a" / "ground_truth" / "GT_IMG_1.mat", {"other": POINTS})
    with pytest.raises(DataError, match="neither annPoints nor image_info"):
        read(tmp_path / "a")
    write_image(tmp_path / "own" / "a.png")
    (tmp_path / "own" / "a.txt").write_text("3 4\nthree four\n")
    with pytest.raises(DataError, match=r"a\.txt:2: 'three four' given, a line 'x y' expected"):
        read(tmp_path / "own")
    (tmp_path / "own" / "a.txt").write_text("nan 4\n")
    with pytest.raises(DataError, match=r"a\.txt: a table of shape \(1, 2\) given, finite numbers"):
        read(tmp_path / "own")
    write_image(tmp_path / "bare" / "a.png")
    with pytest.raises(DataError, match=r"bare: no dots found; expected is one of: images/ with ground_truth"):
        read(tmp_path / "bare")
    (tmp_path / "train.list").write_text("own/a.png\n")
    with pytest.raises(DataError, match=r"train\.list:1: 'own/a\.png' given, 'image\.jpg dots\.txt' expected"):
        read(tmp_path / "train.list")
    (tmp_path / "train.list").write_text("../a.png own/a.txt\n")
    with pytest.raises(DataError, match=r"train\.list:1"):
        read(tmp_path / "train.list")


def test_crowds_are_the_same_each_time_and_some_are_empty():
    data = build_crowds(Source(path=None, split="test", classes=None))
    counts = np.array([len(data[place]["dots"]) for place in range(len(data))])
    assert len(data) == 150 and (counts == 0).any() and counts.max() > 200
    assert np.abs(counts - counts.mean()).mean() > 45
    np.testing.assert_array_equal(data[7]["image"], data[7]["image"])
    dots = data[int(counts.argmax())]["dots"]
    assert (dots >= 0).all() and (dots < 256).all()
    with pytest.raises(ConfigError, match="crowds: the split 'val' given"):
        build_crowds(Source(path=None, split="val", classes=None))
