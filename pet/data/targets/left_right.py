"""Left and right: which names of keypoints and parts change places in a mirrored image. Imports no torch."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

Key = tuple[str, ...]
"""The words of a name, in lower case."""

Pair = tuple[str | int, str | int]
"""Two keypoints that change places, by name or by place from 0."""

WORDS = {"left": "right", "near": "off", "左": "右", "clockwise": "counterclockwise"}
"""A horse's left side is its near side, the right one its off side. What turns clockwise turns the other way in a mirror."""
SIDES_OF_CLASSES = ("left", "right", "左", "右", "clockwise", "counterclockwise", "anticlockwise")
"""Words that say in the name of a class that a mirror changes it."""

LETTERS = {"l": "r"}
OTHER_WORD = {**WORDS, **{second: first for first, second in WORDS.items()}}
OTHER_LETTER = {**LETTERS, **{second: first for first, second in LETTERS.items()}}

SIDES_AND_MIDDLE = {"l", "r", "m", "c"}
"""Left, right, middle, centre. Where other letters are in the same place of names, letters count, and say no side."""

MOST_NAMES = 10
"""Names that a line lists."""

# a capital begins a word, and so does a change between letters and digits; letters of other scripts are words of their own
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_]")


def swap_from_names(names: Sequence[str]) -> tuple[int, ...]:
    """Return for each name the place of the one on the other side: ``left_eye`` and ``right_eye`` swap, ``nose`` stays.

    Sides are the words left and right, near and off, 左 and 右, and the letters L and R, in front of a name or behind it, with any
    separator or none: ``leftEye``, ``lefteye``, ``eye_l``, ``eyeL``, ``LEye``. Two names are a pair where one becomes the other when its
    sides are exchanged, and neither could belong to a third one; all others stay.
    """
    keys = [_key(name) for name in names]
    counts = Counter(keys)
    places = {key: place for place, key in enumerate(keys) if key and counts[key] == 1}
    lettered = _other_letters(keys)
    partners = [{places[other] for other in _mirrored(key, lettered) if other in places} - {place} for place, key in enumerate(keys)]
    swap = list(range(len(names)))
    for place, key in enumerate(keys):
        if key in places and len(partners[place]) == 1 and partners[other := next(iter(partners[place]))] == {place}:
            swap[place] = other
    return tuple(swap)


def swap_of_classes(names: Sequence[str]) -> tuple[int, ...]:
    """Return for each class the one that its mirrored image has: ``pushing from left to right`` and ``pushing from right to left`` swap.

    Raises:
        ConfigError: the name of a class says a side, and no class is its partner.
    """
    swap = swap_from_names(names)
    alone = [name for place, name in enumerate(names) if swap[place] == place and set(_key(name)) & set(SIDES_OF_CLASSES)]
    if alone:
        listed = ", ".join(map(repr, alone[:MOST_NAMES])) + (", ..." if len(alone) > MOST_NAMES else "")
        raise ConfigError(f"the mirror image of the classes {listed} is no class of the data")
    return swap


def swap_from_pairs(names: Sequence[str], pairs: Sequence[Pair]) -> tuple[int, ...]:
    """Return for each name the place of its partner in a list of pairs; those that no pair has stay.

    Raises:
        ConfigError: ``flip_pairs`` names something that is no keypoint, or one of them twice.
    """
    swap = list(range(len(names)))
    known = [name.strip() for name in names]
    seen: set[int] = set()
    for pair in pairs:
        first, second = (_place(known, item) for item in pair)
        twice = first if first in seen else second if second in seen or first == second else None
        if twice is not None:
            raise ConfigError(f"flip_pairs: the keypoint {names[twice]!r} is given twice; each has one partner")
        seen |= {first, second}
        swap[first], swap[second] = second, first
    return tuple(swap)


def describe_swap(names: Sequence[str], swap: Sequence[int]) -> str:
    """Return in one line which pairs are exchanged and which names stay."""
    pairs = [f"{names[place]} - {names[other]}" for place, other in enumerate(swap) if place < other]
    stay = [names[place] for place, other in enumerate(swap) if place == other]
    exchanged = f"{len(pairs)} {'pair is' if len(pairs) == 1 else 'pairs are'} exchanged{_listed(pairs)}"
    return f"{exchanged}, {len(stay)} {'stays' if len(stay) == 1 else 'stay'}{_listed(stay)}"


def _listed(names: Sequence[str]) -> str:
    return f" ({', '.join(names[:MOST_NAMES])}{', ...' if len(names) > MOST_NAMES else ''})" if names else ""


def _place(names: Sequence[str], item: str | int) -> int:
    if isinstance(item, int):
        if not 0 <= item < len(names):
            raise ConfigError(f"flip_pairs: {item} given, a keypoint from 0 to {len(names) - 1} expected")
        return item
    if names.count(item.strip()) != 1:
        found = "the name of several keypoints" if item.strip() in names else f"none of the keypoints{did_you_mean(item, names)}"
        raise ConfigError(f"flip_pairs: {item!r} is {found}; they are {', '.join(names)}. Names, or numbers from 0, are expected")
    return names.index(item.strip())


def _key(name: str) -> Key:
    return tuple(word.lower() for word in _WORD.findall(unicodedata.normalize("NFKC", name)))


def _other_letters(keys: Sequence[Key]) -> set[Key]:
    """Return the forms of names in which the letter is no side, as in k1, l1, m1, ...: with * in its place."""
    used: dict[Key, set[str]] = {}
    for key in keys:
        for place, word in enumerate(key):
            if len(word) == 1 and word.isalpha():
                used.setdefault((*key[:place], "*", *key[place + 1 :]), set()).add(word)
    return {form for form, letters in used.items() if letters - SIDES_AND_MIDDLE}


def _mirrored(key: Key, lettered: set[Key]) -> Iterator[Key]:
    """Yield what a name may be on the other side: with its words, its letters, the beginnings and ends of its words, or all exchanged.

    Letters stay where a name has one of the forms ``lettered``.
    """
    counts = [(*key[:place], "*", *key[place + 1 :]) in lettered for place in range(len(key))]
    other = [word if letter_counts else OTHER_LETTER.get(word, word) for word, letter_counts in zip(key, counts, strict=True)]
    yield tuple(OTHER_WORD.get(word, word) for word in key)
    yield tuple(other)
    yield tuple(OTHER_WORD.get(word, letter) for word, letter in zip(key, other, strict=True))
    yield tuple(word if word in OTHER_WORD else _joined_side(word) for word in key)


def _joined_side(word: str) -> str:
    """Return a word such as ``lefteye`` or ``eyeleft`` on the other side; others as they are."""
    for side, other in OTHER_WORD.items():
        if word.startswith(side):
            return other + word.removeprefix(side)
        if word.endswith(side):
            return word.removesuffix(side) + other
    return word


def swap_in_order(swap: Sequence[int], table: Sequence[int] | np.ndarray) -> tuple[int, ...]:
    """Return which places change in a mirrored image when place i has become ``table[i]``."""
    swapped = {int(table[place]): int(table[partner]) for place, partner in enumerate(swap)}
    return tuple(swapped[place] for place in range(len(swap)))
