"""Pairs of images that are nearly the same, found without a comparison of all with all."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from pet.data.targets.observation import Observation

MOST_DIFFERENT = 6
"""Bits, of 64, that may differ between images that are nearly the same."""

LEAST_CORRELATION = 0.95
"""Of the thumbnails of such images."""

PARTS = MOST_DIFFERENT + 2
"""Of so many parts of two such hashes two at least are the same in both."""

MOST_NEIGHBOURS = 128
"""Images with two parts in common that each is compared with; beyond that pairs may be missed."""

THUMBNAIL_SIZE = 256
NONE = np.iinfo(np.int64).max


class HashedImages(NamedTuple):
    """The N images of a data set that have a hash.

    Attributes:
        bits: uint64 (N,).
        thumbnails: uint8 (N, 256).
        indices: their places in the data set.
        files: their files.
        groups: what each was cut from, or the sequence that it is a frame of; empty: not known.
    """

    bits: np.ndarray
    thumbnails: np.ndarray
    indices: Sequence[int]
    files: Sequence[str]
    groups: Sequence[str]


class NearPairs(NamedTuple):
    """For each image, by its place among all that were compared, the nearest earlier one, or -1, and how many bits differ.

    Attributes:
        own: int64 (N,), the nearest earlier one of the same side; ``own_bits`` (N,).
        other: int64 (N,), the nearest one of the first side, for images of the second; ``other_bits`` (N,).
    """

    own: np.ndarray
    own_bits: np.ndarray
    other: np.ndarray
    other_bits: np.ndarray


def collect_hashes(seen: Sequence[Observation]) -> HashedImages:
    """Return the hashes of samples."""
    hashed = [(one, one.hashed) for one in seen if one.hashed is not None]
    return HashedImages(
        np.array([own.bits for _, own in hashed], np.uint64),
        np.array([own.thumbnail for _, own in hashed], np.uint8).reshape(-1, THUMBNAIL_SIZE),
        [one.index for one, _ in hashed],
        [one.file for one, _ in hashed],
        [one.group or one.sequence for one, _ in hashed],
    )


def find_near_pairs(bits: np.ndarray, thumbnails: np.ndarray, sides: np.ndarray, groups: np.ndarray) -> NearPairs:
    """Return the nearest pairs: hashes that differ in few bits have two of eight parts in common.

    So each image is compared with those alone that have the same two parts, whichever these are.

    Args:
        bits: uint64 (N,).
        thumbnails: uint8 (N, 256).
        sides: bool (N,): it belongs to the second side; all of the first come before.
        groups: int64 (N,): images of one group are no pair within a side; -1: it is in none.
    """
    count = len(bits)
    best = {crosses: np.full(count, NONE) for crosses in (False, True)}
    masks = [sum(1 << int(bit) for bit in part) for part in np.array_split(np.arange(64), PARTS)]
    for one, other in combinations(masks, 2):
        for pairs in _pairs_with_equal(bits & np.uint64(one | other), bits):
            _keep_nearest(best, _near(bits, thumbnails, pairs), sides, groups)
    return NearPairs(*_unpacked(best[False], count), *_unpacked(best[True], count))


def _pairs_with_equal(shared: np.ndarray, bits: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the pairs (2, M), the earlier places first, whose shared parts are equal."""
    # equal parts next to each other, and of these equal hashes
    order = np.lexsort((bits, shared))
    in_order = shared[order]
    places = np.arange(len(order))
    for step in range(1, MOST_NEIGHBOURS + 1):
        places = places[places + step < len(order)]
        places = places[in_order[places] == in_order[places + step]]
        if not len(places):
            return
        yield np.sort(np.stack([order[places], order[places + step]]), axis=0)


def _near(bits: np.ndarray, thumbnails: np.ndarray, pair: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the earlier and the later places of the pairs (2, M) that are nearly the same, and how many bits differ."""
    different = count_bits(bits[pair[0]] ^ bits[pair[1]])
    near = different <= MOST_DIFFERENT
    (first, second), different = pair[:, near], different[near]
    same = _correlations(thumbnails[first], thumbnails[second]) >= LEAST_CORRELATION
    return first[same], second[same], different[same]


def _keep_nearest(best: dict[bool, np.ndarray], near: tuple[np.ndarray, ...], sides: np.ndarray, groups: np.ndarray) -> None:
    first, second, different = near
    crossing = sides[first] != sides[second]
    in_group = (groups[first] == groups[second]) & (groups[first] >= 0)
    # of equally near ones the first counts
    rank = different.astype(np.int64) * len(sides) + first
    for crosses, chosen in ((True, crossing), (False, ~crossing & ~in_group)):
        np.minimum.at(best[crosses], second[chosen], rank[chosen])


def _unpacked(best: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    found = best != NONE
    return np.where(found, best % max(count, 1), -1), np.where(found, best // max(count, 1), 0)


def count_bits(values: np.ndarray) -> np.ndarray:
    """Return the number of ones in each of uint64 (N,)."""
    quarters = np.ascontiguousarray(values).view(np.uint16).reshape(-1, 4)
    return np.asarray(ONES[quarters].sum(axis=1))


def _correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation of each of M thumbnails with another, float32 (M,)."""
    one, other = (part - part.mean(axis=1, keepdims=True) for part in (first.astype(np.float32), second.astype(np.float32)))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / np.maximum(lengths, 1e-6))


ONES = np.unpackbits(np.arange(2**16, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1).sum(axis=1).astype(np.uint8)
"""The number of ones in each number of 16 bits."""
