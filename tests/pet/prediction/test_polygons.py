"""Areas of labels as polygons, against pixels counted by hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.features import rasterize

from pet.data.files.rasters import RasterInfo
from pet.prediction.writers.polygons import Polygon, signed_area, trace_label_image, trace_objects, trace_raster, write_geojson
from pet.visual import TargetNames

NAMES = TargetNames(semseg_classes=("background", "house", "Straße"))

RING = """
.......
.11111.
.1...1.
.1.2.1.
.1...1.
.11111.
......2
"""
CORNERS = """
1.1
.1.
1.1
"""
HOLE_AT_A_CORNER = """
.11
1.1
111
"""
TWO_HOLES_THAT_TOUCH = """
1111
1.11
11.1
1111
"""
STAIRS = """
1...
11..
.11.
..11
"""


def labels_from(text: str) -> np.ndarray:
    return np.array([[int(value) if value.isdigit() else 0 for value in line] for line in text.split()], np.uint8)


def traced(labels: np.ndarray, folder: Path, method: str) -> list[Polygon]:
    if method == "opencv":
        return list(trace_label_image(labels, wanted=bool))
    cv2.imwrite(str(folder / "labels.png"), labels)
    return list(trace_raster(folder / "labels.png", wanted=bool))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("method", ["opencv", "rasterio"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", [(1, 1, 0)]),
        (RING, [(1, 16, 1), (2, 1, 0), (2, 1, 0)]),
        (CORNERS, [(1, 1, 0)] * 5),
        (HOLE_AT_A_CORNER, [(1, 7, 1)]),
        (TWO_HOLES_THAT_TOUCH, [(1, 14, 2)]),
        (STAIRS, [(1, 7, 0)]),
        ("...\n...", []),
    ],
)
def test_shapes_drawn_by_hand(tmp_path: Path, method: str, text: str, expected: list[tuple[int, int, int]]) -> None:
    found = traced(labels_from(text), tmp_path, method)
    assert sorted((polygon.label, polygon.pixels, len(polygon.rings) - 1) for polygon in found) == sorted(expected)
    assert all((ring[0] == ring[-1]).all() for polygon in found for ring in polygon.rings)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_both_ways_find_the_same_areas_of_a_random_image(tmp_path: Path) -> None:
    labels = cv2.medianBlur(np.random.default_rng(0).integers(0, 3, (90, 120), dtype=np.uint8), 3)
    labels[:30, :40] = np.random.default_rng(1).integers(0, 3, (30, 40))
    polygons = {method: traced(labels, tmp_path, method) for method in ("opencv", "rasterio")}
    for found in polygons.values():
        for label in (1, 2):
            assert sum(polygon.pixels for polygon in found if polygon.label == label) == (labels == label).sum()
        shapes = [({"type": "Polygon", "coordinates": [ring.tolist() for ring in polygon.rings]}, polygon.label) for polygon in found]
        assert np.array_equal(rasterize(shapes, labels.shape, transform=Affine.identity()), labels)
    keys = [sorted((p.label, p.pixels, len(p.rings), *p.rings[0].min(axis=0)) for p in found) for found in polygons.values()]
    assert keys[0] == keys[1]


def test_corners_are_those_of_pixels() -> None:
    (polygon,) = trace_label_image(labels_from("....\n.11.\n.1.."), wanted=bool)
    assert {tuple(point) for point in polygon.rings[0].tolist()} == {(1, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3)}
    assert len(polygon.rings[0]) == 7


def test_geojson_in_pixels(tmp_path: Path) -> None:
    labels = labels_from(RING)
    info = RasterInfo(*labels.shape, 3, "uint8")
    write_geojson(tmp_path / "a.geojson", trace_label_image(labels, wanted=bool), info=info, name_of=NAMES.of_pixel_class)
    content = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert content["coordinates"] == "pixels of the image, x to the right and y down"
    assert content["area_unit"] == "pixel"
    assert "crs" not in content
    assert [feature["properties"]["class_name"] for feature in content["features"]] == ["house", "Straße", "Straße"]
    ring = content["features"][0]
    assert ring["properties"] == {"class": 1, "class_name": "house", "pixels": 16, "area": 16}
    outer, hole = (np.array(part) for part in ring["geometry"]["coordinates"])
    assert (signed_area(outer), signed_area(hole)) == (25, -9)
    assert [path.name for path in tmp_path.iterdir()] == ["a.geojson"]


@pytest.mark.parametrize(
    ("crs", "name", "unit"), [(32650, "urn:ogc:def:crs:EPSG::32650", "metre"), (4326, "urn:ogc:def:crs:EPSG::4326", "degree")]
)
def test_geojson_on_the_earth(tmp_path: Path, crs: int, name: str, unit: str) -> None:
    labels = labels_from("..1\n..1")
    info = RasterInfo(*labels.shape, 3, "uint8", crs=CRS.from_epsg(crs), transform=Affine(0.5, 0, 100, 0, -0.5, 40))
    write_geojson(tmp_path / "a.geojson", trace_label_image(labels, wanted=bool), info=info, name_of=NAMES.of_pixel_class)
    content = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert content["crs"]["properties"]["name"] == name
    assert content["coordinates"] == f"those of EPSG:{crs}"
    assert content["area_unit"] == unit
    (feature,) = content["features"]
    assert feature["properties"]["area"] == 0.5
    ring = np.array(feature["geometry"]["coordinates"][0])
    assert signed_area(ring) == 0.5
    assert ring.min(axis=0).tolist() == [101, 39]
    assert ring.max(axis=0).tolist() == [101.5, 40]


def test_nothing_found_is_valid_too(tmp_path: Path) -> None:
    write_geojson(tmp_path / "a.geojson", [], info=RasterInfo(2, 2, 3, "uint8"), name_of=NAMES.of_pixel_class)
    assert json.loads((tmp_path / "a.geojson").read_text())["features"] == []


def test_objects_become_areas_of_their_masks_or_boxes() -> None:
    masks = np.zeros((2, 4, 4), np.float32)
    masks[1, :, :2] = 1
    found = {
        "boxes": np.array([[0, 0, 9, 9], [2.5, 4, 10.5, 12]], np.float32),
        "scores": np.array([0.2, 0.75], np.float32),
        "labels": np.array([0, 3]),
    }
    (box,) = trace_objects(found, (20, 30), score_threshold=0.5)
    assert (box.label, box.properties) == (3, {"object": 1, "score": 0.75})
    assert box.rings[0].tolist() == [[2.5, 4], [10.5, 4], [10.5, 12], [2.5, 12], [2.5, 4]]
    (area,) = trace_objects({**found, "masks": masks}, (20, 30), score_threshold=0.5)
    assert (area.label, area.properties) == (3, {"object": 1, "score": 0.75})
    assert (area.rings[0].min(axis=0).tolist(), area.rings[0].max(axis=0).tolist()) == ([2, 4], [7, 12])
