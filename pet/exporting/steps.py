"""What a test does to an image before normalisation, as plain numbers that a program without Pet can follow."""

from collections.abc import Mapping, Sequence
from typing import Any

from pet.data.loading.build import TEST_TRANSFORMS, build_sample_transforms
from pet.data.transforms.clips import CentralSegments, EvenClips
from pet.data.transforms.geometry import INTERPOLATIONS, CenterCrop, Resize
from pet.data.transforms.objects import CropObject
from pet.data.transforms.points import PointsInImage
from pet.data.transforms.scales import ResizeShortestEdge
from pet.typed import PetConfig
from petlib.config import ConfigError

Step = Mapping[str, Any]
"""``kind`` and its numbers; of one that resizes also ``interpolation``, and ``antialias``: ``linear``, ``cubic`` or empty."""

NAMES = {number: name for name, number in INTERPOLATIONS.items()}
SMOOTH = ("linear", "cubic")
FRAMES = ("segments", "dense")
"""The kinds of steps that choose frames of a video."""


def describe_steps(cfg: PetConfig) -> list[Step]:
    """Return what ``TEST.TRANSFORMS`` do before the normalisation at their end.

    Raises:
        ConfigError: a transform is none of those that a program without Pet can follow.
    """
    transforms, _ = build_sample_transforms(cfg.TEST.TRANSFORMS, cfg.TEST.RESIZE.SCALES, [], place=TEST_TRANSFORMS)
    # points of files without an image are all kept
    return [_describe(transform) for transform in transforms.transforms if not isinstance(transform, PointsInImage)]


def _describe(transform: object) -> Step:
    # a class derived from one of these may do something else
    kind = type(transform)
    if kind is Resize and isinstance(transform, Resize):
        shape = {"kind": "shorter", "size": transform.size[0]} if transform.keeps_ratio else _exact(transform.size)
        return {**shape, **_smoothing(transform.interpolation, antialias=transform.antialias)}
    if kind is ResizeShortestEdge and isinstance(transform, ResizeShortestEdge) and len(transform.sizes) == 1:
        shape = {"kind": "shortest", "size": transform.sizes[0], "longest": transform.max_size}
        return {**shape, **_smoothing(transform.interpolation, antialias=transform.antialias)}
    if kind is CenterCrop and isinstance(transform, CenterCrop):
        return {"kind": "crop", "height": transform.size[0], "width": transform.size[1], "fill": transform.fill, "antialias": ""}
    if kind is CropObject and isinstance(transform, CropObject):
        return _object(transform)
    if kind is CentralSegments and isinstance(transform, CentralSegments) and transform.clips == 1:
        return {"kind": "segments", "frames": transform.frames, "antialias": ""}
    if kind is EvenClips and isinstance(transform, EvenClips) and transform.clips == 1:
        numbers = {name: getattr(transform, name) for name in ("frames", "step", "frame_rate", "beyond", "spacing")}
        return {"kind": "dense", **numbers, "antialias": ""}
    raise ConfigError(f"{TEST_TRANSFORMS}: {kind.__name__} has no counterpart without Pet")


def _object(transform: CropObject) -> Step:
    numbers = {"padding": transform.padding, "fill": transform.fill, "interpolation": NAMES[transform.interpolation]}
    convention = {"origin": transform.convention.origin, "less": int(transform.convention.unit_lengths)}
    return {"kind": "object", "height": transform.size[0], "width": transform.size[1], **numbers, **convention, "antialias": ""}


def _exact(size: Sequence[int]) -> dict[str, Any]:
    return {"kind": "exact", "height": size[0], "width": size[1]}


def _smoothing(interpolation: int, *, antialias: bool) -> dict[str, str]:
    name = NAMES[interpolation]
    return {"interpolation": name, "antialias": name if antialias and name in SMOOTH else ""}


def fit_into(steps: Sequence[Step], size: tuple[int, int], *, padded: bool) -> list[Step]:
    """Return the steps, and after them what brings an image to the size that a file takes.

    Args:
        steps: of the test.
        size: height and width.
        padded: an image is made smaller where it does not fit, and padded; False: it is distorted.
    """
    last = (steps[-1].get("height"), steps[-1].get("width")) if steps else (None, None)
    smooth = {"interpolation": "linear", "antialias": "linear"}
    fits = last[0] is not None and last[1] is not None and last[0] <= size[0] and last[1] <= size[1]
    if last == size or (padded and fits):
        return list(steps)
    return [*steps, {**_exact(size), "kind": "fit" if padded else "exact", **smooth}]
