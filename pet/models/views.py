"""Views of a batch for test-time augmentation: resized and perhaps mirrored, and the way back from each."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from pet.data.targets.image import IMAGES


class View(NamedTuple):
    """A batch, resized and perhaps mirrored.

    Attributes:
        batch: its images and ``image_sizes``, and all else of the original batch.
        factors: for each image (2,), what x and y were multiplied by.
        mirrored: whether left and right changed.
    """

    batch: dict[str, Any]
    factors: list[Tensor]
    mirrored: bool

    def to_view(self, boxes: list[Tensor]) -> list[Tensor]:
        """Return boxes of the original batch in coordinates of the view."""
        scaled = [image * factors.repeat(2) for image, factors in zip(boxes, self.factors, strict=True)]
        return self._mirror(scaled)

    def from_view(self, boxes: list[Tensor]) -> list[Tensor]:
        """Return boxes of the view in coordinates of the original batch."""
        return [image / factors.repeat(2) for image, factors in zip(self._mirror(boxes), self.factors, strict=True)]

    def _mirror(self, boxes: list[Tensor]) -> list[Tensor]:
        if not self.mirrored:
            return boxes
        widths = [size[1] for size in self.batch["image_sizes"]]
        return [
            torch.stack([width - image[:, 2], image[:, 1], width - image[:, 0], image[:, 3]], dim=1)
            for image, width in zip(boxes, widths, strict=True)
        ]


def make_views(batch: dict[str, Any], *, scales: Sequence[float], flip: bool, divisor: int = 1) -> list[View]:
    """Return the views of a batch.

    Args:
        batch: ``image``, float (B, C, H, W), for pairs ``image2`` of the same shape, and ``image_sizes``, (height, width) of each
            image without padding, by default all of it.
        scales: sizes of the views, as factors.
        flip: each size also mirrored.
        divisor: views are padded with zeros to multiples of so many pixels.
    """
    return [_make_view(batch, scale, mirrored, divisor) for scale in scales for mirrored in ((False, True) if flip else (False,))]


def turn_back(raw: Tensor, swap: Sequence[int]) -> Tensor:
    """Return what was found in mirrored regions, (N, C, ..., h, w), for the regions as they are.

    Args:
        raw: maps of each region.
        swap: which channel is which in a mirrored image; empty: all stay.
    """
    turned = raw.flip(-1)
    return turned[:, list(swap)] if swap else turned


def average_pixels(views: Sequence[View], scores: Iterable[Tensor], batch: dict[str, Any]) -> Tensor:
    """Return the mean over the views of scores of pixels, float32 (B, K, H, W) over the batch; 0 where it is padded.

    Args:
        views: of the batch.
        scores: of each view, float (B, K, h, w) over its padded images.
        batch: the original one.
    """
    sizes = _sizes(batch)
    height, width = batch["image"].shape[-2:]
    mean = torch.zeros(())
    for view, view_scores in zip(views, scores, strict=True):
        restored = view_scores.new_zeros(len(sizes), view_scores.shape[1], height, width)
        for target, image, size, view_size in zip(restored, view_scores, sizes, view.batch["image_sizes"], strict=True):
            seen = image[:, : view_size[0], : view_size[1]]
            seen = seen.flip(-1) if view.mirrored else seen
            target[:, : size[0], : size[1]] = functional.interpolate(seen[None], size, mode="bilinear", align_corners=False)[0]
        mean = mean.to(restored) + restored / len(views)
    return mean


def _sizes(batch: dict[str, Any]) -> list[tuple[int, int]]:
    images = batch["image"]
    return batch.get("image_sizes") or [(images.shape[2], images.shape[3])] * len(images)


def _make_view(batch: dict[str, Any], scale: float, mirrored: bool, divisor: int) -> View:
    sizes = _sizes(batch)
    scaled = [(max(1, round(height * scale)), max(1, round(width * scale))) for height, width in sizes]
    rows, columns = (-(-max(lengths) // divisor) * divisor for lengths in zip(*scaled, strict=True))
    moved = {field: _move(batch[field], sizes, scaled, (rows, columns), mirrored) for field in IMAGES if field in batch}
    factors = [
        batch["image"].new_tensor([new_size[1] / size[1], new_size[0] / size[0]], dtype=torch.float32)
        for size, new_size in zip(sizes, scaled, strict=True)
    ]
    return View({**batch, **moved, "image_sizes": scaled}, factors, mirrored)


def _move(
    images: Tensor, sizes: Sequence[tuple[int, int]], scaled: Sequence[tuple[int, int]], shape: tuple[int, int], mirrored: bool
) -> Tensor:
    canvas = images.new_zeros(len(images), images.shape[1], *shape)
    for target, image, size, new_size in zip(canvas, images, sizes, scaled, strict=True):
        seen = image[:, : size[0], : size[1]]
        if new_size != size:
            seen = functional.interpolate(seen[None], new_size, mode="bilinear", align_corners=False)[0]
        target[:, : new_size[0], : new_size[1]] = seen.flip(-1) if mirrored else seen
    return canvas
