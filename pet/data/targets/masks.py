"""Outlines of objects."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from pet.data.targets.boxes import largest_first
from pet.data.targets.dataset import IGNORE, Expectation, ImageTruth, sample_name
from pet.data.targets.identities import colour_number
from pet.data.targets.kind import Fields, Kind, Motion, Tile
from pet.data.targets.observation import Found, Observation, evidence_of_box
from pet.structures.affine import shift
from pet.structures.masks import InstanceMasks
from pet.structures.moves import Size
from pet.structures.paste import paste_masks
from pet.visual.canvas import Canvas
from pet.visual.names import TargetNames
from pet.visual.palette import class_colour
from pet.visual.settings import DrawSettings
from pet.visual.sheet import Legend
from petlib.data.protocols import Sample
from petlib.errors import DataError

NO_RASTER = "a mask cannot be rasterised"
EMPTY_MASK = "a mask has no pixel"


class Masks(Kind):
    """``masks``: :class:`pet.structures.InstanceMasks` of the objects that have boxes; in a batch uint8 (N, H, W).

    An object may be without an outline, so that it is learned as a box alone; all pixels of its mask in a batch are 255.
    """

    name = "masks"
    fields = ("masks",)
    object_fields = ("masks",)
    objects = "boxes"
    has_places = True
    layer = 10

    def has_target(self, truth: ImageTruth) -> np.ndarray:
        """Return which objects have an outline."""
        outlines = truth.segmentations or [None] * len(truth.labels)
        return np.array([outline is not None for outline in outlines], bool)

    def check(self, sample: Sample, expected: Expectation) -> None:
        """Check that each box has a mask."""
        masks, boxes = sample["masks"], sample["boxes"]
        if len(masks) != len(boxes):
            raise DataError(f"{sample_name(sample)}: {len(masks)} masks and {len(boxes)} boxes; one mask a box expected")

    def examine(self, sample: Sample, expected: Expectation, seen: Observation) -> Iterator[Found]:
        """Draw the masks."""
        try:
            areas = sample["masks"].areas()
        except Exception as error:  # noqa: BLE001 -- whatever a rasteriser says of a polygon
            yield NO_RASTER, f"{type(error).__name__}: {error}", True
            return
        known = sample["masks"].known
        if len(areas) == len(seen.labels):
            seen.areas = np.where(known, areas, seen.areas).tolist()
        for place in np.flatnonzero((areas == 0) & known):
            yield EMPTY_MASK, f"object {place}", False, evidence_of_box(sample["boxes"][place])

    def move(self, sample: Sample, motion: Motion) -> Fields:
        """Return the moved outlines."""
        return {"masks": sample["masks"].moved(motion.matrix, motion.size)}

    def select(self, sample: Sample, kept: np.ndarray) -> Fields:
        """Return some masks, as outlines or as pixels."""
        masks = sample["masks"]
        return {"masks": masks.select(kept) if isinstance(masks, InstanceMasks) else masks[kept]}

    def join(self, tiles: Sequence[Tile], size: Size) -> Fields:
        """Return the masks of all tiles."""
        return {"masks": InstanceMasks.concatenate([tile.sample["masks"].moved(shift(tile.left, tile.top), size) for tile in tiles])}

    def finish(self, sample: Sample) -> tuple[Fields, np.ndarray | None]:
        """Return the masks as pixels, and which objects have any: a crop may have left an empty corner of a box.

        They are drawn here and not before, so that transforms move a few corners instead of many pixels.

        Raises:
            DataError: the masks would fill the memory.
        """
        try:
            masks = sample["masks"].rasterise()
        except DataError as error:
            raise DataError(f"{sample['meta'].get('file', 'a sample')}: {error}") from error
        # max takes a third of the time of any
        kept = masks.reshape(len(masks), masks.shape[1] * masks.shape[2]).max(axis=1, initial=0) > 0
        unknown = ~sample["masks"].known
        if unknown.any():
            masks[unknown], kept = IGNORE, kept | unknown
        return {"masks": masks}, kept

    def draw(self, canvas: Canvas, fields: Fields, names: TargetNames, settings: DrawSettings) -> Legend:
        """Tint the masks, the largest objects first."""
        masks, boxes = fields["masks"], fields.get("boxes")
        if not settings.masks or boxes is None:
            return {}
        pixels = masks.rasterise() if isinstance(masks, InstanceMasks) else masks
        for index in largest_first(boxes):
            mask = _on_canvas(canvas, pixels[index], boxes[index])
            if mask.dtype == np.uint8 and mask.min(initial=IGNORE) == IGNORE:
                continue
            canvas.draw_mask(mask, class_colour(colour_number(fields, index)), settings.mask_alpha)
        return {}


def _on_canvas(canvas: Canvas, mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return pixels of the picture or of the image, from those or from probabilities over the area of the box."""
    if mask.dtype in (np.bool_, np.uint8):
        return mask
    pixels: np.ndarray = paste_masks(as_tensor(mask), canvas_box(canvas, box), canvas.size)[0].numpy()
    return pixels


def as_tensor(values: np.ndarray) -> torch.Tensor:
    """Return the values of one object as float32 (1, ...)."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]


def canvas_box(canvas: Canvas, box: np.ndarray) -> torch.Tensor:
    """Return a box (4,) of the image as float32 (1, 4) in pixels of the picture."""
    return as_tensor(canvas.to_canvas(np.asarray(box).reshape(2, 2)).reshape(4))
