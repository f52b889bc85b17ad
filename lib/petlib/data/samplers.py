"""The plain orders of a data set, and the permutation that shuffles without memory."""

import math

import numpy as np

from petlib.data.seeding import seed_sequence
from petlib.errors import DataError

_ROUNDS = 12
_SHIFT = np.uint64(32)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_MAX_LENGTH = 2**62


class SeededPermutation:
    """A bijection of the numbers from 0 to ``length`` - 1, drawn by a seed. It starts at once at any length.

    A Feistel network whose halves are the digits of a number in a mixed base ``rows * columns`` just above the length
    (https://doi.org/10.1007/3-540-45760-7_9): in each round one digit is shifted by a keyed hash of the other one.
    A result beyond the length goes through the network again until it falls inside, which is seldom needed because
    fewer than ``sqrt(length) + 1`` numbers lie beyond.

    Args:
        length: how many numbers, from 0 to 2**62.
        seed: a number that is not negative, or a numpy ``SeedSequence``.
    """

    def __init__(self, length: int, *, seed: int | np.random.SeedSequence) -> None:
        assert 0 <= length <= _MAX_LENGTH, f"a permutation of {length} numbers"
        self.length = length
        rows = math.isqrt(max(length - 1, 0)) + 1
        self._rows, self._columns = np.uint64(rows), np.uint64(max(1, -(-length // rows)))
        sequence = seed if isinstance(seed, np.random.SeedSequence) else seed_sequence(seed, "permutation")
        self._keys = sequence.generate_state(_ROUNDS, np.uint64)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, position: int) -> int:
        if not -self.length <= position < self.length:
            raise IndexError(f"position {position} of a permutation of {self.length} numbers")
        return int(self(np.array([position % self.length]))[0])

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Return the numbers (int64) at ``positions`` (whole numbers from 0 to ``length`` - 1, any shape)."""
        values = self._shuffle(np.asarray(positions).astype(np.uint64).ravel())
        beyond = np.flatnonzero(values >= self.length)
        while beyond.size:
            values[beyond] = self._shuffle(values[beyond])
            beyond = beyond[values[beyond] >= self.length]
        return values.astype(np.int64).reshape(np.shape(positions))

    def _shuffle(self, values: np.ndarray) -> np.ndarray:
        row, column = np.divmod(values, self._columns)
        for even, odd in self._keys.reshape(-1, 2):
            row = _shift(row, self._rows, column + even)
            column = _shift(column, self._columns, row + odd)
        shuffled: np.ndarray = row * self._columns + column
        return shuffled


def _shift(digit: np.ndarray, base: np.uint64, keyed: np.ndarray) -> np.ndarray:
    """Add a hash of ``keyed`` to ``digit``, modulo ``base``, which is below 2**32."""
    mixed = keyed * _GOLDEN
    for _ in range(2):
        mixed ^= mixed >> _SHIFT
        mixed *= _MULTIPLIER
    mixed >>= _SHIFT
    mixed *= base
    mixed >>= _SHIFT
    mixed += digit
    mixed -= base * (mixed >= base)
    return mixed


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
