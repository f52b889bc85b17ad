"""The kinds of targets and of pixels by name, and what is asked of all kinds that a sample has."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pet.data.targets.image import PixelKind
from pet.data.targets.kind import Kind, Motion
from pet.structures.moves import Size
from petlib.data.protocols import Sample
from petlib.errors import DataError
from petlib.registry import Component, Registry


class _KindRegistry(Registry):
    def register(self, name: str | None = None) -> Callable[[Component], Component]:
        """Return a decorator that adds a kind; samples that were seen before may have it."""
        _kinds_of_fields.cache_clear()
        return super().register(name)


KINDS = _KindRegistry(
    "kind of target",
    {
        "boxes": "pet.data.targets.boxes:Boxes",
        "boxes3d": "pet.data.targets.boxes3d:SpatialBoxes",
        "clip": "pet.data.targets.clip:Clip",
        "density": "pet.data.targets.density:Density",
        "dots": "pet.data.targets.dots:Dots",
        "identities": "pet.data.targets.identities:Identities",
        "image": "pet.data.targets.image:Image",
        "image2": "pet.data.targets.image:Image2",
        "keypoints": "pet.data.targets.keypoints:Keypoints",
        "label": "pet.data.targets.label:Label",
        "local_views": "pet.data.targets.clip:LocalViews",
        "masks": "pet.data.targets.masks:Masks",
        "multilabel": "pet.data.targets.multilabel:Multilabel",
        "points": "pet.data.targets.points:Points",
        "parsing": "pet.data.targets.label_maps:Parsing",
        "semseg": "pet.data.targets.label_maps:Semseg",
        "surface": "pet.data.targets.surface:Surface",
    },
)
"""The kinds, a subclass of :class:`pet.data.targets.kind.Kind` each."""


class SampleKinds(NamedTuple):
    """The kinds of some fields.

    Attributes:
        pixels: the kinds of pixels, ``image`` before ``image2``.
        targets: the other kinds; those that lead a list of objects before those whose objects these are.
        leaders: those that lead a list of objects.
        has_places: some target says where things are.
        whole_image: there are targets, all of which say something of the image as a whole.
    """

    pixels: tuple[PixelKind, ...]
    targets: tuple[Kind, ...]
    leaders: tuple[Kind, ...]
    has_places: bool
    whole_image: bool


@cache
def find_kind(name: str) -> Kind:
    """Return the kind called ``name``.

    Raises:
        ConfigError: there is none.
    """
    kind = KINDS.get(name)()
    assert isinstance(kind, Kind), f"the kind of target {name!r} is a {type(kind).__name__}, a subclass of Kind expected"
    return kind


def target_kinds() -> list[str]:
    """Return the names of all kinds other than those of pixels, which every data set gives."""
    return sorted(name for name in KINDS.names() if not isinstance(find_kind(name), PixelKind))


def kinds_in(sample: Sample) -> SampleKinds:
    """Return the kinds that a sample has: those whose name is a field of it."""
    return _kinds_of_fields(tuple(sample))


@lru_cache(maxsize=1024)
def _kinds_of_fields(fields: tuple[str, ...]) -> SampleKinds:
    found = [find_kind(name) for name in fields if name in KINDS]
    targets = sorted((kind for kind in found if not isinstance(kind, PixelKind)), key=_order)
    return SampleKinds(
        pixels=tuple(sorted((kind for kind in found if isinstance(kind, PixelKind)), key=lambda kind: kind.name)),
        targets=tuple(targets),
        leaders=tuple(kind for kind in targets if _leads_objects(kind)),
        has_places=any(kind.has_places for kind in targets),
        whole_image=bool(targets) and all(kind.whole_image for kind in targets),
    )


def _order(kind: Kind) -> tuple[bool, str]:
    return bool(kind.objects) and not _leads_objects(kind), kind.name


def _leads_objects(kind: Kind) -> bool:
    """Return whether a list of objects is the kind's own."""
    return bool(kind.objects) and kind.objects == kind.name


def sample_size(sample: Sample) -> Size:
    """Return (height, width) of a sample's pixels."""
    kind = kinds_in(sample).pixels[0]
    return kind.size(sample[kind.name])


def are_whole_image(names: Iterable[str]) -> bool:
    """Return whether all of these kinds say something of the image as a whole."""
    return all(find_kind(name).whole_image for name in names)


def choose_kinds(path: Path, available: frozenset[str], requested: frozenset[str] | None) -> frozenset[str]:
    """Return the kinds that are requested, or all that are available where ``requested`` is None.

    Args:
        path: file or folder of the data set, for the message.
        available: the kinds that it has.
        requested: the kinds that the heads of a model learn from.

    Raises:
        DataError: a requested kind is not available.
    """
    missing = sorted((requested or frozenset()) - available)
    if missing:
        raise DataError(
            f"{path}: no {' and no '.join(missing)} in these data; they have {', '.join(sorted(available)) or 'images only'}. "
            "Choose other data, or turn off the head that learns from them (Source.kinds)"
        )
    return available if requested is None else requested


def move_targets(sample: Sample, motion: Motion) -> Sample:
    """Return a sample whose targets went where its image went: cut off at the edges, without objects that are lost.

    Raises:
        DataError: ``semseg`` has several channels.
    """
    kinds = kinds_in(sample)
    moved = dict(sample)
    for kind in kinds.targets:
        moved.update(kind.move(sample, motion))
    for kind in kinds.leaders:
        fields, kept = kind.crop(moved, motion)
        moved.update(fields)
        if kept is not None:
            moved = select_objects(moved, kept, kind.name)
    return moved


def select_objects(sample: Sample, kept: np.ndarray, objects: str) -> Sample:
    """Return a sample with the objects for which ``kept`` (N,) is true.

    Args:
        sample: the sample, or some of its fields.
        kept: bool, one for each object.
        objects: the kind that leads the list of these objects, e.g. ``boxes``.
    """
    if kept.all():
        return sample
    selected = dict(sample)
    for kind in kinds_in(sample).targets:
        if kind.objects == objects:
            selected.update(kind.select(sample, kept))
    return selected


def to_original(predictions: list[dict[str, Any]], metas: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return predictions with what says where things are, as boxes and keypoints, in the coordinates of the image files.

    Args:
        predictions: one dictionary of tensors for each image, in coordinates of the batch.
        metas: of each image ``size`` (height, width) of its file and, where a transform moved it, ``matrix`` (3, 3) from the file to
            the network's input.
    """
    return [_restored(prediction, meta) for prediction, meta in zip(predictions, metas, strict=True)]


def _restored(prediction: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    inverse = np.linalg.inv(meta["matrix"]) if "matrix" in meta else np.eye(3)
    restored = dict(prediction)
    for kind in kinds_in(prediction).targets:
        restored.update(kind.restore(prediction, inverse, meta.get("size")))
    return restored
