"""A network of segmentation with what it learns from and how its logits become labels."""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from pet.data.targets.image import IMAGES
from pet.losses.pixels.build import build_pixel_loss
from pet.losses.pixels.mixed import MixedLoss
from pet.losses.segmentation import pad_labels
from pet.models.backbone import synchronise_batch_norm
from pet.models.segmentation.network import SegmentationNetwork
from pet.models.segmentation.networks import build_network
from pet.models.segmentation.resample import over_files
from pet.models.segmentation.sliding_window import sliding_window
from petlib.config import CfgNode, ConfigError

AUXILIARY_WEIGHT = 0.4
WINDOWS_AT_ONCE = 4


class Segmenter(nn.Module):
    """The contract of a model around a network of segmentation or change detection.

    Args:
        network: see :class:`pet.models.segmentation.network.SegmentationNetwork`; of one or two images.
        loss: of each output.
        output_weights: weight of the loss of each output of the network in training.
        threshold: probability from which a pixel is foreground, where the network has one channel.
        window: in evaluation the network looks through overlapping windows of so many pixels; 0: at whole images.
        overlap: share of a window that its neighbour sees too.
        with_metrics: report the share of pixels that are right as ``accuracy`` in training.
    """

    def __init__(
        self,
        *,
        network: SegmentationNetwork,
        loss: MixedLoss,
        output_weights: Sequence[float],
        threshold: float = 0.5,
        window: int = 0,
        overlap: float = 0.25,
        with_metrics: bool = True,
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.output_weights = tuple(output_weights)
        self.threshold = threshold
        self.window = window
        self.overlap = overlap
        self.with_metrics = with_metrics

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return losses and metrics in training, label images in evaluation.

        Args:
            batch: ``image`` and, where the network takes two, ``image2``, float (B, C, H, W); in training ``semseg``, integer
                (B, h, w) or a list of (h, w), 255 where a pixel does not count; in evaluation ``image_sizes`` and ``meta``,
                where images are not as their files.

        Returns:
            In training ``losses``: each term as ``loss_NAME``, of further outputs ``loss_NAME_1``, ..., and ``metrics``. In
            evaluation for each image ``{"semseg": uint8 (height, width) of the file}``.
        """
        if not self.training:
            logits = self._windowed_logits(batch) if self.window else self.logits(batch)[0]
            return [{"semseg": labels} for labels in self.decode(logits, batch)]
        outputs = self.logits(batch)
        assert len(outputs) == len(self.output_weights), f"{len(outputs)} outputs and {len(self.output_weights)} weights"
        labels = pad_labels(batch["semseg"], (outputs[0].shape[2], outputs[0].shape[3]))
        losses: dict[str, Tensor] = {}
        for place, (logits, weight) in enumerate(zip(outputs, self.output_weights, strict=True)):
            suffix = f"_{place}" if place else ""
            losses |= {f"loss_{name}{suffix}": value * weight for name, value in self.loss.terms(logits.float(), labels).items()}
        return {"losses": losses, "metrics": {"accuracy": self._accuracy(outputs[0], labels)} if self.with_metrics else {}}

    def logits(self, batch: dict[str, Any]) -> list[Tensor]:
        """Return the outputs of the network, float (B, K, H, W) each; only the main one in evaluation."""
        outputs: list[Tensor] = self.network(*self._images(batch))
        return outputs

    def _images(self, batch: dict[str, Any]) -> list[Tensor]:
        return [batch[field] for field in IMAGES[: self.network.num_images]]

    @torch.no_grad()
    def _windowed_logits(self, batch: dict[str, Any]) -> Tensor:
        """Return the main logits (B, K, H, W), blended from windows."""
        pairs = zip(*self._images(batch), strict=True)
        return torch.stack([self._look_through_windows([image.permute(1, 2, 0).cpu().numpy() for image in images]) for images in pairs])

    def _look_through_windows(self, images: Sequence[np.ndarray]) -> Tensor:
        """Return the logits (K, H, W) of one image or pair, (H, W, C) each."""
        device = next(self.network.parameters()).device
        strips = sliding_window(
            lambda window: [image[window.top : window.top + window.height, window.left : window.left + window.width] for image in images],
            (images[0].shape[0], images[0].shape[1]),
            lambda windows: self.network(*(window.to(device) for window in windows))[0],
            window=(self.window, self.window),
            overlap=self.overlap,
            batch_size=WINDOWS_AT_ONCE,
            decide=lambda logits: logits,
        )
        return torch.from_numpy(np.concatenate([strip.values for strip in strips], axis=1)).to(device)

    def decode(self, logits: Tensor, batch: dict[str, Any]) -> list[Tensor]:
        """Return the label image of each sample over the pixels of its file, uint8 (height, width)."""
        return [self.labels(scores, class_axis=0) for scores in over_files(logits.float(), batch)]

    def labels(self, logits: Tensor, *, class_axis: int = 1) -> Tensor:
        """Return the class of the greatest logit, uint8; of a single channel 1 where the probability reaches the threshold, else 0.

        Args:
            logits: float, with the classes along ``class_axis``, which the result lacks.
            class_axis: that axis.
        """
        if logits.shape[class_axis] > 1:
            return logits.argmax(dim=class_axis).to(torch.uint8)
        return (logits.select(class_axis, 0) >= math.log(self.threshold / (1.0 - self.threshold))).to(torch.uint8)

    @torch.no_grad()
    def _accuracy(self, logits: Tensor, labels: Tensor) -> Tensor:
        counted = labels != self.loss.ignore_label
        right = (self.labels(logits) == labels) & counted
        return right.sum().float() / counted.sum().clamp(min=1)


def build_model(cfg: CfgNode) -> Segmenter:
    """Return the model of the ``MODEL`` section of a config, with random weights.

    Raises:
        ConfigError: the network, a loss or an argument is unknown, or they do not go together.
    """
    settings = cfg.MODEL
    network = build_network(
        settings.NETWORK,
        channels=1 if settings.BINARY else settings.NUM_CLASSES,
        in_channels=settings.IN_CHANNELS,
        args=settings.NETWORK_ARGS,
    )
    if network.num_images != cfg.DATA.NUM_IMAGES:
        raise ConfigError(
            f"MODEL.NETWORK: {settings.NETWORK} looks at {_images(network.num_images)}, but DATA.NUM_IMAGES is {cfg.DATA.NUM_IMAGES}; "
            "set that, or take another network"
        )
    return Segmenter(
        network=cast("SegmentationNetwork", synchronise_batch_norm(network, cfg)) if settings.SYNC_BN else network,
        loss=build_pixel_loss(settings.LOSSES, place="MODEL.LOSSES"),
        output_weights=_output_weights(cfg, network.num_outputs),
        threshold=settings.THRESHOLD,
        window=cfg.TEST.SLIDING.SIZE,
        overlap=cfg.TEST.SLIDING.OVERLAP,
        with_metrics=cfg.TRAIN.METRICS_ON,
    )


def _output_weights(cfg: CfgNode, count: int) -> list[float]:
    weights = list(cfg.MODEL.OUTPUT_WEIGHTS)
    if weights and len(weights) != count:
        raise ConfigError(
            f"MODEL.OUTPUT_WEIGHTS: {weights} given, but {cfg.MODEL.NETWORK} has {count} output{'' if count == 1 else 's'} in training; "
            "give a weight for each, or leave it empty"
        )
    return weights or [1.0, *[AUXILIARY_WEIGHT] * (count - 1)]


def _images(count: int) -> str:
    return "one image" if count == 1 else f"{count} images"
