"""Changes of valid files by chance: of their bytes, and of what the bytes mean."""

import json
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, 2**31, -(2**63), 2**64, 10**30, 10**400, 1e308, float("nan"), float("inf"), -float("inf")),
    *("", " ", "a", "0", "None", "\0", "\ud7ff", "💥" * 20, "x" * 5000, "../../etc/passwd", "/etc/passwd", "1e999", "\n\r\t", "\x1b[31m"),
    *([], {}, [[]], [None], [0] * 3000, {"a": {"b": {}}}, {"": ""}, [[1, 2], [3]], [float("nan")] * 4, ["a", 1, None]),
)


def mutated(samples: Sequence[bytes], tokens: Sequence[bytes] = ()) -> st.SearchStrategy[bytes]:
    """Return samples with one to six changes of bytes: flipped, cut off, left out, doubled, swapped, or ``tokens`` put in."""
    return st.builds(_mutate, st.sampled_from(list(samples)), st.just(list(tokens)), st.integers(0, 2**64), st.integers(1, 6))


def mutated_trees(trees: Sequence[Any], values: Sequence[Any] = ODD_VALUES) -> st.SearchStrategy[Any]:
    """Return nested lists and dictionaries with one to four changes of entries: replaced, left out, doubled, renamed, nested deeply.

    The trees themselves stay as they are.
    """
    return st.builds(_mutate_tree, st.sampled_from(list(trees)), st.just(list(values)), st.integers(0, 2**64), st.integers(1, 4))


def as_json(tree: Any) -> bytes:
    """Write a tree as JSON; NaN and infinity become words that Python's reader knows."""
    return json.dumps(tree, default=repr).encode("utf-8", "surrogatepass")


def _mutate(sample: bytes, tokens: list[bytes], chance: int, changes: int) -> bytes:
    rng = random.Random(chance)
    content = bytearray(sample)
    for _ in range(changes):
        at = rng.randrange(len(content) + 1)
        length = min(len(content) - at, 1 << rng.randrange(10))
        match rng.randrange(8 if tokens else 6):
            case 0 if at < len(content):
                content[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(content):
                content[at] = rng.choice((0, 255, 127, 128, rng.randrange(256)))
            case 2:
                # what cuts off most of the file would hide all other changes if it were frequent
                del content[at : at + length if rng.random() < 0.7 else None]
            case 3:
                content[at:at] = content[at : at + length] * rng.choice((1, 1, 2, 20))
            case 4:
                other = rng.randrange(len(content) + 1)
                content[at : at + length] = content[other : other + length]
            case 5:
                content[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 6:
                content[at:at] = rng.choice(tokens)
            case 7:
                token = rng.choice(tokens)
                content[at : at + len(token)] = token
    return bytes(content)


def _mutate_tree(tree: Any, values: list[Any], chance: int, changes: int) -> Any:
    rng = random.Random(chance)
    root = [_copy(tree)]
    for _ in range(changes):
        branches = [*_branches(root)]
        branch = rng.choice(branches)
        names = list(branch) if isinstance(branch, dict) else [*range(len(branch))]
        if names:
            _change(branch, rng.choice(names), rng, values, branches)
    return root[0] if root else None


def _change(branch: Any, name: Any, rng: random.Random, values: list[Any], branches: list[Any]) -> None:
    kind = rng.randrange(8)
    if kind < 3:
        branch[name] = _copy(rng.choice(values))
    elif kind == 3:
        del branch[name]
    elif kind == 4:
        # the entry of another place
        other = rng.choice(branches)
        branch[name] = _copy(rng.choice(list(other.values()) if isinstance(other, dict) else other) if other else None)
    elif kind == 5:
        entry = _copy(branch[name])
        if isinstance(branch, dict):
            new = rng.choice((f"{name}x", str(name).lower(), "", 0, "\0", "a.b", f" {name}"))
            branch[new] = entry
        else:
            branch.extend([entry] * rng.choice((1, 2, 100)))
    elif kind == 6:
        for _ in range(rng.choice((1, 3, 50, 900))):
            branch[name] = rng.choice(([branch[name]], {"a": branch[name]}))
    elif isinstance(branch[name], int | float):
        value = branch[name]
        # a whole number may be too great for any fraction
        branch[name] = rng.choice((value + 1, -value, value * 10**6, str(value), value + 0.5 if abs(value) < 2**53 else 0.5))
    else:
        branch[name] = str(branch[name])[:200]


def _branches(tree: Any) -> list[Any]:
    """Return all lists and dictionaries of a tree; those deep below are never nested by more than a few changes."""
    found, waiting = [], [tree]
    while waiting:
        branch = waiting.pop()
        found.append(branch)
        waiting.extend(entry for entry in (branch.values() if isinstance(branch, dict) else branch) if isinstance(entry, dict | list))
    return found


def _copy(tree: Any) -> Any:
    """Copy lists and dictionaries of any depth."""
    holder: list[Any] = [tree]
    waiting: list[Any] = [holder]
    while waiting:
        branch = waiting.pop()
        for name, entry in list(branch.items()) if isinstance(branch, dict) else list(enumerate(branch)):
            if isinstance(entry, dict | list | tuple):
                branch[name] = dict(entry) if isinstance(entry, dict) else list(entry)
                waiting.append(branch[name])
    return holder[0]
