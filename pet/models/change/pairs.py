"""Two dates through one encoder, and their features compared."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from petlib.errors import ConfigError

FUSIONS = ("concat", "difference")


def encode_pair(encode: Callable[[Tensor], Sequence[Tensor]], images: Tensor, images2: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the maps of both dates, which go through ``encode`` as one batch: (first, second) for each of its outputs.

    Args:
        encode: makes maps of a batch.
        images: (B, C, H, W), the first date.
        images2: the second, of the same shape.
    """
    maps = encode(torch.cat([images, images2]))
    count = images.shape[0]
    return [(one[:count], one[count:]) for one in maps]


def fuse(first: Tensor, second: Tensor, fusion: str) -> Tensor:
    """Return both maps (B, C, h, w) side by side, (B, 2C, h, w), or for ``difference`` what they differ by, (B, C, h, w).

    The difference has no sign, so it does not matter which date comes first.
    """
    return torch.cat([first, second], dim=1) if fusion == "concat" else (first - second).abs()


def check_fusion(fusion: str) -> None:
    """Check the name of a fusion.

    Raises:
        ConfigError: it is not one of :data:`FUSIONS`.
    """
    if fusion not in FUSIONS:
        raise ConfigError(f"fusion: {fusion!r} given, {' or '.join(FUSIONS)} expected")
