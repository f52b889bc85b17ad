"""Two views of an unlabelled image in addition to each labelled sample."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pet.data.targets.dataset import IGNORE
from pet.data.transforms.base import Compose, ImageTransform
from pet.data.transforms.build import build_transforms
from petlib.data.protocols import Dataset, Sample, SampleTransform
from petlib.errors import ConfigError, DataError, UserError

WEAK, STRONG, OUTSIDE = "unlabelled", "unlabelled_strong", "unlabelled_outside"
"""The fields of a sample: both views, of the same pixels, and which pixels lie outside of the image, bool (H, W)."""


class OneOf:
    """One of several transforms is drawn for each sample.

    Args:
        transforms: the transforms.
        weights: how often each is drawn, relative to the others: numbers of at least 0, not all 0.

    Raises:
        ConfigError: the weights are something else.
    """

    def __init__(self, transforms: Sequence[SampleTransform], weights: Sequence[float]) -> None:
        assert len(transforms) == len(weights), f"{len(transforms)} transforms and {len(weights)} weights"
        values = np.asarray(weights, np.float64)
        if not np.isfinite(values).all() or (values < 0).any() or values.sum() == 0:
            raise ConfigError(f"OneOf.weights: the weights {list(weights)} given, numbers of at least 0 and not only zeros expected")
        self._transforms = list(transforms)
        self._shares = values / values.sum()

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample after one of the transforms."""
        return self._transforms[int(rng.choice(len(self._transforms), p=self._shares))](sample, rng)


class AddUnlabelled:
    """Adds a weak and a strong view of an image that is drawn from unlabelled data to a labelled sample.

    Which image it is, and all that is done to it, follows from the sample's own random numbers.

    Args:
        dataset: samples with an ``image``; other fields are not looked at.
        common: what is done before there are two views; flips, crops and so on.
        weak: what makes the weak view, which the teachers label, of the result; it moves nothing.
        strong: likewise the strong one, which the students see.
    """

    def __init__(self, dataset: Dataset, *, common: SampleTransform, weak: SampleTransform, strong: SampleTransform) -> None:
        self._dataset = dataset
        self._common = common
        self._weak = weak
        self._strong = strong

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with :data:`WEAK` and :data:`STRONG`, both (H, W, C), and :data:`OUTSIDE`, bool (H, W).

        Raises:
            DataError: an unlabelled sample has no image.
            UserError: what the transforms raise, with the file of the unlabelled image.
        """
        chosen = self._dataset[int(rng.integers(len(self._dataset)))]
        meta = chosen.get("meta", {})
        image = chosen.get("image")
        if image is None:
            raise DataError(f"an unlabelled sample has the fields {', '.join(chosen)}; image expected (meta: {meta})")
        # labels that say nothing become IGNORE where a crop or a turn leaves the image
        whole = {"image": image, "semseg": np.zeros(image.shape[:2], np.uint8), "meta": {}}
        try:
            crop = self._common(whole, rng)
            pixels = {"image": crop["image"]}
            weak, strong = self._weak(pixels, rng)["image"], self._strong(pixels, rng)["image"]
        except UserError as error:
            error.args = (f"SEMI: {meta.get('file', 'an unlabelled image')}: {error}",)
            raise
        return {**sample, WEAK: weak, STRONG: strong, OUTSIDE: crop["semseg"] == IGNORE}


def build_views(
    dataset: Dataset, *, common: Sequence[Any], weak: Sequence[Any], strong: Sequence[Any], scales: Sequence[int]
) -> AddUnlabelled:
    """Return what adds unlabelled views to samples.

    Args:
        dataset: the unlabelled images.
        common: ``SEMI.TRANSFORMS``.
        weak: ``SEMI.WEAK``.
        strong: ``SEMI.STRONG``.
        scales: sizes for transforms that are given none.

    Raises:
        ConfigError: a transform is unknown or wrong, moves pixels of one view, or normalises.
    """
    both = _build("build_views.common", common, scales)
    weights = [_weight(entry) for entry in strong]
    choices = _build_pixel_transforms("build_views.strong", [_without_weight(entry) for entry in strong], scales).transforms
    return AddUnlabelled(
        dataset, common=both, weak=_build_pixel_transforms("build_views.weak", weak, scales), strong=OneOf(choices, weights)
    )


def _build_pixel_transforms(key: str, entries: Sequence[Any], scales: Sequence[int]) -> Compose:
    built = _build(key, entries, scales)
    for transform in built.transforms:
        if not isinstance(transform, ImageTransform):
            name = type(transform).__name__
            raise ConfigError(f"{key}: {name} moves pixels, but both views must show the same ones; put it into build_views.common")
    return built


def _build(key: str, entries: Sequence[Any], scales: Sequence[int]) -> Compose:
    sizes = list(scales) or None
    transforms, normalize = build_transforms(entries, default_size=sizes[0] if sizes else None, default_sizes=sizes, place=key)
    if normalize is not None:
        raise ConfigError(f"{key}: Normalize given; unlabelled images are normalised as TrainLoader.transforms say: take it out")
    return transforms


def _weight(entry: Any) -> float:
    weight = entry.get("weight", 1.0) if isinstance(entry, Mapping) else 1.0
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise ConfigError(f"OneOf.weights: the weight {weight!r} given, a number of at least 0 expected")
    return float(weight)


def _without_weight(entry: Any) -> Any:
    return {key: value for key, value in entry.items() if key != "weight"} if isinstance(entry, Mapping) else entry
