"""The head that gives every pixel a class."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from pet.losses.pixels.base import IGNORE_LABEL, labelled_pixels, pad_labels
from pet.losses.pixels.mixed import MixedLoss, build_pixel_loss
from pet.models.classifiers import synchronise_batch_norm
from pet.models.features import FeatureInfo, Features, HeadOutput, Regions
from pet.models.segmentation.decoders import Decoder, build_decoder
from pet.models.segmentation.network import grow, resize
from pet.models.segmentation.pixels import label_images, pixel_accuracy, pixel_losses
from pet.models.segmentation.sliding_window import look_through_windows
from pet.typed import VisionConfig
from petlib.config import keys_in_errors, name_in_errors
from petlib.errors import ConfigError

CROSS_ENTROPY = "cross_entropy"


class SemsegHead(nn.Module):
    """A decoder of the backbone's stages and a classifier of each pixel.

    Args:
        decoder: stages to one map.
        strides: of the stages.
        num_classes: classes of pixels, from 2 to 255: label images are uint8, and 255 means ignored.
        loss: what the logits learn from.
        loss_weight: factor of the loss.
        with_metrics: report the share of pixels that are right as ``semseg_accuracy`` in training.
    """

    def __init__(
        self,
        *,
        decoder: Decoder,
        strides: tuple[int, ...],
        num_classes: int,
        loss: MixedLoss,
        loss_weight: float = 1.0,
        with_metrics: bool = True,
    ) -> None:
        super().__init__()
        self.decoder = decoder
        self.strides = strides
        self.num_classes = num_classes
        self.loss_weight = loss_weight
        self.loss = loss
        self.with_metrics = with_metrics
        self.classifier = nn.Conv2d(decoder.out_channels, num_classes, decoder.kernel, padding=decoder.kernel // 2)
        nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def forward(self, features: Features, batch: dict[str, Any], regions: Regions | None = None) -> HeadOutput:
        """Return loss and metric in training, label images in evaluation.

        Args:
            features: of the backbone.
            batch: in training ``semseg``, integer (B, h, w) or a list of (h, w), 255 where a pixel does not count; in evaluation
                what :meth:`decode` needs.
            regions: not used.

        Returns:
            In training ``loss_semseg``, of several losses ``loss_semseg_NAME`` for each, and ``semseg_accuracy``; in evaluation
            ``semseg`` of each image.
        """
        logits = self.predict(features)
        if not self.training:
            return HeadOutput(predictions=self.decode(logits, batch))
        labels = pad_labels(batch["semseg"], (logits.shape[2], logits.shape[3]))
        terms = pixel_losses([logits], labels, losses=[self.loss], weights=[self.loss_weight])
        losses = {"loss_semseg" if len(terms) == 1 else f"loss_semseg_{name}": value for name, value in terms.items()}
        metrics = {"semseg_accuracy": pixel_accuracy(logits, labels)} if self.with_metrics else {}
        return HeadOutput(losses=losses, metrics=metrics)

    def loss_counts(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return how many pixels of each sample count in the losses, which are means over them."""
        return {"loss_semseg": labelled_pixels(batch["semseg"])}

    def predict(self, features: Features) -> Tensor:
        """Return the logits of the padded batch, float32 (B, num_classes, H, W).

        Decoders double sizes, so where the batch is no multiple of the coarsest stride its borders are repeated meanwhile.
        """
        height, width = features.images.shape[-2:]
        coarsest = max(self.strides)
        rows, columns = -(-height // coarsest) * coarsest, -(-width // coarsest) * coarsest
        stages = [grow(stage, (rows // stride, columns // stride)) for stage, stride in zip(features.stages, self.strides, strict=True)]
        logits: Tensor = self.classifier(self.decoder(grow(features.images, (rows, columns)), stages)).float()
        return resize(logits, (rows, columns))[:, :, :height, :width]

    def look_through_windows(
        self, extract: Callable[[dict[str, Any]], Features], batch: dict[str, Any], *, window: int, overlap: float
    ) -> list[dict[str, Any]]:
        """Return ``semseg`` of each image, whose logits are blended from windows."""
        logits = look_through_windows(
            [batch["image"]], lambda windows: self.predict(extract({"image": windows[0]})), window=window, overlap=overlap
        )
        return self.decode(logits, batch)

    def decode(self, scores: Tensor, batch: dict[str, Any]) -> list[dict[str, Tensor]]:
        """Return ``semseg`` of each image, uint8 (height, width) of its file: the class of the greatest score.

        The arguments are those of :func:`pet.models.segmentation.pixels.over_files`.
        """
        return [{"semseg": labels} for labels in label_images(scores, batch)]


def build_semseg_head(cfg: VisionConfig, info: FeatureInfo) -> nn.Module:
    """Return the head for the ``MODEL.SEMSEG`` section of a config.

    Raises:
        ConfigError: the decoder does not suit the backbone or does not take its arguments, the number of classes is missing, or there are
            not as many weights.
    """
    settings = cfg.MODEL.SEMSEG
    num_classes = settings.NUM_CLASSES or cfg.MODEL.NUM_CLASSES
    if not 2 <= num_classes <= IGNORE_LABEL:
        raise ConfigError(
            f"MODEL.SEMSEG.NUM_CLASSES: {num_classes} classes given (0 there means MODEL.NUM_CLASSES), 2 to {IGNORE_LABEL} expected: "
            f"the labels of pixels are 8 bit and {IGNORE_LABEL} means ignored"
        )
    if settings.CLASS_WEIGHTS and (len(settings.CLASS_WEIGHTS) != num_classes or min(settings.CLASS_WEIGHTS) <= 0):
        raise ConfigError(f"MODEL.SEMSEG.CLASS_WEIGHTS: {list(settings.CLASS_WEIGHTS)} given, {num_classes} numbers above 0 expected")
    with keys_in_errors(cfg), name_in_errors({"weigh_classes.losses": "MODEL.SEMSEG.LOSSES"}):
        head = SemsegHead(
            decoder=build_decoder(settings.DECODER, info, settings.DECODER_ARGS),
            strides=info.stage_strides,
            num_classes=num_classes,
            loss=build_pixel_loss(
                weigh_classes(settings.LOSSES, settings.CLASS_WEIGHTS), place="MODEL.SEMSEG.LOSSES", channels=num_classes
            ),
            loss_weight=settings.LOSS_WEIGHT,
            with_metrics=cfg.TRAIN.METRICS_ON,
        )
    return synchronise_batch_norm(head, cfg) if cfg.MODEL.SYNC_BN else head


def weigh_classes(losses: Sequence[Any], weights: Sequence[float]) -> list[Any]:
    """Return the entries of a list of losses, the cross entropy among them with the weights of classes, where there are any.

    Raises:
        ConfigError: there are weights, but no cross entropy.
    """
    if not weights:
        return list(losses)
    entries = [entry if isinstance(entry, dict) else {"name": entry} for entry in losses]
    if not any(entry.get("name") == CROSS_ENTROPY for entry in entries):
        raise ConfigError(
            f"weigh_classes.weights: {list(weights)} given, but weigh_classes.losses has no {CROSS_ENTROPY}, which they weight; "
            "leave them empty, or give a loss weights among its own arguments"
        )
    return [{"class_weights": list(weights), **entry} if entry.get("name") == CROSS_ENTROPY else entry for entry in entries]
