"""Points on surfaces in annotations of a COCO file, as DensePose-COCO has them (https://arxiv.org/abs/1802.00434)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from pet.data.files.json_values import as_numbers
from pet.data.files.limits import shown
from pet.data.targets.dataset import SurfaceTruth
from pet.data.targets.surface import POINT_FIELDS
from pet.structures.affine import shift
from pet.structures.masks import Frame, InstanceMasks, Outline
from pet.structures.surfaces import SurfaceMesh

FIRST_KEY = "dp_x"
POINT_KEYS = (FIRST_KEY, "dp_y", "dp_I", "dp_U", "dp_V")
BOX_CELLS = 256
"""Points count 256ths of their box, and masks have as many rows and columns."""


def read_surface(annotation: Mapping[str, Any], parts: int) -> SurfaceTruth | None:
    """Return the points of an annotation; None: it has none.

    Args:
        annotation: a row of the file, whose ``bbox`` was checked.
        parts: number of parts of the surface.

    Raises:
        ValueError: a list is wrong.
    """
    if FIRST_KEY not in annotation:
        return None
    columns = [as_numbers(annotation.get(key)) for key in POINT_KEYS]
    for key, column in zip(POINT_KEYS, columns, strict=True):
        if column is None:
            raise ValueError(f"its {key} is {shown(annotation.get(key))}, a list of numbers expected")
        if len(column) != len(columns[0] or ()):
            raise ValueError(f"its {key} has {len(column)} numbers, its {FIRST_KEY} {len(columns[0] or ())}; the same expected")
    points = np.array(columns, np.float64).T.reshape(-1, len(POINT_KEYS))
    numbers, uv = points[:, 2], points[:, 3:]
    if not (np.isin(numbers, np.arange(1, parts + 1)).all() and ((uv >= 0) & (uv <= 1)).all()):
        raise ValueError(f"a point has a part that is not 1 to {parts}, or u or v outside of 0 to 1 (dp_I, dp_U, dp_V)")
    left, top, width, height = map(float, annotation["bbox"])
    return SurfaceTruth((left, top, width, height), points, _read_mask(annotation.get("dp_masks")))


def _read_mask(given: Any) -> dict[str, Any] | None:
    """Return the union of the masks of an annotation: one for each of 14 coarse parts, empty where it cannot be seen, or one of all."""
    masks = [given] if isinstance(given, dict) else [mask for mask in given or [] if mask]
    for mask in masks:
        if not isinstance(mask, dict) or list(mask.get("size", ())) != [BOX_CELLS, BOX_CELLS] or not isinstance(mask.get("counts"), str):
            raise ValueError(f"its dp_masks have {shown(mask)}; compressed RLEs of {BOX_CELLS} x {BOX_CELLS} pixels expected")
    if not masks:
        return None
    merged: dict[str, Any] = coco_mask.merge(masks)
    return merged


def surface_points(surfaces: Sequence[SurfaceTruth | None], mesh: SurfaceMesh) -> np.ndarray:
    """Return the points of objects as samples have them, float32 (N, Q, 8); see :class:`pet.data.targets.surface.Surface`."""
    most = max((len(surface.points) for surface in surfaces if surface), default=0)
    result = np.zeros((len(surfaces), most, POINT_FIELDS), np.float32)
    for row, surface in zip(result, surfaces, strict=True):
        if surface is not None and len(surface.points):
            left, top, width, height = surface.box
            places = surface.points[:, :2] * (width / BOX_CELLS, height / BOX_CELLS) + (left, top)
            parts, uv = surface.points[:, 2].astype(np.int64), surface.points[:, 3:]
            mirrored, mirrored_uv = mesh.mirrored(parts, uv)
            row[: len(places)] = np.concatenate([places, surface.points[:, 2:], mirrored[:, None], mirrored_uv], axis=1)
    return result


def surface_masks(surfaces: Sequence[SurfaceTruth | None], size: tuple[int, int]) -> InstanceMasks:
    """Return the masks of objects in an image of ``size`` (height, width), each stretched over its box."""
    outlines: list[Outline] = []
    frames = []
    for surface in surfaces:
        known = surface is not None and surface.mask is not None
        outlines.append(surface.mask if surface is not None and surface.mask is not None else ())
        left, top, width, height = surface.box if surface is not None and known else (0.0, 0.0, BOX_CELLS, BOX_CELLS)
        frames.append(Frame(shift(left, top) @ np.diag([width / BOX_CELLS, height / BOX_CELLS, 1.0])))
    return InstanceMasks(outlines, size, frames, range(len(frames)))
