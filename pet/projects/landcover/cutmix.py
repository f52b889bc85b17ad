"""What is done to batches with unlabelled views, on the device."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pet.data.loading.batch_transforms import NormalizeImages
from pet.projects.landcover.views import STRONG, WEAK
from petlib.data.protocols import Batch
from petlib.errors import ConfigError

OWN = "unlabelled_own"
"""The field of a batch that says where a mixed image shows itself, bool (B, H, W)."""


class NormalizeViews:
    """Labelled images and both views become float32 (B, C, H, W), normalised in the same way.

    Args:
        normalize: does it to the ``image`` of a batch, without padding.
    """

    def __init__(self, normalize: NormalizeImages) -> None:
        self._normalize = normalize

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return the batch with its images normalised.

        Raises:
            ConfigError: labelled and unlabelled images differ in size, or in channels from mean and std.
            DataError: the images of a kind have different sizes.
        """
        images = {field: self._normalize({"image": batch[field]}, rng)["image"] for field in ("image", WEAK, STRONG)}
        (height, width), (rows, columns) = images["image"].shape[2:], images[WEAK].shape[2:]
        if (height, width) != (rows, columns):
            raise ConfigError(
                f"NormalizeViews.views: unlabelled images are {columns}x{rows} (width x height), labelled ones {width}x{height} after "
                "TrainLoader.transforms; crop both to one size"
            )
        return {**batch, **images}


class CutMixBoxes:
    """Boxes of each strong view of a batch are put into that of the next image, those of the last one into the first.

    CutMix (https://arxiv.org/abs/1905.04899) for unlabelled images as French et al. have it (https://arxiv.org/abs/1906.01916): boxes
    of random area and aspect ratio; where two overlap, the other image shows again. The result keeps the place of the image that
    the boxes are of.

    Args:
        boxes: how many.
        share: least and greatest area of all boxes together as a share of the image's.
    """

    def __init__(self, *, boxes: int, share: Sequence[float]) -> None:
        assert boxes > 0, "without boxes nothing is mixed"
        self._boxes = boxes
        self._share = (share[0], share[1])

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return the batch with its strong views mixed, and the field :data:`OWN`."""
        views = batch[STRONG]
        size = (views.shape[2], views.shape[3])
        masks = np.stack([draw_boxes(size, self._boxes, self._share, rng) for _ in range(len(views))])
        own = torch.from_numpy(masks).to(views.device, non_blocking=True)
        return {**batch, STRONG: mix(views, own[:, None]), OWN: own}


def draw_boxes(size: tuple[int, int], count: int, share: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Return bool ``size``: which pixels lie in an odd number of random boxes.

    Args:
        size: height and width.
        count: number of boxes.
        share: for each box a share of the area is drawn evenly from this range, and the box gets the ``count``-th part of it. Its
            height is drawn evenly on a logarithmic scale.
        rng: random numbers.
    """
    shares = rng.uniform(*share, size=count)
    heights = shares ** rng.random(count)
    edges = np.stack([heights, shares / heights], axis=1) / np.sqrt(count)
    lengths = np.rint(edges * size).astype(np.int64)
    starts = np.rint((np.asarray(size) - lengths) * rng.random((count, 2))).astype(np.int64)
    inside = np.zeros(size, bool)
    for (top, left), (height, width) in zip(starts, lengths, strict=True):
        inside[top : top + height, left : left + width] ^= True
    return inside


def mix(values: Tensor, own: Tensor) -> Tensor:
    """Return ``values`` where ``own`` is true and those of the next element of the batch elsewhere.

    Args:
        values: (B, ...).
        own: bool, of a shape that can be spread to that of ``values``.
    """
    return torch.where(own, values, values.roll(-1, dims=0))
