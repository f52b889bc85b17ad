"""Points on the surface of objects: part, u and v of places in the image."""

from collections.abc import Iterator, Sequence

import numpy as np

from pet.data.targets.boxes import largest_first
from pet.data.targets.dataset import IGNORE, DatasetInfo, Expectation, ImageTruth, sample_name
from pet.data.targets.kind import Fields, Kind, Motion, Tile
from pet.data.targets.masks import as_tensor, canvas_box
from pet.data.targets.numbering import Sides
from pet.data.targets.observation import Found, Observation, evidence_of_box
from pet.structures.affine import is_inside, move_points, shift
from pet.structures.masks import InstanceMasks
from pet.structures.moves import Size
from pet.structures.paste import paste_nearest
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.palette import class_colour
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample
from petlib.errors import DataError

POINT_FIELDS = 8
"""Of a point: x, y, part, u, v, and part, u, v that it has in a mirrored image. A part of 0: there is no such point."""
PART, MIRRORED = slice(2, 5), slice(5, 8)

POINT_OUTSIDE = "a point of a surface lies outside of its image"
NO_POINT = "no object has a point of its surface"
CHEQUERS = 4
"""Fields along u and along v of the grid that pictures show on each part."""


class Surface(Kind):
    """``surface``, float32 (N, Q, 8), the points of the objects that have boxes, and ``surface_masks``, where these are.

    A point has x and y in pixels, its part from 1, u and v from 0 to 1, and part, u and v in a mirrored image, with which it exchanges them
    when it is mirrored; fewer points than Q are filled up with part 0. ``surface_masks`` are :class:`pet.structures.InstanceMasks`, in a
    batch uint8 (N, H, W), all 255 where the mask is not known. Predictions have ``surface``, uint8 (N, 3, M, M) over the area of each box:
    the part, 0 for the background, and u and v in 255ths.
    """

    name = "surface"
    fields = ("surface", "surface_masks")
    object_fields = ("surface", "surface_masks")
    objects = "boxes"
    has_places = True
    counted = "parts of a surface, with the background"
    fixed_names = True
    layer = 25

    def names(self, info: DatasetInfo) -> Sequence[str]:
        """Return the names of the parts, the background first."""
        return ("background", *info.surface_set.names) if info.surface_set else ()

    def sides(self, info: DatasetInfo) -> Sides | None:
        """Return which part is which in a mirrored image; unknown where the mesh does not say it."""
        surfaces = info.surface_set
        return Sides(surfaces.swap or range(len(surfaces.names) + 1), known=bool(surfaces.swap)) if surfaces else None

    def has_target(self, truth: ImageTruth) -> np.ndarray:
        """Return which objects have points."""
        return np.array([surface is not None for surface in truth.surfaces or [None] * len(truth.labels)], bool)

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check that each box has its points, of parts that the model knows."""
        points, masks, boxes = sample["surface"], sample["surface_masks"], sample["boxes"]
        if points.ndim != 3 or points.shape[::2] != (len(boxes), POINT_FIELDS) or len(masks) != len(boxes):
            raise DataError(
                f"{sample_name(sample)}: surface of shape {points.shape} and {len(masks)} masks, ({len(boxes)}, Q, {POINT_FIELDS}) and "
                f"{len(boxes)} expected"
            )
        known = expected.counts.get(self.name)
        if known is not None and points[..., 2].max(initial=0) >= known:
            raise DataError(f"{sample_name(sample)}: a point of part {int(points[..., 2].max())}, 1 to {known - 1} expected")

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Look for points that cannot be seen."""
        points = sample["surface"]
        outside = (points[..., 2] > 0) & ~is_inside(points[..., :2], seen.size)
        for place in np.flatnonzero(outside.any(axis=1)):
            yield POINT_OUTSIDE, f"object {place}: {int(outside[place].sum())} points", False, evidence_of_box(sample["boxes"][place])

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the moved points and masks; points that leave the image become absent: all 0."""
        points = sample["surface"]
        order = [*range(*MIRRORED.indices(POINT_FIELDS)), *range(*PART.indices(POINT_FIELDS))] if motion.mirrored else [*range(2, 8)]
        moved = np.concatenate([move_points(points[..., :2].astype(np.float64), motion.matrix), points[..., order]], axis=-1)
        present = (moved[..., 2] > 0) & is_inside(moved[..., :2], motion.size)
        masks = sample["surface_masks"].moved(motion.matrix, motion.size)
        return {"surface": np.where(present[..., None], moved, 0.0).astype(np.float32), "surface_masks": masks}

    def select(self, sample: Sample, kept: np.ndarray) -> Fields:
        """Return points and masks of some objects, these as outlines or as pixels."""
        masks = sample["surface_masks"]
        chosen = masks.select(kept) if isinstance(masks, InstanceMasks) else masks[kept]
        return {"surface": sample["surface"][kept], "surface_masks": chosen}

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Return the points and masks of all tiles."""
        parts = []
        for tile in tiles:
            points = tile.sample["surface"]
            moved = points + np.array([tile.left, tile.top, *[0] * (POINT_FIELDS - 2)], np.float32)
            parts.append(np.where(points[..., 2:3] > 0, moved, points))
        masks = [tile.sample["surface_masks"].moved(shift(tile.left, tile.top), size) for tile in tiles]
        return {"surface": concatenate_points(parts), "surface_masks": InstanceMasks.concatenate(masks)}

    def finish(self, sample: Sample) -> tuple[Fields, np.ndarray | None]:
        """Return the masks as pixels; objects without any stay, as boxes.

        Raises:
            DataError: the masks would fill the memory.
        """
        masks = sample["surface_masks"].rasterise()
        masks[~sample["surface_masks"].known] = IGNORE
        return {"surface_masks": masks}, None

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Draw the points of targets; of predictions tint each part, in chequers of u and v, the highest scores in front."""
        surface, boxes = fields["surface"], fields.get("boxes")
        if not settings.parsing or boxes is None:
            return {}
        if surface.dtype == np.uint8:
            scores = fields.get("scores")
            _draw_chequers(
                canvas, _joined(canvas, fields, largest_first(boxes) if scores is None else np.argsort(scores)), settings.parsing_alpha
            )
            return {}
        for index in largest_first(boxes):
            points = surface[index][surface[index, :, 2] > 0]
            for part in np.unique(points[:, 2]):
                canvas.draw_discs(points[points[:, 2] == part, :2], class_colour(int(part)), large=False)
        return {}


def concatenate_points(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the points of several lists of objects, (N_i, Q_i, F) each, as one (N, Q, F), filled up with 0."""
    most = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, most - part.shape[1]), (0, 0))) for part in parts])


def _joined(canvas: Canvas, fields: Fields, order: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return part, u and v (3, height, width) of the objects of a picture, the last of them in front."""
    joined = np.zeros((3, *canvas.size), np.uint8)
    for index in order:
        pasted = paste_nearest(as_tensor(fields["surface"][index]), canvas_box(canvas, fields["boxes"][index]), canvas.size)[0].numpy()
        np.copyto(joined, pasted, where=pasted[0] > 0, casting="unsafe")
    return joined


def _draw_chequers(canvas: Canvas, joined: np.ndarray, alpha: float) -> None:
    """Tint each part (3, height, width): the colour is the part's, its share is another in each second field of a grid of u and v."""
    labels, (u, v) = joined[0], joined[1:].astype(np.int64) * CHEQUERS // 256
    odd = (u + v) % 2 == 1
    for chosen, share in ((~odd, alpha), (odd, 0.5 * alpha)):
        canvas.draw_label_image(np.where(chosen, labels, 0), lambda label: class_colour(label) if label else None, share)
