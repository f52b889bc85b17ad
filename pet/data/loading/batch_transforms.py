"""What is done to whole batches, on the device."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pet.data.targets.kinds import are_whole_image, kinds_in
from pet.data.targets.pixel_types import greatest_value
from pet.data.transforms.normalize import Normalize, check_channels, scale_and_shift
from pet.typed import AnyConfig
from petlib.data.protocols import Batch, BatchTransform
from petlib.errors import ConfigError, DataError

PAD_DIVISOR = 32
"""Images of different sizes are padded to a multiple of it, the stride of the coarsest stage of the usual backbones."""


class NormalizeImages:
    """Images (B, H, W, C) become float32 (B, C, H, W), normalised; ``image2`` likewise where samples are pairs.

    Clips (B, T, H, W, C) become (B, C, T, H, W).

    Images of whole numbers, uint8 or uint16, are normalised here. float32 images are only turned where they were normalised as
    samples.

    Args:
        mean: of the channels, from 0 to 1; one number counts for all channels.
        std: likewise, above 0.
        channels_last: leave the result in channels-last memory order, which costs nothing; else it is copied.
        pad_divisor: above 1, images may differ in size: zeros are added on the right and at the bottom, up to a multiple of it
            that is common to all, and ``image_sizes`` holds (height, width) of each image without them.
        maximum: the value that becomes 1; None: the greatest one of the images' type, see :class:`Normalize`.
        takes_floats: float32 images are as the files have them and are normalised too.
    """

    def __init__(
        self,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        channels_last: bool,
        pad_divisor: int = 1,
        maximum: float | None = None,
        takes_floats: bool = False,
    ) -> None:
        self._mean, self._std, self._maximum = tuple(mean), tuple(std), maximum
        self._factors: dict[tuple[str, torch.device], tuple[Tensor, Tensor]] = {}
        self._takes_floats = takes_floats
        self._channels_last = channels_last
        self._pad_divisor = pad_divisor

    @classmethod
    def from_transform(cls, normalize: Normalize | None, *, channels_last: bool, pad_divisor: int = 1) -> "NormalizeImages":
        """Return what a trailing ``Normalize`` asks for; without one pixels of whole numbers go from 0 to 1."""
        if normalize is None:
            return cls(mean=(0.0,), std=(1.0,), channels_last=channels_last, pad_divisor=pad_divisor)
        return cls(
            mean=normalize.mean,
            std=normalize.std,
            channels_last=channels_last,
            pad_divisor=pad_divisor,
            maximum=normalize.maximum,
            takes_floats=True,
        )

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return the batch with its images normalised.

        Raises:
            ConfigError: the images have another number of channels than mean and std.
            DataError: the images of the batch have different sizes, and are not to be padded.
        """
        fields = [kind.name for kind in kinds_in(batch).pixels if kind.has_colours]
        if self._pad_divisor > 1 and fields:
            sizes = [(int(image.shape[0]), int(image.shape[1])) for image in batch["image"]]
            return {**batch, **{field: self._pad(batch[field], sizes) for field in fields}, "image_sizes": sizes}
        return {**batch, **{field: self._turn(batch[field]) for field in fields}}

    @property
    def _memory_format(self) -> torch.memory_format:
        return torch.channels_last if self._channels_last else torch.contiguous_format

    def _turn(self, images: Tensor | list[Tensor]) -> Tensor:
        if not isinstance(images, Tensor):
            found = sorted({tuple(image.shape[-3:-1]) for image in images})
            raise DataError(f"the images of a batch have different sizes: {found[:4]}; resize or crop them to one size in TRANSFORMS")
        turned = self._normalize(images.movedim(-1, 1))
        if turned.ndim == 5 and self._channels_last:
            # the frames of a clip lie as those of a batch of images
            return turned
        return turned.contiguous(memory_format=self._memory_format if turned.ndim == 4 else torch.contiguous_format)

    def _pad(self, images: Tensor | list[Tensor], sizes: list[tuple[int, int]]) -> Tensor:
        height, width = (-(-max(lengths) // self._pad_divisor) * self._pad_divisor for lengths in zip(*sizes, strict=True))
        shape = (len(sizes), int(images[0].shape[2]), height, width)
        padded = torch.empty(shape, device=images[0].device, memory_format=self._memory_format)
        for target, image, (rows, columns) in zip(padded, images, sizes, strict=True):
            target[:, :rows, :columns] = self._normalize(image.permute(2, 0, 1).unsqueeze(0))[0]
            target[:, rows:].zero_()
            target[:, :rows, columns:].zero_()
        return padded

    def _normalize(self, images: Tensor) -> Tensor:
        """Return images (B, C, ..., H, W) as float32."""
        if images.dtype.is_floating_point and not self._takes_floats:
            return images
        check_channels(len(self._mean), images.shape[1])
        scale, shift = self._scale_and_shift(str(images.dtype).removeprefix("torch."), images.device)
        shape = (-1, *(1,) * (images.ndim - 2))
        return torch.addcmul(shift.view(shape), images.to(torch.float32), scale.view(shape))

    def _scale_and_shift(self, dtype: str, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return what the C channels of images of a type are multiplied by and what is added, on their device."""
        if (dtype, device) not in self._factors:
            factors = scale_and_shift(self._mean, self._std, self._maximum or greatest_value(dtype))
            scale, shift = (torch.from_numpy(factor).to(device) for factor in factors)
            self._factors[dtype, device] = scale, shift
        return self._factors[dtype, device]


def predict_by_size(model: Callable[[Batch], list[Any]], batch: Batch) -> list[Any]:
    """Return what ``model`` predicts for each sample of a batch of test images, whatever else the batch holds.

    Padding moves what a network predicts near the border, so images that differ in size would change each other's figures. Those that
    are padded to the same multiples of :data:`PAD_DIVISOR` go through the model together, the others apart from them.

    Args:
        model: gives a list with one prediction for each sample.
        batch: images float (B, C, H, W); where they are padded, ``image_sizes`` holds (height, width) of each without the padding.
    """
    places: dict[tuple[int, int], list[int]] = {}
    for place, (height, width) in enumerate(batch.get("image_sizes", ())):
        places.setdefault((-(-height // PAD_DIVISOR) * PAD_DIVISOR, -(-width // PAD_DIVISOR) * PAD_DIVISOR), []).append(place)
    if len(places) < 2:
        return model(batch)
    pixels = [kind.name for kind in kinds_in(batch).pixels]
    predictions: dict[int, Any] = {}
    for (rows, columns), members in places.items():
        part: dict[str, Any] = {
            name: value[members] if isinstance(value, Tensor) else [value[place] for place in members] for name, value in batch.items()
        }
        part |= {name: part[name][:, :, :rows, :columns] for name in pixels}
        predictions |= zip(members, model(part), strict=True)
    return [predictions[place] for place in range(len(predictions))]


class MixupCutmix:
    """Pairs of samples are mixed, and their labels with them.

    mixup blends two images (https://arxiv.org/abs/1710.09412), CutMix puts a box of one into the other
    (https://arxiv.org/abs/1905.04899). Every sample is paired with the one at the mirrored place of the batch; one share
    is drawn for a batch. ``label`` (B,) is joined by ``label_weights``, float32 (B, num_classes), with rows that sum to 1.

    Args:
        num_classes: number of classes.
        mixup_alpha: both parameters of the beta distribution of mixup's share; 0: no mixup.
        cutmix_alpha: the same for CutMix.
        probability: share of the batches that are mixed.
        switch_probability: share of these that CutMix mixes where both are on.
    """

    def __init__(
        self, *, num_classes: int, mixup_alpha: float, cutmix_alpha: float, probability: float = 1.0, switch_probability: float = 0.5
    ) -> None:
        for name, value in (("probability", probability), ("switch_probability", switch_probability)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"MixupCutmix.{name}: {value} given, a probability from 0 to 1 expected")
        assert mixup_alpha > 0 or cutmix_alpha > 0, "neither mixup nor CutMix is on"
        self._num_classes = num_classes
        self._mixup_alpha = mixup_alpha
        self._cutmix_alpha = cutmix_alpha
        self._probability = probability
        self._switch_probability = switch_probability

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return the batch, mixed."""
        weights = torch.nn.functional.one_hot(batch["label"], self._num_classes).float()
        if rng.random() >= self._probability:
            return {**batch, "label_weights": weights}
        field = kinds_in(batch).pixels[0].name
        if self._takes_cutmix(rng):
            images, share = self._cutmix(batch[field], rng)
        else:
            images, share = self._mixup(batch[field], rng)
        return {**batch, field: images, "label_weights": weights * share + weights.flip(0) * (1.0 - share)}

    def _takes_cutmix(self, rng: np.random.Generator) -> bool:
        if self._mixup_alpha > 0 and self._cutmix_alpha > 0:
            return bool(rng.random() < self._switch_probability)
        return self._cutmix_alpha > 0

    def _mixup(self, images: Tensor, rng: np.random.Generator) -> tuple[Tensor, float]:
        share = float(rng.beta(self._mixup_alpha, self._mixup_alpha))
        return torch.lerp(images.flip(0), images, share), share

    def _cutmix(self, images: Tensor, rng: np.random.Generator) -> tuple[Tensor, float]:
        height, width = images.shape[-2:]
        edge = float(np.sqrt(1.0 - rng.beta(self._cutmix_alpha, self._cutmix_alpha)))
        middle_y, middle_x = int(rng.integers(height)), int(rng.integers(width))
        half_y, half_x = int(height * edge) // 2, int(width * edge) // 2
        top, bottom = max(middle_y - half_y, 0), min(middle_y + half_y, height)
        left, right = max(middle_x - half_x, 0), min(middle_x + half_x, width)
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = images.flip(0)[..., top:bottom, left:right]
        # the border of the image may have cut the box
        return mixed, 1.0 - (bottom - top) * (right - left) / (height * width)


def build_mixing(cfg: AnyConfig, kinds: Sequence[str]) -> list[BatchTransform]:
    """Return mixup and CutMix as far as they are on, of a task that has them.

    Raises:
        ConfigError: the targets ``kinds`` are not of whole images.
    """
    mixup = cfg.TRAIN.MIXUP
    if not (mixup.MIXUP_ALPHA > 0 or mixup.CUTMIX_ALPHA > 0):
        return []
    if not are_whole_image(kinds):
        raise ConfigError(f"TRAIN.MIXUP: mixes labels of whole images; this model learns from {', '.join(kinds)}. Set both alphas to 0")
    return [
        MixupCutmix(
            num_classes=cfg.MODEL.NUM_CLASSES,
            mixup_alpha=mixup.MIXUP_ALPHA,
            cutmix_alpha=mixup.CUTMIX_ALPHA,
            probability=mixup.PROBABILITY,
            switch_probability=mixup.SWITCH_PROBABILITY,
        )
    ]
