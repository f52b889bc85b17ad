"""The two plain orders of a data set."""

import numpy as np

from petlib.data.permutation import SeededPermutation
from petlib.data.seeding import seed_sequence
from petlib.errors import DataError


def check_length(length: int) -> int:
    """Return ``length`` if there is anything to sample.

    Raises:
        DataError: the data set is empty.
    """
    if length < 1:
        raise DataError("the data set holds no samples; check its path and what filters it")
    return length


class SequentialSampler:
    """The order of the data set itself, in every epoch.

    Raises:
        DataError: the data set is empty.
    """

    def __init__(self, length: int) -> None:
        self._length = check_length(length)

    def __len__(self) -> int:
        return self._length

    def indices(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Return ``positions``."""
        return positions


class ShuffledSampler:
    """Every sample once in every epoch, in an order that follows from (seed, epoch); takes no memory.

    Raises:
        DataError: the data set is empty.
    """

    def __init__(self, length: int, seed: int) -> None:
        self._length = check_length(length)
        self._seed = seed
        self._permutations: dict[int, SeededPermutation] = {}

    def __len__(self) -> int:
        return self._length

    def indices(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Return the indices of the samples at ``positions`` of an epoch."""
        if epoch not in self._permutations:
            self._permutations = {epoch: SeededPermutation(self._length, seed=seed_sequence(self._seed, "order", epoch))}
        return self._permutations[epoch](positions)
