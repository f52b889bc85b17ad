"""Maps that heads which count look at, and their cells; large images through tiles."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from pet.models.features import FeatureInfo, Features
from petlib.errors import ConfigError

ALIGNMENT = 32
"""Tiles begin at multiples of it, so that the strides of a network fall on the same pixels as in the whole image."""


class MapSource(NamedTuple):
    """A map of a network.

    Attributes:
        place: among the maps of the neck, or of the stages without one.
        of_neck: the neck has it.
        channels: its channels.
        stride: pixels of the image for one of it.
    """

    place: int
    of_neck: bool
    channels: int
    stride: int

    def of(self, features: Features) -> Tensor:
        """Return the map."""
        return list(features.maps.values())[self.place] if self.of_neck else features.stages[self.place]


def choose_map(info: FeatureInfo, stride: int, *, exact: bool = False) -> MapSource:
    """Return the map of a neck with a stride, or the last stage of a backbone without a neck, which may be coarser unless ``exact``.

    Raises:
        ConfigError: the neck has no such map, or the last stage is finer.
    """
    if info.map_channels:
        if stride not in info.map_strides:
            given = ", ".join(map(str, info.map_strides))
            raise ConfigError(f"choose_map.stride: {stride} given, but the maps of the neck have the strides {given}; take one of these")
        return MapSource(info.map_strides.index(stride), True, info.map_channels, stride)
    last = info.stage_strides[-1]
    if last < stride or exact and last != stride:
        hint = "take that, or a neck, which has several" if exact else "take at most that"
        raise ConfigError(f"choose_map.stride: {stride} given, but the last map of the backbone has a stride of {last}; {hint}")
    return MapSource(len(info.stage_strides) - 1, False, info.stage_channels[-1], last)


def inside_cells(maps: Tensor, image_sizes: Sequence[tuple[Any, Any]], stride: int) -> Tensor:
    """Return 1 for cells that an image without its padding reaches, else 0, float32 (B or 1, 1, h, w) for maps (B, K, h, w)."""
    rows, columns = (torch.arange(length, device=maps.device) * stride for length in maps.shape[2:])
    masks = [((rows < height)[:, None] & (columns < width)[None]).float() for height, width in image_sizes]
    return torch.stack(masks)[:, None]


@torch.no_grad()
def look_through_tiles(images: Tensor, predict: Callable[[Tensor], Tensor], *, tile: int, overlap: float, stride: int) -> Tensor:
    """Return the maps of images (B, C, H, W) that are looked at through tiles, (B, K, H / stride, W / stride).

    A tile sees a margin around the cells that are taken from it. Where the margin is as wide as the receptive field of the network
    reaches, these are the cells of the whole image.

    Args:
        images: H and W are multiples of :data:`ALIGNMENT`.
        predict: gives the maps (B, K, h / stride, w / stride) of images (B, C, h, w).
        tile: edge of a tile, pixels.
        overlap: share of a tile that its neighbour sees too, half of it as a margin on each side.
        stride: of the maps.
    """
    margin = int(tile * overlap / 2) // ALIGNMENT * ALIGNMENT
    core = max((tile - 2 * margin) // ALIGNMENT * ALIGNMENT, ALIGNMENT)
    height, width = images.shape[2:]
    rows = []
    for top in range(0, height, core):
        above, below = max(top - margin, 0), min(top + core + margin, height)
        parts = []
        for left in range(0, width, core):
            before, behind = max(left - margin, 0), min(left + core + margin, width)
            found = predict(images[:, :, above:below, before:behind])
            first = (top - above) // stride, (left - before) // stride
            parts.append(found[:, :, first[0] : first[0] + core // stride, first[1] : first[1] + core // stride])
        rows.append(torch.cat(parts, dim=3)[:, :, : (min(top + core, height) - top) // stride])
    return torch.cat(rows, dim=2)


class CountingHead(Protocol):
    """A head whose maps are put together from tiles."""

    @property
    def stride(self) -> int:
        """Height and width of a cell, pixels."""
        ...

    def predict_maps(self, features: Features) -> Tensor:
        """Return the maps of a batch."""
        ...

    def decode_maps(self, maps: Tensor, image_sizes: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Return the predictions of maps."""
        ...


def count_through_tiles(
    head: CountingHead, extract: Callable[[dict[str, Any]], Features], batch: dict[str, Any], *, tile: int, overlap: float
) -> list[dict[str, Tensor]]:
    """Return what a head finds in the images of a batch of which the network sees tiles; see :func:`look_through_tiles`."""
    images: Tensor = batch["image"]
    maps = look_through_tiles(
        images,
        lambda parts: head.predict_maps(extract({"image": parts})),
        tile=tile,
        overlap=overlap,
        stride=head.stride,
    )
    return head.decode_maps(maps, batch.get("image_sizes") or [(images.shape[2], images.shape[3])] * len(images))
