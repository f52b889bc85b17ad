"""Random numbers that follow from what they are for: a seed, a purpose and a place, and nothing that happened before."""

from typing import Any

import numpy as np


def seed_sequence(seed: int, purpose: str, *numbers: int) -> np.random.SeedSequence:
    """Return the source of seeds for one purpose; other purposes and numbers give unrelated ones.

    Args:
        seed: the seed of the run, not negative.
        purpose: what the random numbers are for, e.g. ``"order"``.
        numbers: further coordinates, not negative, e.g. the epoch.
    """
    return np.random.SeedSequence(seed, spawn_key=(*purpose.encode(), *numbers))


class KeyedGenerators:
    """One random stream for every place, e.g. for every (epoch, position).

    Philox (https://doi.org/10.1145/2063384.2063405) turns a key and a counter into random bits. The key follows from
    the seed and the purpose, the place fills the upper words of the counter, so each place has 2**64 blocks of its
    own. Moving the counter costs an eighth of creating a seeded generator.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        self._bits = np.random.Philox(seed_sequence(seed, purpose))
        self._start: Any = self._bits.state
        self._generator = np.random.Generator(self._bits)

    def at(self, first: int, second: int, third: int = 0) -> np.random.Generator:
        """Return the generator at the beginning of the stream of a place. It is lent: the next call moves it elsewhere."""
        self._start["state"]["counter"][1:] = (third, second, first)
        self._bits.state = self._start
        return self._generator
