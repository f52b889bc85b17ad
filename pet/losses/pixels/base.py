"""What all losses of label images have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from petlib.errors import ConfigError

IGNORE_LABEL = 255


class PixelLoss(nn.Module, ABC):
    """A loss of the logits of pixels against their labels.

    It is called with logits, float (B, K, H, W), and labels, integer (B, H, W), and returns a scalar, float32 under autocast too.
    K = 1 is one sigmoid channel, the logit of label 1 against label 0; with K of 2 or more a pixel has the label 0 to K - 1.
    Pixels with the ignored label do not count: where all have it, the loss is 0 with gradients of 0. Neither argument is
    written to.

    Args:
        ignore_label: label of the pixels that do not count.
    """

    def __init__(self, *, ignore_label: int = IGNORE_LABEL) -> None:
        super().__init__()
        self.ignore_label = ignore_label

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch.

        Raises:
            ValueError: the shapes do not belong together.
            ConfigError: the loss cannot be used with K channels.
        """
        expected = (logits.shape[0], *logits.shape[2:])
        if logits.dim() != 4 or tuple(labels.shape) != expected:
            raise ValueError(
                f"logits of shape {tuple(logits.shape)} and labels of shape {tuple(labels.shape)}; (B, K, H, W) and (B, H, W) expected"
            )
        self.check_channels(logits.shape[1])
        return self.measure(logits.float(), labels.long())

    def check_channels(self, channels: int) -> None:
        """Check that the loss can be used with ``channels`` maps of logits; by default with any number.

        Raises:
            ConfigError: it cannot.
        """

    @abstractmethod
    def measure(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss for float32 logits and int64 labels whose shapes are right."""


def two_class_logits(logits: Tensor) -> Tensor:
    """Return logits of a softmax, (B, K, H, W) with K of 2 or more: one sigmoid channel z becomes the two classes (0, z)."""
    return torch.cat([torch.zeros_like(logits), logits], dim=1) if logits.shape[1] == 1 else logits


def class_probabilities(logits: Tensor) -> Tensor:
    """Return the probability of each channel, (B, K, H, W): a sigmoid of one, a softmax of several."""
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)


def one_hot(labels: Tensor, num_channels: int) -> Tensor:
    """Return which pixels belong to each channel, float32 (B, K, H, W); pixels of other labels, ignored ones too, to none.

    Args:
        labels: int64 (B, H, W).
        num_channels: K; the only channel of K = 1 is that of label 1.
    """
    numbers = torch.arange(num_channels, device=labels.device) + (num_channels == 1)
    return (labels[:, None] == numbers[:, None, None]).float()


def foreground_logits(logits: Tensor) -> Tensor:
    """Return the logit of label 1 against label 0, log(p / (1 - p)), as (B, H, W).

    Args:
        logits: (B, K, H, W): one sigmoid channel or the logits of two classes, of which it is the difference.
    """
    return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]


def mean_of_counted(values: Tensor, counted: Tensor) -> Tensor:
    """Return the mean of the values, 0 without any; those that do not count have to be 0.

    Args:
        values: float, of any shape.
        counted: bool, of a shape that can be spread to that of ``values``.
    """
    return values.sum() / counted.expand_as(values).sum().clamp(min=1)


def labelled_pixels(labels: Tensor | Sequence[Tensor], *, ignore_label: int = IGNORE_LABEL) -> Tensor:
    """Return how many pixels of each sample of a batch count, float32 (B,).

    Args:
        labels: integer (B, h, w), or B tensors (h, w) of several sizes.
        ignore_label: the label of pixels that do not.
    """
    return torch.stack([(image != ignore_label).sum() for image in labels]).float()


def class_weight_buffer(weights: Sequence[float] | None, *, loss: str) -> Tensor | None:
    """Return the weights of classes as float32, or None where there are none.

    Raises:
        ConfigError: a weight is below 0, or all are 0.
    """
    if weights is None:
        return None
    if not all(weight >= 0 for weight in weights) or not any(weights):
        raise ConfigError(f"{loss}: {list(weights)} given as weights of classes, numbers of at least 0 and not only zeros expected")
    return torch.tensor(list(weights), dtype=torch.float32)


def check_class_weights(weights: Tensor | None, channels: int, *, loss: str) -> None:
    """Hold weights against the number of classes that the network has, two where it has one sigmoid channel.

    Raises:
        ConfigError: there are more or fewer weights.
    """
    num_classes = max(channels, 2)
    if weights is not None and len(weights) != num_classes:
        raise ConfigError(
            f"{loss}: {len(weights)} weights of classes given, the network has {num_classes} classes; one weight for each expected"
        )


def check_at_least(name: str, value: float, low: float) -> float:
    """Return a number that is ``low`` or more.

    Raises:
        ConfigError: it is less, infinite, or not a number.
    """
    if not low <= value < float("inf"):
        raise ConfigError(f"{name}: {value:g} given, a number of at least {low:g} expected")
    return value


def pad_labels(labels: Tensor | Sequence[Tensor], size: tuple[int, int], *, ignore_label: int = IGNORE_LABEL) -> Tensor:
    """Return the label images of a batch in one tensor: ignored pixels are added on the right and at the bottom.

    Args:
        labels: integer (B, h, w), or B tensors (h, w) of several sizes.
        size: (H, W) of the padded batch, at least as great.
        ignore_label: the label of what is added.

    Returns:
        (B, H, W), of the dtype and on the device of ``labels``.

    Raises:
        ValueError: a label image is greater than the batch.
    """
    if isinstance(labels, Tensor) and tuple(labels.shape[-2:]) == tuple(size):
        return labels
    if any(image.shape[0] > size[0] or image.shape[1] > size[1] for image in labels):
        raise ValueError(f"label images of shapes {[tuple(image.shape) for image in labels]} do not fit into a batch of {tuple(size)}")
    padded = labels[0].new_full((len(labels), *size), ignore_label)
    for target, image in zip(padded, labels, strict=True):
        target[: image.shape[0], : image.shape[1]] = image
    return padded
