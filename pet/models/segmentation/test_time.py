"""How networks of pixels look at test images: several views of each, and large ones through windows."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from pet.data.targets.image import IMAGES
from pet.losses.pixels.base import class_probabilities
from pet.models.config import has_views
from pet.models.segmentation.network import SegmentationNetwork
from pet.models.segmentation.sliding_window import sliding_window
from pet.models.views import average_pixels, make_views
from petlib.config import CfgNode

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


def view_network(network: SegmentationNetwork, cfg: CfgNode) -> SegmentationNetwork:
    """Return a trained network with the views of ``TEST.VIEWS``; itself where there is only one."""
    if not has_views(cfg):
        return network
    viewed = ViewedNetwork(network, scales=list(cfg.TEST.VIEWS.SCALES) or [1.0], flip=cfg.TEST.VIEWS.FLIP)
    return cast("SegmentationNetwork", viewed)
