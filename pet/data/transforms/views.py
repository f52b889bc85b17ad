"""Several views of one image, for learning without labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pet.data.transforms.base import Compose
from pet.data.transforms.build import build_transforms
from petlib.data.protocols import Sample
from petlib.errors import ConfigError

LOCAL = "local_views"
"""The field of the small views of a sample, uint8 (V, H, W, C)."""


class Views:
    """A sample becomes views of its image, each changed by itself: ``image`` and ``image2`` and, where they are wanted, ``local_views``.

    Both large views are drawn from the same image, with random numbers of their own; the same sample of the same epoch always has the
    same views. Targets are dropped: what is done to the views would not fit them.

    Args:
        first: transforms of the first view, as in ``TRANSFORMS``.
        second: those of the second view; empty: as the first.
        local: those of the small views (multi-crop, https://arxiv.org/abs/2006.09882); all have to give one size.
        local_count: number of small views.
        size: the size of transforms of the large views that are given none.
        local_size: likewise of the small ones.

    Raises:
        ConfigError: a transform is unknown or wrong, or normalises; or small views are wanted and not described, or the reverse.
    """

    def __init__(
        self,
        *,
        first: Sequence[Any],
        second: Sequence[Any] = (),
        local: Sequence[Any] = (),
        local_count: int = 0,
        size: int | None = None,
        local_size: int | None = None,
    ) -> None:
        if local_count < 0 or bool(local) != bool(local_count):
            raise ConfigError(f"Views: local_count: {local_count} given with {len(local)} transforms of local; both or neither expected")
        self._large = [_build("first", first, size), _build("second", second or first, size)]
        self._local, self._local_count = _build("local", local, local_size), local_count

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the views with ``meta``."""
        source = {"image": sample["image"]}
        image, image2 = (transforms(source, rng)["image"] for transforms in self._large)
        views: Sample = {"image": image, "image2": image2, "meta": sample.get("meta", {})}
        if self._local_count:
            views[LOCAL] = _stack([self._local(source, rng)["image"] for _ in range(self._local_count)])
        return views


def _build(name: str, entries: Sequence[Any], size: int | None) -> Compose:
    sizes = None if size is None else [size]
    transforms, normalize = build_transforms(entries, default_size=size, default_sizes=sizes, place=f"Views: {name}")
    if normalize is not None:
        raise ConfigError(f"Views: {name}: Normalize given; put it behind Views, at the end of TRANSFORMS")
    return transforms


def _stack(images: Sequence[np.ndarray]) -> np.ndarray:
    sizes = sorted({image.shape[:2] for image in images})
    if len(sizes) > 1:
        raise ConfigError(
            f"Views: local: the small views have the sizes {sizes[:4]}; resize or crop them to one, e.g. by RandomResizedCrop"
        )
    return np.stack(images)
