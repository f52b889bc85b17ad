"""Parts of data sets under AI Earth's names; the choice is seeded, and the same in every process."""

from typing import TypeVar

from pet.compat.aiearth.datasets.non_geo import NonGeoDataset
from pet.data.loading import splits

Data = TypeVar("Data", bound=NonGeoDataset)


class _Sampler:
    """Splits and samples; see its subclasses."""

    randomly: bool

    @classmethod
    def split_by_percent(cls, dataset: Data, percent: float, seed: int = 0) -> tuple[Data, Data]:
        """Return a share of a data set, 0 to 1, and the rest.

        Raises:
            ConfigError: the share is out of range, or one side would be empty.
        """
        first, rest = splits.split_by_percent(dataset.all_samples, percent, randomly=cls.randomly, seed=seed)
        return dataset.part(first), dataset.part(rest)

    @classmethod
    def split_by_count(cls, dataset: Data, count: int, seed: int = 0) -> tuple[Data, Data]:
        """Return ``count`` samples of a data set, and the rest.

        Raises:
            ConfigError: one side would be empty.
        """
        first, rest = splits.split_by_count(dataset.all_samples, count, randomly=cls.randomly, seed=seed)
        return dataset.part(first), dataset.part(rest)

    @classmethod
    def sample_by_percent(cls, dataset: Data, percent: float, seed: int = 0) -> Data:
        """Return a share of a data set, 0 to 1.

        Raises:
            ConfigError: the share is out of range, or there would be no sample.
        """
        return dataset.part(splits.sample_by_percent(dataset.all_samples, percent, randomly=cls.randomly, seed=seed))

    @classmethod
    def sample_by_count(cls, dataset: Data, count: int, seed: int = 0) -> Data:
        """Return ``count`` samples of a data set.

        Raises:
            ConfigError: there are not as many.
        """
        return dataset.part(splits.sample_by_count(dataset.all_samples, count, randomly=cls.randomly, seed=seed))


class RandomNonGeoDatasetSampler(_Sampler):
    """Chooses at random; another ``seed`` gives another choice."""

    randomly = True


class SequentialNonGeoDatasetSampler(_Sampler):
    """Takes the first samples."""

    randomly = False
