"""How networks of pixels look at test images: several views of each, and images of any size through windows that overlap."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from pet.data.files.windows import Window, spaced_starts
from pet.data.targets.image import IMAGES
from pet.losses.pixels.base import class_probabilities
from pet.models.config import has_views
from pet.models.segmentation.network import SegmentationNetwork
from pet.models.views import average_pixels, make_views
from pet.typed import AnyConfig


@dataclass(frozen=True)
class Axis:
    """Windows along one axis.

    Windows lie in a grid, so the weight of a pixel is the product of its weights along both axes, and each axis can be scaled
    by itself so that the weights of all windows at a place add up to 1.

    Attributes:
        starts: first pixel of each window.
        seen: pixels of the image in a window: less than the window where the image is smaller.
        steps: for each window, how many of its pixels no later window reaches; of the last one all.
        weights: for each window float32 (seen,), above 0.
    """

    starts: list[int]
    seen: int
    steps: list[int]
    weights: list[np.ndarray]


class Strip(NamedTuple):
    """Finished rows of an image.

    Attributes:
        top: first row.
        values: (..., h, W).
    """

    top: int
    values: np.ndarray


def sliding_window(
    read: Callable[[Window], Sequence[np.ndarray]],
    size: tuple[int, int],
    predict: Callable[[Sequence[Tensor]], Tensor],
    *,
    window: tuple[int, int],
    overlap: float,
    batch_size: int,
    decide: Callable[[Tensor], Tensor],
) -> Iterator[Strip]:
    """Yield the predictions of an image from top to bottom, blended where windows overlap.

    Windows lie at equal distances. Towards its edges a window counts less and less, as a raised cosine; the weights at a pixel
    add up to 1. Kept in memory are the rows that a row of windows looks at, and of the predictions only the rows
    that the next one reaches too: memory does not depend on the height of the image.

    Args:
        read: gives the pixels of a window, (h, w, C), one array an image: one, or the two of a pair. It is asked for whole rows.
        size: (height, width) of the image.
        predict: takes for each image a batch of windows, (B, C, h, w) of the dtype that ``read`` gives (uint16 as float32), on the CPU,
            and gives float (B, K, h, w) on any device.
        window: (height, width) of a window. Where the image is smaller its edge is repeated, and cut off again.
        overlap: least share of a window that its neighbours cover too, from 0 to below 1.
        batch_size: windows that ``predict`` is given at once.
        decide: turns blended values (K, h, w) into what is wanted, (..., h, w), e.g. :func:`pet.models.segmentation.pixels.labels_of`.
    """
    height, width = size
    rows, columns = plan_axis(height, window[0], overlap), plan_axis(width, window[1], overlap)
    carried, reached = torch.empty(0), 0
    for top, step, weights in zip(rows.starts, rows.steps, rows.weights, strict=True):
        pixels = read(Window(top, 0, rows.seen, width))
        predictions = _predict_row(pixels, columns, predict, window=window, batch_size=batch_size)
        pieces = []
        for left, block in _blend(predictions, columns, weights):
            if not carried.numel():
                carried = block.new_empty(len(block), rows.seen - min(rows.steps), width)
            above = carried[..., left : left + block.shape[2]]
            block[:, :reached] += above[:, :reached]
            above[:, : rows.seen - step] = block[:, step:]
            pieces.append(decide(block[:, :step]).cpu())
        reached = rows.seen - step
        yield Strip(top, torch.cat(pieces, dim=-1).numpy())


def _predict_row(
    pixels: Sequence[np.ndarray],
    columns: Axis,
    predict: Callable[[Sequence[Tensor]], Tensor],
    *,
    window: tuple[int, int],
    batch_size: int,
) -> Iterator[Tensor]:
    """Yield the predictions of the windows of a row, (K, h, w) without what was added to small images."""
    for begin in range(0, len(columns.starts), batch_size):
        starts = columns.starts[begin : begin + batch_size]
        batch = [_stack([image[:, left : left + columns.seen] for left in starts], window) for image in pixels]
        found = predict(batch)
        assert len(found) == len(starts) and found.shape[2:] == window, f"{tuple(found.shape)} predicted for {tuple(batch[0].shape)}"
        yield from found[:, :, : pixels[0].shape[0], : columns.seen]


def _stack(parts: Sequence[np.ndarray], window: tuple[int, int]) -> Tensor:
    """Return parts (h, w, C) as a batch (B, C, height, width)."""
    height, width = parts[0].shape[:2]
    stacked = np.stack(parts)
    if (height, width) != window:
        stacked = np.pad(stacked, ((0, 0), (0, window[0] - height), (0, window[1] - width), (0, 0)), mode="edge")
    if stacked.dtype == np.uint16:
        # torch has few operations on uint16
        stacked = stacked.astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(stacked.transpose(0, 3, 1, 2)))


def _blend(predictions: Iterable[Tensor], columns: Axis, row_weights: np.ndarray) -> Iterator[tuple[int, Tensor]]:
    """Yield for each window its first column and the weighted sums (K, h, w) of the columns that no later window reaches."""
    pending: Tensor | None = None
    for values, left, step, weights in zip(predictions, columns.starts, columns.steps, columns.weights, strict=True):
        plane = torch.from_numpy(np.outer(row_weights, weights)).to(values.device)
        weighted = values.float() * plane
        if pending is not None:
            weighted[..., : pending.shape[2]] += pending
        pending = weighted[..., step:]
        yield left, weighted[..., :step]


def plan_axis(length: int, window: int, overlap: float) -> Axis:
    """Return windows that cover an axis and lie at equal distances, the first at its beginning, the last at its end.

    Args:
        length: of the axis, pixels.
        window: pixels of a window.
        overlap: least share of a window that its neighbour covers too, from 0 to below 1.
    """
    starts, seen = spaced_starts(length, window, overlap), min(length, window)
    steps = [after - start for start, after in zip(starts, [*starts[1:], length], strict=True)]
    ramp = _ramp(seen, seen - min(steps[:-1], default=seen))
    total = np.zeros(length)
    for start in starts:
        total[start : start + seen] += ramp
    return Axis(starts, seen, steps, [(ramp / total[start : start + seen]).astype(np.float32) for start in starts])


def _ramp(length: int, overlap: int) -> np.ndarray:
    """Return weights that rise over ``overlap`` pixels as a raised cosine, stay at 1, and fall likewise; float64, above 0."""
    places = np.arange(length) + 0.5
    to_edge = np.minimum(places, length - places)
    ramp: np.ndarray = np.square(np.sin(np.pi / 2 * np.minimum(to_edge / max(overlap, 1), 1.0)))
    return ramp


WINDOWS_AT_ONCE = 4


class ViewedNetwork(nn.Module):
    """A network that looks at images several times; in evaluation it replaces the network itself.

    Args:
        network: a :class:`~pet.models.segmentation.network.SegmentationNetwork`; its attributes are those of this one.
        scales: sizes of the views, as factors of the images'; at least one.
        flip: look at each size also mirrored.
    """

    def __init__(self, network: SegmentationNetwork, *, scales: Sequence[float], flip: bool) -> None:
        super().__init__()
        self.network = network
        self.scales = tuple(scales)
        self.flip = flip
        self.stride, self.num_images = network.stride, network.num_images
        self.num_outputs, self.encoder_name = network.num_outputs, network.encoder_name

    def forward(self, images: Tensor, images2: Tensor | None = None) -> list[Tensor]:
        """Return one map, float32 (B, K, H, W): logits of the mean probabilities of all views."""
        batch = {name: pixels for name, pixels in zip(IMAGES, (images, images2), strict=True) if pixels is not None}
        views = make_views(batch, scales=self.scales, flip=self.flip)
        scores = (class_probabilities(self.network(*(view.batch[name] for name in batch))[0].float()) for view in views)
        return [as_logits(average_pixels(views, scores, batch))]


def as_logits(probabilities: Tensor) -> Tensor:
    """Return logits (B, K, H, W) of which :func:`~pet.losses.pixels.base.class_probabilities` are these, for probabilities from 0 to 1."""
    return probabilities.logit(eps=1e-7) if probabilities.shape[1] == 1 else probabilities.clamp(min=1e-30).log()


@torch.no_grad()
def look_through_windows(images: Sequence[Tensor], predict: Callable[[Sequence[Tensor]], Tensor], *, window: int, overlap: float) -> Tensor:
    """Return the logits of a batch, float32 (B, K, H, W), blended from windows.

    Args:
        images: (B, C, H, W), one batch, or the two of pairs.
        predict: gives the logits (b, K, window, window) of windows, (b, C, window, window) of each batch.
        window: edge of a window, pixels.
        overlap: least share of a window that its neighbour covers too.
    """
    device = images[0].device

    def logits_of(pair: Sequence[Tensor]) -> Tensor:
        pixels = [image.permute(1, 2, 0).cpu().numpy() for image in pair]
        strips = sliding_window(
            lambda place: [image[place.top : place.top + place.height, place.left : place.left + place.width] for image in pixels],
            (pixels[0].shape[0], pixels[0].shape[1]),
            lambda windows: predict([one.to(device) for one in windows]),
            window=(window, window),
            overlap=overlap,
            batch_size=WINDOWS_AT_ONCE,
            decide=lambda logits: logits,
        )
        return torch.from_numpy(np.concatenate([strip.values for strip in strips], axis=1)).to(device)

    return torch.stack([logits_of(cast("Sequence[Tensor]", pair)) for pair in zip(*images, strict=True)])


def view_network(network: SegmentationNetwork, cfg: AnyConfig) -> SegmentationNetwork:
    """Return a trained network with the views of ``TEST.VIEWS``; itself where there is only one."""
    if not has_views(cfg):
        return network
    viewed = ViewedNetwork(network, scales=list(cfg.TEST.VIEWS.SCALES) or [1.0], flip=cfg.TEST.VIEWS.FLIP)
    return cast("SegmentationNetwork", viewed)
