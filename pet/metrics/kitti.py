"""The metrics of KITTI's three-dimensional objects: boxes in the image, from above and in space, and directions; in numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from pet.metrics.ranked_matching import ABSENT, COUNTS, IGNORED, FrameOverlaps, Precisions, measure_precisions
from pet.structures.objects3d import Objects3D
from pet.structures.rotated import iou_3d_of_pairs, iou_of_pairs

LEVELS = ("easy", "moderate", "hard")
MIN_HEIGHTS = np.array([40, 25, 25])
MAX_OCCLUDED = np.array([0, 1, 2])
MAX_TRUNCATED = np.array([0.15, 0.3, 0.5])
NEIGHBOURS = {"car": ("van",), "pedestrian": ("person_sitting",)}
"""Classes that are too similar to be wrong."""
DONT_CARE = "dontcare"
RINGS = {"0-20m": (0.0, 20.0), "20-40m": (20.0, 40.0), "40m-": (40.0, np.inf)}
"""Distances whose objects are measured apart."""

STRICT = {"Car": 0.7}
LOOSE = {"Car": 0.5}
OTHER_STRICT, OTHER_LOOSE = 0.5, 0.25
"""Overlaps above which a box in space is right; KITTI's own are the strict ones."""
VIEWS = ("2d", "bev", "3d")

Frames = Sequence[tuple[Objects3D, Objects3D]]
"""Of each frame what is annotated and what was found."""


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision of a class.

    Attributes:
        view: ``2d``, ``bev``, ``3d``, or ``aos``: average orientation similarity, in the image.
        name: the class.
        part: one of ``LEVELS`` or of ``RINGS``.
        overlap: above which a box is right.
        r40: the mean of 40 places of recall, KITTI's since October 2019; NaN: nothing is annotated.
        r11: the mean of 11 places, of older papers.
        count: annotations that count.
    """

    view: str
    name: str
    part: str
    overlap: float
    r40: float
    r11: float
    count: int


class _Look(NamedTuple):
    """What is looked at: a class in a view, with the overlap above which a box is right."""

    name: str
    has_image: bool
    view: str
    overlap: float


def strict_overlap(name: str) -> float:
    """Return the overlap above which a box of a class is right."""
    return STRICT.get(name, OTHER_STRICT)


def loose_overlap(name: str) -> float:
    """Return the overlap of the more tolerant figures in space."""
    return LOOSE.get(name, OTHER_LOOSE)


def measure(frames: Frames, classes: Sequence[str]) -> list[AveragePrecision]:
    """Return all average precisions: of each class in each view, strict and, from above and in space, loose; by level and by distance.

    Where no annotation has a box in the image (data without a camera) heights do not count, and nothing is measured in the image.
    """
    has_image = any((truth.heights > 0).any() for truth, _ in frames)
    return [found for name in classes for found in _measure_class(frames, name, has_image)]


def _measure_class(frames: Frames, name: str, has_image: bool) -> list[AveragePrecision]:
    kept = [_only_concerned(truth, found, name, has_image) for truth, found in frames]
    kept = [pair for pair in kept if len(pair[0]) or len(pair[1])]
    results = []
    for view, overlaps in _overlaps_of(kept).items():
        if view == "2d" and not has_image:
            continue
        strict, loose = strict_overlap(name), loose_overlap(name)
        for overlap in [strict] if view == "2d" else [strict, loose]:
            look = _Look(name, has_image, view, overlap)
            matched = [_flagged(*pair, own, look) for pair, own in zip(kept, overlaps, strict=True)]
            if not matched:
                continue
            precisions = measure_precisions(matched, min_overlap=overlap)
            results += _summarise(precisions, view, name, overlap)
    return results or [AveragePrecision("3d", name, part, strict_overlap(name), np.nan, np.nan, 0) for part in (*LEVELS, *RINGS)]


def _summarise(precisions: Precisions, view: str, name: str, overlap: float) -> list[AveragePrecision]:
    curves = {view: precisions.precision, **({"aos": precisions.similarity} if view == "2d" else {})}
    found = []
    for shown, values in curves.items():
        for place, part in enumerate((*LEVELS, *RINGS)):
            count, curve = int(precisions.counts[place]), values[place]
            r40, r11 = (float(curve[1:].mean()), float(curve[::4].mean())) if count else (np.nan, np.nan)
            found.append(AveragePrecision(shown, name, part, overlap, r40, r11, count))
    return found


def _only_concerned(truth: Objects3D, found: Objects3D, name: str, has_image: bool) -> tuple[Objects3D, Objects3D]:
    """Return the annotations and detections that a class has to do with; regions that do not count come with them."""
    own = _lower(truth)
    concerned = (own == name.lower()) | np.isin(own, NEIGHBOURS.get(name.lower(), ())) | (own == DONT_CARE)
    # as in the development kit, low detections of any class are ignored, so that they may take an annotation
    low = (np.abs(found.heights) < MIN_HEIGHTS.max()) & has_image
    return truth[concerned], found[(_lower(found) == name.lower()) | low]


def _lower(objects: Objects3D) -> np.ndarray:
    return np.char.lower(objects.types.astype(str)) if len(objects) else np.zeros(0, str)


def _overlaps_of(frames: Frames) -> Mapping[str, list[np.ndarray]]:
    """Return of each view and frame the overlaps, float64 (G, D) of all annotations and detections; all frames at once."""
    pairs = [np.indices((len(truth), len(found))).reshape(2, -1) for truth, found in frames]
    shapes = [(len(truth), len(found)) for truth, found in frames]

    def gathered(place: int, value: str) -> torch.Tensor:
        parts = [getattr(frame[place].boxes, value)[own[place]] for frame, own in zip(frames, pairs, strict=True)]
        return torch.from_numpy(np.concatenate(parts) if parts else np.zeros((0, 5)))

    first, second = gathered(0, "footprints"), gathered(1, "footprints")
    flat = {
        "bev": iou_of_pairs(first, second).numpy(),
        "3d": iou_3d_of_pairs(first, gathered(0, "extents"), second, gathered(1, "extents")).numpy() if len(frames) else np.zeros(0),
    }
    ends = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
    found = {
        view: [part.reshape(shape) for part, shape in zip(np.split(values, ends), shapes, strict=True)] for view, values in flat.items()
    }
    return {"2d": [image_overlaps(truth.boxes2d, found.boxes2d) for truth, found in frames], **found}


def image_overlaps(first: np.ndarray, second: np.ndarray, *, of_second: bool = False) -> np.ndarray:
    """Return intersection over union, float64 (N, M), of boxes in the image; ``of_second``: over the area of the second one."""
    common = np.minimum(first[:, None, 2:], second[None, :, 2:]) - np.maximum(first[:, None, :2], second[None, :, :2])
    shared = common.clip(min=0).prod(axis=2)
    areas, others = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second))
    whole = np.broadcast_to(others, shared.shape) if of_second else areas[:, None] + others - shared
    overlaps: np.ndarray = shared / np.maximum(whole, 1e-12)
    return overlaps


def _flagged(truth: Objects3D, found: Objects3D, overlaps: np.ndarray, look: "_Look") -> FrameOverlaps:
    """Return a frame as it is looked at: by level of difficulty, and by distance what is not harder than hard."""
    regions = _lower(truth) == DONT_CARE
    excused: np.ndarray = np.zeros(len(found), bool)
    if look.view == "2d" and regions.any():
        excused = np.any(image_overlaps(truth.boxes2d[regions], found.boxes2d, of_second=True) > look.overlap, axis=0)
    hard = difficulty_flags(truth, look.name, look.has_image)
    own = (_lower(found) == look.name.lower())[None]
    low = (np.abs(found.heights)[None] < MIN_HEIGHTS[:, None]) & look.has_image
    found_flags = np.where(low, IGNORED, np.where(own, COUNTS, ABSENT))
    truth_rings = [_only_within(hard[2], truth.distances, ring) for ring in RINGS.values()]
    found_rings = [_only_within(found_flags[2], found.distances, ring) for ring in RINGS.values()]
    kept = ~regions
    return FrameOverlaps(
        overlaps=overlaps[kept],
        scores=found.scores,
        truth_flags=np.concatenate([hard, truth_rings])[:, kept],
        found_flags=np.concatenate([found_flags, found_rings]),
        excused=excused,
        similarity=(1 + np.cos(truth.alphas[kept][:, None] - found.alphas[None])) / 2,
    )


def _only_within(flags: np.ndarray, distances: np.ndarray, ring: tuple[float, float]) -> np.ndarray:
    outside = (distances < ring[0]) | (distances >= ring[1])
    return np.where((flags == COUNTS) & outside, IGNORED, flags)


def difficulty_flags(truth: Objects3D, name: str, has_image: bool = True) -> np.ndarray:
    """Return what annotations are at each level, (3, N): they count, are ignored, or are of no concern."""
    types = _lower(truth)
    own, similar = types == name.lower(), np.isin(types, NEIGHBOURS.get(name.lower(), ()))
    too_hard = (truth.occluded[None] > MAX_OCCLUDED[:, None]) | (truth.truncated[None] > MAX_TRUNCATED[:, None])
    if has_image:
        too_hard |= truth.heights[None] <= MIN_HEIGHTS[:, None]
    flags: np.ndarray = np.where(similar | (own & too_hard), IGNORED, np.where(own, COUNTS, ABSENT))
    return flags
