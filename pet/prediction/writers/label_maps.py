"""Label maps of images as files: PNG, of a TIFF a GeoTIFF with its place on the earth; and their areas as GeoJSON."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from pet.data.files.label_images import read_label_image
from pet.data.files.rasters import RasterInfo, uses_rasterio
from pet.data.targets.dataset import IGNORE
from pet.prediction.writers.geojson import write_geojson
from pet.prediction.writers.label_files import LabelFile, open_geotiff, open_png
from pet.prediction.writers.polygons import Polygon, trace_label_image, trace_raster
from pet.visual.names import TargetNames
from pet.visual.palette import BLACK, Colour


def open_label_map(path: Path, info: RasterInfo, colour_of: Callable[[int], Colour | None]) -> AbstractContextManager[LabelFile]:
    """Give a label image that is written from top to bottom.

    Args:
        path: the file: a GeoTIFF where it ends with ``.tif``, else a PNG.
        info: of the image.
        colour_of: the colour of a label, which programs show a GeoTIFF in; None: it is not coloured.
    """
    if path.suffix != ".tif":
        return open_png(path, (info.height, info.width))
    # the colour map has a colour for each value of a byte
    return open_geotiff(path, info, {label: colour_of(label) or BLACK for label in range(IGNORE)})


def label_map_suffix(image: Path) -> str:
    """Return how the label map of an image ends: ``.tif`` where the image may have a place on the earth."""
    return ".tif" if uses_rasterio(image) else ".png"


def write_label_polygons(path: Path, label_map: Path, *, info: RasterInfo, names: TargetNames) -> None:
    """Write the areas of the classes in a label map, the background apart, as GeoJSON.

    Args:
        path: the file.
        label_map: see :func:`open_label_map`.
        info: of the image.
        names: of the classes; those without a colour are background.
    """

    def wanted(label: int) -> bool:
        return names.pixel_class_colour(label) is not None

    found = trace_raster(label_map, wanted=wanted) if label_map.suffix == ".tif" else _trace_png(label_map, wanted)
    write_geojson(path, found, info=info, name_of=names.of_pixel_class)


def _trace_png(path: Path, wanted: Callable[[int], bool]) -> Iterator[Polygon]:
    return trace_label_image(read_label_image(path).astype(np.uint8), wanted=wanted)
