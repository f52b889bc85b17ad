"""Identities for a training, and pairs of images of others that test it."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from petlib.errors import ConfigError


def identity_lists(images: Mapping[str, Sequence[str]], *, unseen: int, seed: int) -> tuple[list[str], list[str]]:
    """Return the lines of two lists: ``image<TAB>identity`` for a training, and ``image<TAB>image<TAB>1`` or ``0`` of pairs for its test.

    The pairs are all those of one identity, and as many of two, in turn, so that each tenth of them has both.

    Args:
        images: the images of each identity.
        unseen: how many identities the test has and the training not; drawn at random.
        seed: of what is drawn.

    Raises:
        ConfigError: there would be fewer than two identities on a side, or no two images of one in the test.
    """
    names = sorted(images)
    if not 2 <= unseen <= len(names) - 2:
        raise ConfigError(f"identity_lists.unseen: {unseen} given, of {len(names)} identities at least 2 have to be on each side")
    rng = np.random.default_rng(seed)
    tested = sorted(names[place] for place in rng.permutation(len(names))[:unseen])
    same = [pair for name in tested for pair in combinations(sorted(images[name]), 2)]
    if not same:
        raise ConfigError("identity_lists.images: no identity of the test has two images, so that there is no pair of one person")
    different = []
    for _ in same:
        first, second = rng.choice(len(tested), 2, replace=False)
        different.append(tuple(str(rng.choice(sorted(images[tested[place]]))) for place in (first, second)))
    pairs = []
    for place, pair in zip(rng.permutation(len(same)), different, strict=True):
        pairs += ["\t".join((*same[place], "1")), "\t".join((*pair, "0"))]
    return [f"{image}\t{name}" for name in names if name not in tested for image in sorted(images[name])], pairs
