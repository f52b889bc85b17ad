"""A network of segmentation with what it learns from, how its logits become labels, and what is exported of it."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from pet.data.targets.image import IMAGES
from pet.exporting.config import check_single_view
from pet.exporting.description import ModelDescription
from pet.exporting.network import TaskNetwork
from pet.exporting.script import Script
from pet.exporting.task import find_normalize
from pet.losses.pixels.base import labelled_pixels, pad_labels
from pet.losses.pixels.mixed import MixedLoss, build_pixel_loss
from pet.models.classifiers import synchronise_batch_norm
from pet.models.config import has_views
from pet.models.segmentation.network import SegmentationNetwork
from pet.models.segmentation.networks import build_network
from pet.models.segmentation.pixels import label_images, labels_of, logit, pixel_accuracy, pixel_losses
from pet.models.segmentation.sliding_window import look_through_windows, view_network
from pet.typed import SegmentationConfig
from petlib.config import ConfigError, keys_in_errors, name_in_errors

AUXILIARY_WEIGHT = 0.4


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
        return self.learn(outputs, batch["semseg"], [self.loss] * len(outputs))

    def loss_counts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return how many pixels of each sample count in the losses, which are means over them."""
        return {"loss_": labelled_pixels(batch["semseg"], ignore_label=self.loss.ignore_label)}

    def learn(
        self, outputs: Sequence[Tensor], labels: Tensor | Sequence[Tensor], losses: Sequence[MixedLoss]
    ) -> dict[str, dict[str, Tensor]]:
        """Return losses and metrics of the outputs of the network against the labels of a batch, with a loss for each output."""
        padded = pad_labels(labels, (outputs[0].shape[2], outputs[0].shape[3]))
        terms = pixel_losses(outputs, padded, losses=losses, weights=self.output_weights)
        metrics = {"accuracy": self.accuracy(outputs[0], padded)} if self.with_metrics else {}
        return {"losses": {f"loss_{name}": value for name, value in terms.items()}, "metrics": metrics}

    def logits(self, batch: dict[str, Any]) -> list[Tensor]:
        """Return the outputs of the network, float (B, K, H, W) each; only the main one in evaluation."""
        outputs: list[Tensor] = self.network(*self._images(batch))
        return outputs

    def _images(self, batch: dict[str, Any]) -> list[Tensor]:
        return [batch[field] for field in IMAGES[: self.network.num_images]]

    def _windowed_logits(self, batch: dict[str, Any]) -> Tensor:
        """Return the main logits (B, K, H, W), blended from windows."""
        return look_through_windows(
            self._images(batch), lambda windows: self.network(*windows)[0], window=self.window, overlap=self.overlap
        )

    def decode(self, logits: Tensor, batch: dict[str, Any]) -> list[Tensor]:
        """Return the label image of each sample over the pixels of its file, uint8 (height, width)."""
        return label_images(logits, batch, threshold=self.threshold)

    def labels(self, logits: Tensor) -> Tensor:
        """Return the class of the greatest logit, uint8 (B, H, W); see :func:`~pet.models.segmentation.pixels.labels_of`."""
        return labels_of(logits, threshold=logit(self.threshold))

    def accuracy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the share of the pixels that count whose label is predicted, a scalar on the device."""
        return pixel_accuracy(logits, labels, threshold=self.threshold, ignore_label=self.loss.ignore_label)


def build_model(cfg: SegmentationConfig) -> Segmenter:
    """Return the model of the ``MODEL`` section of a config, with random weights.

    Raises:
        ConfigError: the network, a loss or an argument is unknown, or they do not go together.
    """
    settings = cfg.MODEL
    channels = 1 if settings.BINARY else settings.NUM_CLASSES
    with keys_in_errors(cfg), name_in_errors({"build_network.channels": "MODEL.NUM_CLASSES, with MODEL.BINARY False,"}):
        network = build_network(
            settings.NETWORK,
            channels=channels,
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
        loss=build_pixel_loss(settings.LOSSES, place="MODEL.LOSSES", channels=channels),
        output_weights=_output_weights(cfg, network.num_outputs),
        threshold=settings.THRESHOLD,
        window=cfg.TEST.SLIDING.SIZE,
        overlap=cfg.TEST.SLIDING.OVERLAP if cfg.TEST.SLIDING.SIZE else 0.0,
        with_metrics=cfg.TRAIN.METRICS_ON,
    )


def build_test_model(model: Segmenter, cfg: SegmentationConfig) -> Segmenter:
    """Return a trained ``model`` with the views of ``TEST.VIEWS`` for tests; itself where there is only one."""
    if not has_views(cfg):
        return model
    return Segmenter(
        network=view_network(model.network, cfg),
        loss=model.loss,
        output_weights=model.output_weights,
        threshold=model.threshold,
        window=model.window,
        overlap=model.overlap,
    )


def _output_weights(cfg: SegmentationConfig, count: int) -> list[float]:
    weights = list(cfg.MODEL.OUTPUT_WEIGHTS)
    if weights and len(weights) != count:
        raise ConfigError(
            f"MODEL.OUTPUT_WEIGHTS: {weights} given, but {cfg.MODEL.NETWORK} has {count} output{'' if count == 1 else 's'} in training; "
            "give a weight for each, or leave it empty"
        )
    return weights or [1.0, *[AUXILIARY_WEIGHT] * (count - 1)]


def _images(count: int) -> str:
    return "one image" if count == 1 else f"{count} images"


WINDOW = 1024
"""Edge of the windows that images are looked at through where the config does not say it, pixels."""
INPUTS = ("images", "images2")
OUTPUT = "logits"


class MainLogits(nn.Module):
    """The main output of a segmenter's network, as an exported file gives it: logits (B, K, H, W)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, images2: Tensor | None = None) -> Tensor:
        """Return the logits of normalised images."""
        outputs: list[Tensor] = self.network(images) if images2 is None else self.network(images, images2)
        return outputs[0]


def build_export_network(cfg: SegmentationConfig, model: Segmenter) -> TaskNetwork:
    """Return the network that an exported file holds.

    The file has the inputs ``images`` and, for pairs, ``images2``, float32 (B, C, H, W), and the output ``logits`` (B, K, H, W). Its
    metadata say the classes, the threshold, mean and std.

    Raises:
        ConfigError: ``TEST.TRANSFORMS`` is wrong or has no ``Normalize`` at its end, or the model looks at an image several times.
    """
    check_single_view(cfg)
    description = describe_model(cfg)
    return TaskNetwork(
        network=MainLogits(model.network),
        output_names=[OUTPUT],
        half=["network"],
        input_names=INPUTS[: cfg.DATA.NUM_IMAGES],
        channels=cfg.MODEL.IN_CHANNELS,
        description=description,
        script=choose_script(cfg, description),
    )


def choose_script(cfg: SegmentationConfig, description: ModelDescription) -> Script:
    """Return the program that looks at images through windows, as a prediction with Pet does."""
    values = {
        "largest": cfg.TEST.SLIDING.SIZE or WINDOW,
        "overlap": cfg.TEST.SLIDING.OVERLAP,
        "channels": cfg.MODEL.IN_CHANNELS,
        "scales_16_bits": not description.maximum,
        "binary": cfg.MODEL.BINARY,
        "threshold": description.threshold,
        "batch": 1 if cfg.EXPORT.DYNAMIC else cfg.EXPORT.BATCH,
    }
    pairs = "BEFORE AFTER [BEFORE AFTER ...]"
    return Script("windows", values, pairs if cfg.DATA.NUM_IMAGES > 1 else "IMAGE [IMAGE ...]")


def describe_model(cfg: SegmentationConfig) -> ModelDescription:
    """Return what the model of a config takes and gives.

    Raises:
        ConfigError: ``TEST.TRANSFORMS`` has no ``Normalize`` at its end, or a transform is wrong.
    """
    normalize = find_normalize(cfg, required=True)
    return ModelDescription(
        classes=tuple(cfg.DATA.CLASSES),
        mean=normalize.mean,
        std=normalize.std,
        maximum=normalize.maximum,
        threshold=cfg.MODEL.THRESHOLD,
    )
