"""How large images can become by their transforms, and a batch of such images."""

import math
from collections.abc import Sequence
from typing import Any

from torch.nn.functional import pad

from pet.data.targets.kinds import kinds_in
from pet.data.transforms.clips import MultiScaleCrop
from pet.data.transforms.geometry import CenterCrop, RandomCrop, RandomResizedCrop, Resize
from pet.data.transforms.mosaic import Mosaic
from pet.data.transforms.objects import CropObject
from pet.data.transforms.rotate import RandomRotate90, Rotate
from pet.data.transforms.scales import Pad, RandomScale, ResizeShortestEdge, ScaleJitterCrop
from pet.data.transforms.ssd import Expand
from petlib.data.protocols import Batch

Size = tuple[int, int]


def largest_size(transforms: Sequence[Any]) -> Size | None:
    """Return the greatest height and the greatest width that images of any size have after ``transforms``; None: it is not known."""
    size: Size | None = None
    for transform in transforms:
        size = _after(transform, size)
    return size


def _after(transform: Any, size: Size | None) -> Size | None:
    match transform:
        case CenterCrop() | CropObject() | MultiScaleCrop() | RandomCrop() | RandomResizedCrop() | ScaleJitterCrop():
            return transform.size
        case Resize():
            return None if transform.keeps_ratio else transform.size
        case ResizeShortestEdge():
            return transform.max_size, transform.max_size
        case RandomScale():
            edge = round(max(transform.size) * transform.ratio[1])
            return edge, edge
        case Mosaic(probability=1):
            return transform.size
    return None if size is None else _grown(transform, size)


def _grown(transform: Any, size: Size) -> Size | None:
    height, width = size
    match transform:
        case Mosaic():
            size = _greater(size, transform.size)
        case Expand():
            size = int(height * transform.ratio[1]), int(width * transform.ratio[1])
        case Pad():
            least, divisor = transform.least, transform.divisor
            size = -(-max(height, least[0]) // divisor) * divisor, -(-max(width, least[1]) // divisor) * divisor
        case Rotate(grows=True):
            size = _greater(size, (_diagonal(size), _diagonal(size)))
        case RandomRotate90():
            size = max(size), max(size)
    # what a user's own transform does is not known; all others of this package leave the size or cut something off
    return size if type(transform).__module__.startswith("pet.data.") else None


def _greater(size: Size, other: Size) -> Size:
    return max(size[0], other[0]), max(size[1], other[1])


def _diagonal(size: Size) -> int:
    return math.ceil(math.hypot(*size)) + 1


class EnlargeImages:
    """A batch whose images are padded to a size, for the memory that the largest ones of a training take.

    Args:
        size: (height, width).
        divisor: both are rounded up to a multiple of it.
    """

    def __init__(self, size: Size, *, divisor: int) -> None:
        self.height, self.width = (-(-length // divisor) * divisor for length in size)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with larger images (B, C, H, W); its targets stay where they are."""
        larger = {}
        for kind in kinds_in(batch).pixels:
            images = batch[kind.name]
            rows, columns = max(self.height - images.shape[-2], 0), max(self.width - images.shape[-1], 0)
            larger[kind.name] = pad(images, (0, columns, 0, rows))
        return {**batch, **larger}
