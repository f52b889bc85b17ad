"""Areas of one label as polygons along the edges of pixels, and polygons as GeoJSON."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import cv2
import numpy as np

from pet.data.files.rasters import RasterInfo, load_rasterio, open_raster
from pet.prediction.writers.records import paste_mask
from petlib.files import temporary_path


class Polygon(NamedTuple):
    """A connected area of one label, pixels that touch only at corners apart.

    Attributes:
        label: the label.
        rings: int64 (N, 2), x (to the right) and y (down) of corners of pixels, the first one repeated at the end: the outer
            boundary, then the holes. Boxes of objects have corners between pixels, float64.
        properties: what else is known of it, e.g. the score of an object, as JSON can hold it.
    """

    label: int
    rings: list[np.ndarray]
    properties: Mapping[str, Any] = MappingProxyType({})

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        outer, *holes = (round(abs(signed_area(ring))) for ring in self.rings)
        return outer - sum(holes)


def signed_area(ring: np.ndarray) -> float:
    """Return the area that a closed ring (N, 2) encloses, above 0 where it runs from the x axis towards the y axis."""
    # large coordinates of map projections would cancel
    points = (ring - ring[0]).astype(np.float64)
    return float((points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]).sum() / 2)


def trace_raster(path: Path, *, wanted: Callable[[int], bool]) -> Iterator[Polygon]:
    """Yield the polygons of a label image that rasterio reads, row by row.

    Args:
        path: the file, one band of uint8.
        wanted: whether the areas of a label are asked for.

    Raises:
        ConfigError: rasterio is not installed.
    """
    rasterio = load_rasterio()
    # the package does not import it
    from rasterio import features

    with open_raster(path) as file:
        # GDAL gives the coordinates of the file's own transform
        to_pixels = np.array((~file.transform)[:6]).reshape(2, 3)
        for shape, label in features.shapes(rasterio.band(file, 1), connectivity=4):
            if wanted(int(label)):
                rings = [np.array(ring) @ to_pixels[:, :2].T + to_pixels[:, 2] for ring in shape["coordinates"]]
                yield Polygon(int(label), [ring.round().astype(np.int64) for ring in rings])


def trace_label_image(labels: np.ndarray, *, wanted: Callable[[int], bool]) -> Iterator[Polygon]:
    """Yield the polygons of a label image, uint8 (H, W).

    Args:
        labels: the image.
        wanted: whether the areas of a label are asked for.
    """
    for label in (int(label) for label in np.flatnonzero(np.bincount(labels.ravel()))):
        if wanted(label):
            count, areas, boxes, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=4)
            for number in range(1, count):
                left, top, width, height = (int(value) for value in boxes[number, :4])
                inside = areas[top : top + height, left : left + width] == number
                yield Polygon(label, [ring + (left, top) for ring in _rings(inside)])


def trace_objects(predictions: Mapping[str, np.ndarray], size: tuple[int, int], *, score_threshold: float) -> Iterator[Polygon]:
    """Yield the areas of the masks of objects, or where a model finds none their boxes, with ``score`` and ``object``, its number.

    Args:
        predictions: ``boxes`` (N, 4), ``scores`` (N,), ``labels`` (N,) and perhaps ``masks`` (N, M, M), of an image.
        size: (height, width) of the image.
        score_threshold: objects with a lower score are left out.
    """
    masks = predictions.get("masks")
    for number in np.flatnonzero(predictions["scores"] >= score_threshold):
        label, box = int(predictions["labels"][number]), predictions["boxes"][number].astype(np.float64)
        properties = {"object": int(number), "score": round(float(predictions["scores"][number]), 6)}
        if masks is None:
            left, top, right, bottom = box
            yield Polygon(label, [np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])], properties)
        else:
            pixels = paste_mask(masks[number], box, size)
            for area in trace_label_image(pixels.astype(np.uint8), wanted=bool):
                yield area._replace(label=label, properties=properties)


def _rings(area: np.ndarray) -> list[np.ndarray]:
    """Return the rings of a connected area, bool (h, w), the outer one first.

    OpenCV's outlines run through the centres of pixels. On an image of twice the size each of them lies a quarter of a pixel from
    an edge, and is moved to it.
    """
    doubled = np.repeat(np.repeat(area.astype(np.uint8), 2, axis=0), 2, axis=1)
    outlines, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    order = sorted(range(len(outlines)), key=lambda index: hierarchy[0][index][3] >= 0)
    return [_corners((outlines[index][:, 0].astype(np.int64) + 1) // 2) for index in order]


def _corners(ring: np.ndarray) -> np.ndarray:
    """Return a ring, closed, without points that repeat or lie on a straight line."""
    moved = (ring != np.roll(ring, 1, axis=0)).any(axis=1)
    ring = ring[moved]
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    ring = ring[turns]
    return np.concatenate([ring, ring[:1]])


def write_geojson(path: Path, polygons: Iterable[Polygon], *, info: RasterInfo, name_of: Callable[[int], str]) -> None:
    """Write polygons as a FeatureCollection (RFC 7946), one a line, as they come.

    Coordinates are those of the raster's reference system, which the member ``crs`` names as GeoJSON did before RFC 7946 (that
    knows WGS 84 only), and pixels from the upper left corner where the image has no place on the earth; the member ``coordinates`` says
    which. Properties are ``class`` (the label), ``class_name``, ``pixels`` and ``area``, in squares of the unit that ``area_unit`` names,
    and those of the polygon.

    Args:
        path: the file.
        polygons: in pixels.
        info: of the image.
        name_of: the name of a label.
    """
    with temporary_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        head = json.dumps({"type": "FeatureCollection", "name": path.stem, **_reference(info)}, ensure_ascii=False)
        file.write(head[:-1] + ', "features": [')
        for number, polygon in enumerate(polygons):
            file.write((",\n" if number else "\n") + json.dumps(_feature(polygon, info, name_of), ensure_ascii=False))
        file.write("\n]}\n")


def _reference(info: RasterInfo) -> dict[str, Any]:
    if info.transform is None:
        return {"coordinates": "pixels of the image, x to the right and y down", "area_unit": "pixel"}
    if info.crs is None:
        return {"coordinates": "those of the image's transform; it names no reference system", "area_unit": "unknown"}
    authority = info.crs.to_authority()
    name = f"urn:ogc:def:crs:{authority[0]}::{authority[1]}" if authority else info.crs.to_wkt()
    unit = "degree" if info.crs.is_geographic else info.crs.linear_units
    return {"crs": {"type": "name", "properties": {"name": name}}, "coordinates": f"those of {info.crs.to_string()}", "area_unit": unit}


def _feature(polygon: Polygon, info: RasterInfo, name_of: Callable[[int], str]) -> dict[str, Any]:
    rings = [_placed(ring, info) for ring in polygon.rings]
    # outer rings run counterclockwise, holes clockwise
    turned = [ring if (signed_area(ring) > 0) == (place == 0) else ring[::-1] for place, ring in enumerate(rings)]
    pixel_area = abs(info.transform.determinant) if info.transform is not None else 1
    properties = {
        "class": polygon.label,
        "class_name": name_of(polygon.label),
        "pixels": polygon.pixels,
        "area": polygon.pixels * pixel_area,
        **polygon.properties,
    }
    geometry = {"type": "Polygon", "coordinates": [ring.tolist() for ring in turned]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _placed(ring: np.ndarray, info: RasterInfo) -> np.ndarray:
    """Return a ring in the coordinates of the raster."""
    if info.transform is None:
        return ring
    a, b, c, d, e, f = tuple(info.transform)[:6]
    return np.stack([a * ring[:, 0] + b * ring[:, 1] + c, d * ring[:, 0] + e * ring[:, 1] + f], axis=1)
