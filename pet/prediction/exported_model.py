"""An exported file in the place of the model that was trained, so that the evaluators of its task measure it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pet.data.targets.kinds import kinds_in
from pet.data.targets.pixel_types import EIGHT_BITS
from pet.data.transforms.base import Compose
from pet.data.transforms.normalize import scale_and_shift
from pet.exporting.description import ModelDescription
from pet.exporting.runtime import ExportedFile
from pet.models.segmentation.pixels import labels_of
from pet.models.segmentation.sliding_window import sliding_window
from pet.prediction.predictors.pixels import OnnxPixels
from pet.prediction.predictors.samples import EMBEDDING, OnnxSamples, Place
from petlib.data.protocols import Batch

ROUND = 256.0
"""Pixels of whole numbers come back as whole numbers, others to a part in 256."""


class ExportedModel(nn.Module):
    """An exported file that predicts batches as a model does.

    Args:
        file: the file.
        place: see :class:`pet.prediction.predictors.samples.OnnxSamples`.
        flip: add the embedding of the mirrored image.
    """

    def __init__(self, file: ExportedFile, *, place: Place | None = None, flip: bool = False) -> None:
        super().__init__()
        self._samples = OnnxSamples(file, transforms=Compose([]), seed=0, place=place)
        self._flip = flip

    def forward(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Return what the file finds in each sample of a batch of normalised images, in the coordinates of its file."""
        name = kinds_in(batch).pixels[0].name
        images = file_pixels(batch, name, self._samples.description)
        return [self._predict(name, image, meta) for image, meta in zip(images, batch["meta"], strict=True)]

    def _predict(self, name: str, image: np.ndarray, meta: Mapping[str, Any]) -> dict[str, Tensor]:
        found = self._samples.predict_sample({name: image, "meta": dict(meta)})
        if self._flip:
            mirrored = self._samples.predict_sample({name: np.ascontiguousarray(image[..., ::-1, :]), "meta": dict(meta)})
            found = {**found, EMBEDDING: found[EMBEDDING] + mirrored[EMBEDDING]}
        return {key: torch.from_numpy(np.asarray(value)) for key, value in found.items()}


class ExportedPixels(nn.Module):
    """An exported network of pixels that labels batches of images or pairs through windows.

    Args:
        file: the file.
        window: edge of the windows where the file takes any size, pixels; 0: whole images.
        overlap: least share of a window that its neighbours cover too.
    """

    def __init__(self, file: ExportedFile, *, window: int, overlap: float) -> None:
        super().__init__()
        self._pixels = OnnxPixels(file)
        self._window, self._overlap = window, overlap

    def forward(self, batch: Batch) -> list[dict[str, Tensor]]:
        """Return ``semseg``, uint8 (H, W), of each sample of a batch of normalised images."""
        names = [kind.name for kind in kinds_in(batch).pixels]
        images = [file_pixels(batch, name, self._pixels.description) for name in names]
        return [{"semseg": self._label(list(pair))} for pair in zip(*images, strict=True)]

    def _label(self, images: list[np.ndarray]) -> Tensor:
        size = images[0].shape[0], images[0].shape[1]
        usual = (min(self._window, size[0]), min(self._window, size[1])) if self._window else size
        strips = sliding_window(
            lambda place: [image[place.top : place.top + place.height, place.left : place.left + place.width] for image in images],
            size,
            self._pixels,
            window=self._pixels.fixed_size or usual,
            overlap=self._overlap,
            batch_size=self._pixels.fixed_batch or 1,
            decide=lambda scores: labels_of(scores, threshold=self._pixels.description.threshold, class_axis=0),
        )
        return torch.from_numpy(np.concatenate([strip.values for strip in strips]))


def file_pixels(batch: Batch, name: str, description: ModelDescription) -> list[np.ndarray]:
    """Return the images of a batch, (H, W, C), or its clips, (T, H, W, C), as they were before normalisation and padding, float32."""
    scale, shift = scale_and_shift(description.mean, description.std, description.maximum or EIGHT_BITS)
    images = batch[name].float().cpu()
    sizes = batch.get("image_sizes") or [images.shape[-2:]] * len(images)
    arrays = [image[..., :height, :width].movedim(0, -1).numpy() for image, (height, width) in zip(images, sizes, strict=True)]
    return [np.ascontiguousarray(np.rint((array - shift) / scale * ROUND) / ROUND, np.float32) for array in arrays]
