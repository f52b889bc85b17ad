"""The beginnings of names by which the parts of a file fit the parts of a model, as ``backbone.`` and ``decode_head.``."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from petlib.checkpoint.rename_rules import Shapes

_LOGGER = logging.getLogger(__name__)
_MOST_PLACES = 200
"""Names of a model that end in the same way; more say nothing about where a tensor belongs."""


class Prefix(NamedTuple):
    """Names of a file that begin with ``theirs`` have ``own`` there in the model."""

    theirs: str
    own: str

    def __str__(self) -> str:
        if not self.theirs:
            return f"names are taken with {self.own!r} in front"
        return f"names that begin with {self.theirs!r} are taken {f'as {self.own!r}' if self.own else 'without it'}"


def match_prefixes(theirs: Shapes, own: Shapes, *, preferred: Sequence[str], source: str) -> dict[str, str]:
    """Return the name in the model for each name of a file: by the beginnings with which most tensors fit, else the name itself.

    One beginning after the other is found, and logged, among the tensors that are left on both sides. It has to bring a place to at
    least half of the tensors whose names begin so: a few that happen to fit are no reason.

    Args:
        theirs: name -> shape of the tensors in the file.
        own: name -> shape of the tensors in the model.
        preferred: beginnings of names in the model that names of the file lack as a rule; they need no majority.
        source: the file, for the log.
    """
    places = _Places(own, preferred)
    renamed = {name: name for name in theirs}
    left, free = dict(theirs), dict(own)
    while left:
        prefix, count = places.best(left, free)
        if prefix is None:
            break
        begin = [name for name in left if name.startswith(prefix.theirs)]
        taken = {name: prefix.own + name.removeprefix(prefix.theirs) for name in begin}
        taken = {name: new for name, new in taken.items() if new in free}
        if prefix.theirs or prefix.own not in ("", *preferred):
            _LOGGER.info(
                "%s: %s: %d of their %d tensors fit; %d others are left", source, prefix, count, len(begin), len(left) - len(taken)
            )
        renamed |= taken
        left = {name: shape for name, shape in left.items() if name not in taken}
        free = {name: shape for name, shape in free.items() if name not in set(taken.values())}
    return renamed


class _Places:
    """Finds where names end in the same way."""

    def __init__(self, own: Shapes, preferred: Sequence[str]) -> None:
        self._preferred = list(preferred)
        self._by_ending: dict[str, list[str]] = defaultdict(list)
        for name in own:
            for beginning, ending in _splits(name):
                if not _has_number(beginning) or beginning in preferred:
                    self._by_ending[ending].append(beginning)

    def best(self, theirs: Shapes, own: Shapes) -> tuple[Prefix | None, int]:
        """Return the beginnings with which most tensors fit, and how many; None: there are none that count."""
        fitting: Counter[Prefix] = Counter()
        beginning_so: Counter[str] = Counter()
        for name, shape in theirs.items():
            for beginning, ending in _splits(name):
                beginning_so[beginning] += 1
                fitting.update(prefix for prefix in self._prefixes(beginning, ending) if own.get(prefix.own + ending) == shape)
        plain = ("", *self._preferred)
        counted = {
            prefix: count
            for prefix, count in fitting.items()
            if 2 * count >= beginning_so[prefix.theirs] or (not prefix.theirs and prefix.own in plain)
        }
        if not counted:
            return None, 0
        rank = {own: -place for place, own in enumerate(plain)}
        best = max(counted, key=lambda prefix: (counted[prefix], -len(prefix.theirs), rank.get(prefix.own, -len(plain))))
        equal = [p for p in counted if p.theirs == best.theirs and counted[p] == counted[best] and p.own not in plain]
        # two places that are as good: which one is meant is for the user to say
        return (None, 0) if best.own not in plain and len(equal) > 1 else (best, counted[best])

    def _prefixes(self, beginning: str, ending: str) -> list[Prefix]:
        """Return the pairs of beginnings before an ending; none has a number, which counts layers."""
        owns = self._by_ending.get(ending, [])
        if _has_number(beginning) or len(owns) > _MOST_PLACES:
            return []
        # one word, such as weight, says nothing unless it is all of the name
        is_word = "." not in ending
        return [Prefix(beginning, own) for own in owns if not is_word or not own or (not beginning and own in self._preferred)]


def _splits(name: str) -> list[tuple[str, str]]:
    parts = name.split(".")
    return [("".join(f"{part}." for part in parts[:count]), ".".join(parts[count:])) for count in range(len(parts))]


def _has_number(beginning: str) -> bool:
    return any(part.isdigit() for part in beginning.split("."))
