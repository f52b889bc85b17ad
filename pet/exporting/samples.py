"""Images of the test data, as an exported network takes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from pet.data.loading.build import TEST_TRANSFORMS, build_sample_transforms
from pet.data.targets.kinds import kinds_in
from pet.data.transforms.normalize import Normalize, as_eight_bits
from pet.typed import PetConfig
from petlib.config import ConfigError
from petlib.data.protocols import Dataset, Sample, SampleKey
from petlib.data.reader import SampleReader
from petlib.errors import DataError


@dataclass(frozen=True)
class TestImages:
    """What was read.

    Attributes:
        samples: for each sample its images, one or two, (H, W, C), or its clip, (T, H, W, C), as they are before normalisation.
        note: where they come from, or why there are none.
    """

    __test__ = False  # pytest would take it for a test

    samples: list[tuple[np.ndarray, ...]]
    note: str

    @property
    def normalised(self) -> bool:
        """Whether the transforms have normalised them already."""
        return any(image.dtype.kind == "f" for sample in self.samples for image in sample)

    def in_range(self, normalize: Normalize) -> list[tuple[np.ndarray, ...]]:
        """Return the samples, from 0 to 255 where ``normalize`` has no other maximum."""
        return self.samples if normalize.maximum else [tuple(map(as_eight_bits, sample)) for sample in self.samples]


def read_test_images(cfg: PetConfig, build: Callable[[], Dataset]) -> TestImages:
    """Return the images of some samples of ``TEST.DATASETS``, after ``TEST.TRANSFORMS`` without the normalisation at their end.

    Args:
        cfg: the config; ``EXPORT.SAMPLES`` says how many, which lie evenly over the data.
        build: gives the data set, whose images transforms may move.

    Raises:
        ConfigError: a transform is wrong, or normalises elsewhere than at the end.
    """
    if not cfg.EXPORT.SAMPLES or not cfg.TEST.DATASETS:
        return TestImages([], "random images of a fixed seed; EXPORT.SAMPLES and TEST.DATASETS ask for no others")
    try:
        return read_images(cfg, build(), names=list(cfg.TEST.DATASETS), count=cfg.EXPORT.SAMPLES)
    except DataError as error:
        reason = str(error).partition("\n")[0]
        return TestImages([], f"random images of a fixed seed, because TEST.DATASETS cannot be read: {reason}")


def read_images(cfg: PetConfig, dataset: Dataset, *, names: Sequence[str], count: int) -> TestImages:
    """Return the images of ``count`` samples of a data set as :func:`read_test_images` does.

    Args:
        cfg: the config.
        dataset: the data set.
        names: of it, for the note.
        count: how many samples, which lie evenly over the data.

    Raises:
        ConfigError: a transform is wrong, or normalises elsewhere than at the end.
        DataError: the data cannot be read.
    """
    read = read_some(cfg, dataset, count)
    samples = [tuple(sample[kind.name] for kind in kinds_in(sample).pixels) for sample in read]
    images = TestImages(samples, f"{len(read)} samples of {', '.join(names)} and random images of a fixed seed")
    if images.normalised and cfg.EXPORT.NORMALIZE:
        raise ConfigError(
            "EXPORT.NORMALIZE: True, but TEST.TRANSFORMS give normalised images, with Normalize not at their end; move it there, or "
            "set EXPORT.NORMALIZE to False"
        )
    return images


def read_some(cfg: PetConfig, dataset: Dataset, count: int) -> Sequence[Sample]:
    """Return ``count`` samples of a data set, which lie evenly over it, after ``TEST.TRANSFORMS`` without the normalisation at their end.

    Raises:
        ConfigError: a transform is wrong.
        DataError: the data cannot be read.
    """
    transforms, _ = build_sample_transforms(cfg.TEST.TRANSFORMS, cfg.TEST.RESIZE.SCALES, dataset, place=TEST_TRANSFORMS)
    places = [round(place) for place in np.linspace(0, len(dataset) - 1, min(count, len(dataset)))]
    return SampleReader(dataset, transforms, seed=cfg.MISC.SEED).read([SampleKey(0, place, place) for place in places])


def as_inputs(
    images: Sequence[np.ndarray], names: Sequence[str], *, size: tuple[int, int] | None, batch: int, finish: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Return a sample as the inputs of a network, float32 (B, C, H, W), of a clip (B, C, T, H, W).

    Args:
        images: of the sample, (H, W, C), or its clip, (T, H, W, C).
        names: of the inputs; one more than images where the last one is the size without padding, int64 (2,): an image is padded then
            instead of distorted, after it was made smaller where it does not fit.
        size: height and width that they are resized to; None: they stay as they are.
        batch: how often the batch has the sample.
        finish: applied to (1, C, H, W), e.g. normalisation.
    """
    if size is not None and len(names) > len(images):
        (image,) = images
        inner = fitting_size((image.shape[0], image.shape[1]), size)
        filled = pad_to(_resized(image, inner), size)
        inputs = as_inputs([filled], names[:1], size=size, batch=batch, finish=finish)
        return {**inputs, names[1]: torch.tensor(inner)}
    inputs = {}
    for name, image in zip(names, images, strict=True):
        pixels = image if size is None or image.shape[-3:-1] == size else _resized(image, size)
        tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, 0), dtype=np.float32))[None]
        inputs[name] = finish(tensor).expand(batch, *tensor.shape[1:]).contiguous()
    return inputs


def fitting_size(image: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of an image in a canvas: its own, or with the same aspect ratio smaller ones."""
    factor = min(canvas[0] / image[0], canvas[1] / image[1], 1.0)
    return max(round(image[0] * factor), 1), max(round(image[1] * factor), 1)


def pad_to(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image (H, W, ...) with zeros on the right and at the bottom."""
    missing = [(0, size[0] - image.shape[0]), (0, size[1] - image.shape[1]), *[(0, 0)] * (image.ndim - 2)]
    return np.pad(image, missing)


def _resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return images (..., H, W, C) of another size."""
    *before, height, width, channels = images.shape
    single = images.reshape(-1, height, width, channels)
    resized = [cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR).reshape(*size, channels) for image in single]
    return np.stack(resized).reshape(*before, *size, channels)
