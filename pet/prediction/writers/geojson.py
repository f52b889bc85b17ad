"""Polygons as GeoJSON."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pet.data.files.rasters import RasterInfo
from pet.prediction.output import temporary_path
from pet.prediction.writers.polygons import Polygon, signed_area


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
