"""Samples as a model sees them, to be looked at."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pet.data.loading.build import as_it_is, build_dataset, build_sample_transforms
from pet.data.loading.windows import cut_into_windows
from pet.data.report.trained_names import find_trained_names
from pet.data.targets.dataset import Dataset
from pet.data.targets.finish import FinishTargets
from pet.data.targets.kinds import kinds_in
from pet.data.targets.names import NO_NAMES
from pet.data.targets.pixel_types import EIGHT_BITS, greatest_value
from pet.data.transforms.base import Compose
from pet.data.transforms.normalize import Normalize
from pet.typed import PetConfig
from petlib.config import ConfigError
from petlib.data.protocols import Sample, SampleKey
from petlib.data.reader import SampleReader


class SampleViews:
    """Samples of a data set before and after the transforms, in the range of values that the network is given.

    Images that were normalised are as before that. Of more than 8 bits, black is 0 and white what ``Normalize`` makes 1; where that has a
    ``maximum`` of 1, so that mean and std are in the unit of the pixels, black and white are two standard deviations from the mean.

    Args:
        dataset: the data set.
        transforms: what a training or a test does with its samples.
        normalize: the one at the end of the transforms; None: there is none.
        seed: the seed of the run; the first epoch is that of a training that does not shuffle.
    """

    def __init__(self, *, dataset: Dataset, transforms: Compose, normalize: Normalize | None, seed: int) -> None:
        self.dataset = dataset
        self._trailing = normalize
        self._reader = SampleReader(dataset, transforms, seed=seed)
        self._normalize = [transform for transform in transforms.transforms if isinstance(transform, Normalize)]

    def __len__(self) -> int:
        return len(self.dataset)

    def original(self, index: int) -> Sample:
        """Return a sample as it is in the data set."""
        return self._shown(self.dataset[index], [])

    def view(self, index: int, epoch: int) -> Sample:
        """Return a sample after the transforms, as an epoch gets it.

        Raises:
            DataError: the sample cannot be read, or a transform cannot be applied to it.
        """
        sample = self._reader.read([SampleKey(epoch, index, index)])[0]
        return self._shown(sample, self._normalize)

    def _shown(self, sample: Sample, normalized_by: Sequence[Normalize]) -> Sample:
        """Return the sample with images of uint8."""
        normalize = self._trailing or (self._normalize[-1] if self._normalize else None)
        # videos that are not read yet are shown as they are
        coloured = [kind.name for kind in kinds_in(sample).pixels if kind.has_colours]
        images = {name: sample[name] for name in coloured if isinstance(sample[name], np.ndarray)}
        return {**sample, **{name: _as_pixels(image, normalized_by, normalize) for name, image in images.items()}}


def build_sample_views(
    cfg: PetConfig, split: str, kinds: Sequence[str], *, prepare: Callable[[Dataset], Dataset] = as_it_is
) -> SampleViews:
    """Return the samples of ``TRAIN.DATASETS`` or ``TEST.DATASETS`` with their transforms, numbered as the model is.

    Args:
        cfg: the config.
        split: ``train`` or ``test``.
        kinds: the kinds of targets that the model learns from.
        prepare: makes of the data set what samples are taken from.

    Raises:
        ConfigError: no data are named, or a transform is unknown or wrong.
        DataError: a data set cannot be used.
    """
    section: Any = cfg[split.upper()]
    if not section.DATASETS:
        raise ConfigError(f"{split.upper()}.DATASETS: nothing given; name the data to look at")
    names = find_trained_names(cfg, kinds) if split == "test" else NO_NAMES
    dataset = prepare(build_dataset(cfg, section.DATASETS, kinds, names=names))
    dataset = cut_into_windows(cfg, dataset) if split == "train" else dataset
    transforms, normalize = build_sample_transforms(section.TRANSFORMS, section.RESIZE.SCALES, dataset, place=f"{split.upper()}.TRANSFORMS")
    finishing = Compose([*transforms.transforms, FinishTargets(kinds)])
    return SampleViews(dataset=dataset, transforms=finishing, normalize=normalize, seed=cfg.MISC.SEED)


def _as_pixels(image: np.ndarray, normalized_by: Sequence[Normalize], normalize: Normalize | None) -> np.ndarray:
    """Return uint8 of an image that was normalised before the end of the transforms, or will be there by ``normalize``."""
    if image.dtype == np.uint8:
        return image
    if normalized_by:
        for transform in reversed(normalized_by):
            image = (image * transform.std + transform.mean) * EIGHT_BITS
    elif normalize is not None and normalize.maximum == 1.0:
        image = ((image - np.array(normalize.mean)) / np.array(normalize.std) + 2) / 4 * EIGHT_BITS
    else:
        # floats stay as they are where nothing normalises them
        own = greatest_value(image.dtype.name) if normalize is not None or image.dtype == np.uint16 else 1.0
        image = image / ((normalize.maximum if normalize is not None else None) or own) * EIGHT_BITS
    pixels: np.ndarray = np.clip(np.rint(np.nan_to_num(image)), 0, 255).astype(np.uint8)
    return pixels
