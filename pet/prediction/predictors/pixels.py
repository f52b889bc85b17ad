"""From windows of pixels to probabilities of their classes, by PyTorch or by onnxruntime."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn

from pet.data.targets.pixel_types import EIGHT_BITS
from pet.data.transforms.normalize import scale_and_shift
from pet.exporting.description import ModelDescription
from pet.exporting.rewriting import InputNormalization
from pet.exporting.runtime import ExportedFile
from petlib.errors import CheckpointError


class PixelPredictor(Protocol):
    """A trained network of pixels.

    Attributes:
        description: what it takes and gives.
        num_images: 1, or 2 for the pairs of change detection.
        num_channels: of an image; None: any number.
        fixed_size: (height, width) of the images that it takes; None: any.
        fixed_batch: images that it takes at once; None: any number.
    """

    description: ModelDescription
    num_images: int
    num_channels: int | None
    fixed_size: tuple[int, int] | None
    fixed_batch: int | None

    def __call__(self, images: Sequence[Tensor]) -> Tensor:
        """Return probabilities, float32 (B, K, h, w), of pixels (B, C, h, w) for each image of a pair.

        The pixels are as files have them, or from 0 to 255 where the description names no maximum.
        """
        ...


class NetworkPixels:
    """A network of PyTorch; a :class:`PixelPredictor`.

    Args:
        network: takes one or two batches of normalised images, and gives a list of logits, the main one first.
        description: what it takes and gives.
        num_images: how many batches it takes.
        num_channels: of an image.
        device: where it runs; it is moved there, and put into evaluation.
        autocast: gives the context of each forward pass, for mixed precision.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        description: ModelDescription,
        num_images: int,
        num_channels: int,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.description = description
        self.num_images = num_images
        self.num_channels: int | None = num_channels
        self.fixed_size: tuple[int, int] | None = None
        self.fixed_batch: int | None = None
        whole = InputNormalization(network, mean=description.mean, std=description.std, maximum=description.maximum)
        self._network = whole.to(device).eval()
        self._device = device
        self._autocast = autocast

    def __call__(self, images: Sequence[Tensor]) -> Tensor:
        """Return probabilities, float32 (B, K, h, w), on the device of the network."""
        with torch.inference_mode(), self._autocast():
            logits = self._network(*(image.to(self._device) for image in images))[0]
            return to_probabilities(logits)


class OnnxPixels:
    """An ONNX file that was exported with a description; a :class:`PixelPredictor`.

    Args:
        model: the file; its first output is (B, K, h, w) logits.

    Raises:
        CheckpointError: the file has no description, or takes no images.
    """

    def __init__(self, model: ExportedFile) -> None:
        self.description = ModelDescription.from_metadata(model.metadata, name=str(model.path))
        shape = next(iter(model.inputs.values()))
        if len(shape) != 4 or len(model.inputs) > 2:
            raise CheckpointError(
                f"{model.path}: one or two inputs (B, C, H, W) expected, {model.inputs} found; export a network of segmentation"
            )
        self.num_images = len(model.inputs)
        batch, channels, height, width = (length if isinstance(length, int) else None for length in shape)
        self.num_channels = channels
        self.fixed_size = (height, width) if height is not None and width is not None else None
        self.fixed_batch = batch
        self._model = model
        scale, shift = scale_and_shift(self.description.mean, self.description.std, self.description.maximum or EIGHT_BITS)
        self._scale, self._shift = torch.from_numpy(scale).view(1, -1, 1, 1), torch.from_numpy(shift).view(1, -1, 1, 1)

    def __call__(self, images: Sequence[Tensor]) -> Tensor:
        """Return probabilities, float32 (B, K, h, w); a batch below the size that the file takes is filled up meanwhile."""
        count = len(images[0])
        arrays = {}
        for (name, dtype), image in zip(self._model.dtypes.items(), images, strict=True):
            pixels = image if self.description.normalizes else torch.addcmul(self._shift, image.to(torch.float32), self._scale)
            missing = (self.fixed_batch or count) - count
            filled = torch.cat([pixels, pixels[-1:].expand(missing, -1, -1, -1)]) if missing else pixels
            arrays[name] = filled.numpy().astype(dtype, copy=False)
        return to_probabilities(torch.from_numpy(self._model(arrays)[0][:count]))


def to_probabilities(logits: Tensor) -> Tensor:
    """Return probabilities, float32 (B, K, h, w): a sigmoid of one channel, else a softmax over the channels."""
    return logits.float().sigmoid() if logits.shape[1] == 1 else logits.float().softmax(dim=1)
