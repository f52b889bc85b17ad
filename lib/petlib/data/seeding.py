"""Random numbers: streams that follow from a seed, a purpose and a place, and the global generators of python, numpy and torch."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


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


def seed_everything(seed: int) -> None:
    """Seed the global generators of python, numpy and torch (CPU and all GPUs)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """Return the states of the generators of python, numpy, torch, and of all CUDA devices that this process sees."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached_gauss = np.random.get_state()
    return {
        "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
        "numpy": {
            "name": str(name),
            "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached_gauss": float(cached_gauss),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put the generators back into a state that :func:`random_state` returned, maybe on a machine with other GPUs."""
    python, numpy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    keys = numpy["keys"].numpy().astype(np.uint32)
    np.random.set_state((numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["cached_gauss"]))
    torch.set_rng_state(state["torch"])
    devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for device, device_state in enumerate(state["cuda"][:devices]):
        torch.cuda.set_rng_state(device_state, device)


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Return a context that leaves the global generators as it found them, for an evaluation in the middle of a training."""
    state = random_state()
    try:
        yield
    finally:
        restore_random_state(state)
