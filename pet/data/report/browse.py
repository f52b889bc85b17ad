"""Samples as a model sees them, to be looked at."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pet.data.loading.build import build_dataset, build_sample_transforms
from pet.data.targets.dataset import Dataset
from pet.data.targets.finish import FinishTargets
from pet.data.targets.kinds import kinds_in
from pet.data.transforms.base import Compose
from pet.data.transforms.normalize import Normalize
from petlib.config import CfgNode, ConfigError
from petlib.data.protocols import Sample, SampleKey
from petlib.data.reader import SampleReader


class SampleViews:
    """Samples of a data set before and after the transforms, images that were normalised as before that.

    Args:
        dataset: the data set.
        transforms: what a training or a test does with its samples.
        seed: the seed of the run; the first epoch is that of a training that does not shuffle.
    """

    def __init__(self, *, dataset: Dataset, transforms: Compose, seed: int) -> None:
        self.dataset = dataset
        self._reader = SampleReader(dataset, transforms, seed=seed)
        self._normalize = [transform for transform in transforms.transforms if isinstance(transform, Normalize)]

    def __len__(self) -> int:
        return len(self.dataset)

    def original(self, index: int) -> Sample:
        """Return a sample as it is in the data set."""
        return self.dataset[index]

    def view(self, index: int, epoch: int) -> Sample:
        """Return a sample after the transforms, as an epoch gets it.

        Raises:
            DataError: the sample cannot be read, or a transform cannot be applied to it.
        """
        sample = self._reader.read([SampleKey(epoch, index, index)])[0]
        return {**sample, **{kind.name: _as_pixels(sample[kind.name], self._normalize) for kind in kinds_in(sample).pixels}}


def build_sample_views(cfg: CfgNode, split: str, kinds: Sequence[str]) -> SampleViews:
    """Return the samples of ``TRAIN.DATASETS`` or ``TEST.DATASETS`` with their transforms.

    Args:
        cfg: the config.
        split: ``train`` or ``test``.
        kinds: the kinds of targets that the model learns from.

    Raises:
        ConfigError: no data are named, or a transform is unknown or wrong.
        DataError: a data set cannot be used.
    """
    section: Any = cfg[split.upper()]
    if not section.DATASETS:
        raise ConfigError(f"{split.upper()}.DATASETS: nothing given; name the data to look at")
    dataset = build_dataset(cfg, section.DATASETS, kinds)
    transforms, _ = build_sample_transforms(section.TRANSFORMS, section.RESIZE.SCALES, dataset)
    return SampleViews(dataset=dataset, transforms=Compose([*transforms.transforms, FinishTargets(kinds)]), seed=cfg.MISC.SEED)


def _as_pixels(image: np.ndarray, normalize: Sequence[Normalize]) -> np.ndarray:
    """Return uint8 of an image that was normalised before the end of the transforms; others as they are."""
    if image.dtype == np.uint8 or not normalize:
        return image
    for transform in reversed(normalize):
        image = (image * transform.std + transform.mean) * 255
    pixels: np.ndarray = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return pixels
