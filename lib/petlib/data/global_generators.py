"""The global random generators of python, numpy and torch, for code that draws from them instead of taking a generator."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

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
