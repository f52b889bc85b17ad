"""Decoded images on the training device, from which batches are cut there (``DATA.CACHE: device``).

The images are read once, when a training begins, by the loader's workers; what draws no random numbers at the beginning of the
transforms (a resize) is done then. From then on the samples that the loader reads have no pixels: each has its place among the
images and the numbers that its transforms drew, from the generator that every sample has. So the batches are those of a run
without a cache, in whatever order, process or run they are made.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pet.data.files.image_cache import free_memory
from pet.data.targets.kinds import are_whole_image, kinds_in
from pet.data.transforms.base import Compose
from pet.data.transforms.geometry import CenterCrop, Resize
from pet.data.transforms.on_device import CHANNELS_OF_COLOURS, OnDevice, on_device
from pet.structures.moves import Size
from pet.typed import PetConfig
from petlib.data.loading import LoadingOptions, start_loading
from petlib.data.protocols import Batch, Dataset, Sample, SampleKey
from petlib.data.reader import SampleReader
from petlib.errors import ConfigError, portable_error

logger = logging.getLogger(__name__)

FIELD = "image"
DRAWN = "drawn"
"""The field of a sample, and of a batch, with the place of its image and the numbers that its transforms drew, float64."""
READ_AT_ONCE = 64
WITHOUT_NUMBERS = (Resize, CenterCrop)
"""Transforms that change an image in the same way each time."""
WAY_OUT = "; set it to memory or disk"


class LoadedSamples:
    """The samples of a data set without their pixels, which lie on the device.

    Args:
        samples: fields and ``meta`` of each; or the error that reading it raised, which is raised when it is asked for.
        file_of: gives the file of a sample.
    """

    def __init__(self, samples: Sequence[Sample | Exception], file_of: Callable[[int], str]) -> None:
        self._samples = samples
        self.file_of = file_of

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        sample = self._samples[index]
        if isinstance(sample, Exception):
            raise sample
        return sample


class DrawNumbers:
    """The transforms of a sample whose image is on the device: they draw their numbers and do nothing yet.

    Args:
        steps: the transforms.
        size: (height, width) of the images.
    """

    def __init__(self, steps: Sequence[OnDevice], size: Size) -> None:
        self._steps = []
        for step in steps:
            self._steps.append((step, size))
            size = step.size_after(size)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with what was drawn."""
        numbers = [float(sample["meta"]["index"])]
        for step, size in self._steps:
            numbers += step.draw(size, rng)
        return {**sample, DRAWN: np.array(numbers)}


class CutImages:
    """Batches get their images: those of their samples, after the transforms, uint8 (B, H, W, C).

    Args:
        images: uint8 (N, H, W, C), on the device.
        steps: the transforms.
    """

    def __init__(self, images: Tensor, steps: Sequence[OnDevice]) -> None:
        self._images = images
        rng = np.random.default_rng(0)
        self._steps, size = [], (images.shape[1], images.shape[2])
        for step in steps:
            self._steps.append((step, len(step.draw(size, rng))))
            size = step.size_after(size)

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return the batch with its images in place of what was drawn."""
        fields = dict(batch)
        drawn: Tensor = fields.pop(DRAWN)
        images, place = self._images[drawn[:, 0].long()], 1
        for step, count in self._steps:
            images = step.apply(images, drawn[:, place : place + count])
            place += count
        return {FIELD: images, **fields}


class LoadedImages(NamedTuple):
    """What a loader takes in place of a data set and its transforms.

    Attributes:
        dataset: its samples without pixels.
        transforms: draw the numbers of a sample.
        cut: makes the images of a batch, before all else that is done to batches.
    """

    dataset: LoadedSamples
    transforms: DrawNumbers
    cut: CutImages


def check_cache(cfg: PetConfig, kinds: Sequence[str]) -> None:
    """Check whether the images of these kinds of targets may lie on the device, where they are to.

    Raises:
        ConfigError: the targets say where things are.
    """
    if cfg.DATA.CACHE == "device" and not are_whole_image(kinds):
        raise ConfigError(
            "open_cache.kind: device given, which crops and mirrors images alone, on the device; this model learns from "
            f"{', '.join(kinds)}, whose places would have to follow. Set it to memory or disk"
        )


def build_loaded_images(
    cfg: PetConfig, dataset: Dataset, transforms: Compose, device: torch.device, *, place: str, worker_init: Callable[[], None]
) -> LoadedImages:
    """Return what a training's loader takes with ``DATA.CACHE: device``; see :func:`load_images`."""
    return load_images(
        dataset,
        transforms,
        device,
        place=place,
        skip=cfg.DATA.ON_ERROR == "skip",
        spare=cfg.DATA.CACHE_SPARE / 100,
        options=LoadingOptions(cfg.TRAIN.NUM_WORKERS, cfg.TRAIN.PREFETCH, False, worker_init, cfg.MISC.LOADER_TIMEOUT),
    )


def load_images(
    dataset: Dataset, transforms: Compose, device: torch.device, *, place: str, skip: bool, spare: float, options: LoadingOptions
) -> LoadedImages:
    """Read all images of a data set onto the device. Every process calls it for its own device.

    Args:
        dataset: samples with an ``image`` uint8 (H, W, C).
        transforms: what is done to a sample; from the first one on that draws numbers, it is done on the device.
        device: where the images go.
        place: the key of the transforms, for messages.
        skip: a sample that cannot be read raises its error when it is asked for; else at once.
        spare: share of the memory of the device, 0 to 1, that stays free.
        options: of the workers that read.

    Raises:
        ConfigError: a transform has no form for batches, the images are not of one size and type, or there are too many.
        UserError: what the data set raises about a sample, without ``skip``.
    """
    first = list(takewhile(lambda transform: type(transform) in WITHOUT_NUMBERS, transforms.transforms))
    steps: list[OnDevice] = []
    for number, transform in enumerate(transforms.transforms[len(first) :], len(first)):
        try:
            steps.append(on_device(transform))
        except ConfigError as error:
            raise ConfigError(f"{place}[{number}]: {error}. open_cache.kind is device{WAY_OUT}") from error
    reader = SampleReader(dataset, Compose(first), seed=0)
    images, samples = _read_all(reader, device, skip=skip, spare=spare, options=options)
    if images.shape[3] != CHANNELS_OF_COLOURS and any(step.needs_colours for step in steps):
        raise ConfigError(
            f"{place}: these change colours, three channels; the images have {images.shape[3]}. open_cache.kind is device{WAY_OUT}"
        )
    logger.info("%d images, %.1f MB, lie on %s (open_cache.kind)", len(images), images.nbytes / 1e6, device)
    size = images.shape[1], images.shape[2]
    return LoadedImages(LoadedSamples(samples, reader.known_file_of), DrawNumbers(steps, size), CutImages(images, steps))


def _read_all(
    reader: SampleReader, device: torch.device, *, skip: bool, spare: float, options: LoadingOptions
) -> tuple[Tensor, list[Sample | Exception]]:
    """Return the images on the device, and the samples without them; the image of one that cannot be read is black."""
    # the first one alone: it says whether all have room
    starts = [0, *range(1, len(reader), READ_AT_ONCE), len(reader)]
    requests = [range(start, stop) for start, stop in pairwise(starts)]
    batches = start_loading(_ReadSome(reader, skip=skip), requests, options, locate=reader.known_file_of)
    images: Tensor | None = None
    samples: list[Sample | Exception] = []
    try:
        for batch in batches:
            found = batch.fields["meta"]
            places = [place for place, sample in enumerate(found) if not isinstance(sample, Exception)]
            for place in places:
                images = _room_for(len(reader), found[place][FIELD], device, spare) if images is None else images
                _check_size(images, found[place][FIELD], found[place]["meta"])
            if images is not None and places:
                pixels = np.zeros((len(found), *images.shape[1:]), np.uint8)
                pixels[places] = [found[place].pop(FIELD) for place in places]
                images[len(samples) : len(samples) + len(found)] = torch.from_numpy(pixels).to(device)
            samples += found
    finally:
        batches.close()
    if images is None:
        raise next(sample for sample in samples if isinstance(sample, Exception))
    return images, samples


class _ReadSome:
    """Reads some samples in a worker, with their errors where they are skipped."""

    def __init__(self, reader: SampleReader, *, skip: bool) -> None:
        self._reader = reader
        self._skip = skip

    def __call__(self, indices: range) -> Batch:
        return {"meta": list(self._read(indices))}

    def _read(self, indices: range) -> Iterator[Sample | Exception]:
        for index in indices:
            try:
                (sample,) = self._reader.read([SampleKey(0, index, index)])
            except Exception as error:
                if not self._skip or isinstance(error, ConfigError | MemoryError):
                    raise
                yield portable_error(error)
                continue
            pixels = [kind.name for kind in kinds_in(sample).pixels]
            if pixels != [FIELD] or sample[FIELD].dtype != np.uint8:
                raise ConfigError(
                    f"open_cache.kind: device keeps one image of uint8 of each sample; these have "
                    f"{', '.join(f'{name} of {sample[name].dtype}' for name in pixels) or 'none'}{WAY_OUT}"
                )
            yield {**sample, FIELD: np.ascontiguousarray(sample[FIELD])}


def _room_for(count: int, pixels: np.ndarray, device: torch.device, spare: float) -> Tensor:
    if device.type == "cuda":
        free, whole = torch.cuda.mem_get_info(device)
    else:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        free = int(free_memory() * whole)
    if count * pixels.nbytes > free - spare * whole:
        raise ConfigError(
            f"open_cache.kind: device given, but {count} images of {pixels.nbytes} bytes are {count * pixels.nbytes / 1e9:.1f} GB, and "
            f"{device} has {free / 1e9:.1f} GB, of which {spare:.0%} of {whole / 1e9:.1f} stay free (open_cache.spare){WAY_OUT}, or begin "
            "the transforms with a Resize to [height, width]"
        )
    return torch.zeros((count, *pixels.shape), dtype=torch.uint8, device=device)


def _check_size(images: Tensor, pixels: np.ndarray, meta: dict[str, object]) -> None:
    if images.shape[1:] != pixels.shape:
        sizes = ["x".join(map(str, shape)) for shape in (pixels.shape, tuple(images.shape[1:]))]
        raise ConfigError(
            f"open_cache.kind: device keeps images of one size; {meta.get('file', 'a sample')} has {sizes[0]} (height, width, channels), "
            f"those before it {sizes[1]}: begin the transforms with a Resize to [height, width], or choose memory or disk"
        )
