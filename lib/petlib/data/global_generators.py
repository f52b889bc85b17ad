"""The global random generators of python, numpy and torch, for code that draws from them instead of taking a generator."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_global_generators(seed: int) -> None:
    """Seed the CPU generators of python, numpy and torch with a number from 0 to 2**32 - 1."""
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


@contextmanager
def preserved_global_generators() -> Iterator[None]:
    """Give the CPU generators of python, numpy and torch their present states back at the end of the block."""
    states = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.default_generator.set_state(states[2])


def generator_of_global_state() -> np.random.Generator:
    """Return a generator whose seed is drawn from numpy's global one, for code that is called without a generator."""
    seed: Any = np.random.randint(0, 2**32, size=4, dtype=np.uint32)
    return np.random.default_rng(seed)
