"""Rules by which weights of another project get the names that a model has: checked, applied, and proposed. Imports no torch."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from difflib import SequenceMatcher

from petlib.checkpoint import rename_process
from petlib.checkpoint.rename_process import apply_rules
from petlib.errors import ConfigError

LONGEST_SECONDS = 10.0
"""Thousands of names take a few milliseconds."""

MOST_COMPARED = 4000
"""Tensors of a file or a model for which a proposal is looked for."""

MOST_LINES = 40
"""A longer proposal is not worth reading."""

Rules = Sequence[Sequence[str]]
"""Pairs of a regular expression and what takes the place of what it finds, e.g. ``["^module\\.(.*)", "backbone.\\1"]``."""

_COUNTS = "num_batches_tracked"
_ROLES = {
    **dict.fromkeys(("gamma", "scale", "kernel"), "weight"),
    "beta": "bias",
    **dict.fromkeys(("_mean", "moving_mean"), "running_mean"),
    **dict.fromkeys(("_variance", "moving_variance"), "running_var"),
}
"""What other projects call the tensors of a layer."""


def check_rules(rules: Rules) -> None:
    """Check that rules are pairs of an expression and a replacement that fits it.

    Raises:
        ConfigError: one is not.
    """
    for number, rule in enumerate(rules):
        place = f"load_weights.rename[{number}]"
        if len(rule) != 2 or not all(isinstance(part, str) for part in rule) or not rule[0]:
            raise ConfigError(rf"{place}: {rule} given; an expression and its replacement expected, e.g. ['^module\.(.*)', 'backbone.\1']")
        pattern, replacement = rule
        try:
            compiled = re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise ConfigError(f"{place}: {pattern!r} is no regular expression: {error}") from error
        try:
            compiled.sub(replacement, "")
        except (re.error, IndexError) as error:
            raise ConfigError(
                f"{place}: {replacement!r} does not fit {pattern!r}: {error}; \\1 means what its first parentheses found"
            ) from error


def rename(names: Sequence[str], rules: Rules, source: str) -> list[str]:
    """Return names after the rules, in the same order.

    Args:
        names: of the tensors in a file.
        rules: see :func:`~petlib.checkpoint.rename_process.apply_rules`.
        source: the file, for messages.

    Raises:
        ConfigError: a rule is wrong, finds nothing or takes too long, or two names become the same.
    """
    check_rules(rules)
    renamed, counts = _apply_bounded(rules, names)
    for number, (rule, count) in enumerate(zip(rules, counts, strict=True)):
        if not count:
            before = " that the rules before it leave" if number else ""
            raise ConfigError(
                f"load_weights.rename[{number}]: {rule[0]!r} finds nothing in the {len(names)} names of {source}{before}; "
                f"they are {', '.join(list(names)[:4])}{', ...' if len(names) > 4 else ''}"
            )
    double = [name for name, count in Counter(renamed).items() if count > 1]
    if double:
        first, second = [name for name, new in zip(names, renamed, strict=True) if new == double[0]][:2]
        raise ConfigError(f"load_weights.rename: {first} and {second} of {source} both become {double[0]}; give each a name of its own")
    return renamed


def rename_in_turn(names: Sequence[str], rules: Rules) -> list[str]:
    """Return names after every rule in turn, in the same order; a rule replaces all that it finds, which may be nothing.

    Raises:
        ConfigError: a rule is wrong or takes too long.
    """
    check_rules(rules)
    return _apply_bounded(rules, names, in_turn=True)[0]


def _apply_bounded(rules: Rules, names: Sequence[str], *, in_turn: bool = False) -> tuple[list[str], list[int]]:
    command = [sys.executable, "-I", str(rename_process.__file__)]
    given = json.dumps([[list(rule) for rule in rules], list(names), in_turn])
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=True)
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"load_weights.rename: the expressions took longer than {LONGEST_SECONDS:g} s for {len(names)} names; repetitions in "
            "each other, such as (a+)+, or several .* do so: write what is between them"
        ) from error
    renamed, counts = json.loads(done.stdout)
    return renamed, counts


Shapes = Mapping[str, tuple[int, ...]]
"""The shapes of tensors by their names."""


def propose_rules(theirs: Shapes, own: Shapes, *, fitting: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return rules that give tensors of a file the names of tensors of a model, where shapes and order agree; empty: they do not.

    Of both sides the longest run of tensors is taken that has the same shapes in the same order; it has to hold at least half of the
    tensors of one of them, and something other than biases has to agree where there is any.

    Args:
        theirs: name -> shape, in the order of the file, of the tensors that fit nowhere.
        own: name -> shape, in the order of the model, of the tensors that are missing.
        fitting: further names of the file, which fit as they are and which no rule may find.
    """
    sides = [[name for name in side if not name.endswith(_COUNTS)] for side in (theirs, own)]
    if not all(sides) or max(map(len, sides)) > MOST_COMPARED:
        return []
    first, second = ([(shapes[name], _role(name)) for name in side] for shapes, side in zip((theirs, own), sides, strict=True))
    run = SequenceMatcher(None, first, second, autojunk=False).find_longest_match()
    if 2 * run.size < min(map(len, sides)):
        return []
    # biases alone agree by chance: any two layers with as many outputs have the same
    if not any(entry in second for entry in first if entry[1] != "bias") and any(role != "bias" for _, role in first):
        return []
    pairs = dict(zip(sides[0][run.a : run.a + run.size], sides[1][run.b : run.b + run.size], strict=True))
    return _compress(pairs, [*theirs, *fitting], frozenset(fitting))


def _role(name: str) -> str:
    last = name.rpartition(".")[2]
    return _ROLES.get(last, last)


def _compress(pairs: Mapping[str, str], names: Sequence[str], fitting: Collection[str]) -> list[tuple[str, str]]:
    """Return few rules that turn each first name of the pairs into the second, no other into one of these, and find no ``fitting`` one."""
    rules: list[tuple[str, str]] = []
    left, wanted = dict(pairs), set(pairs.values())
    while left and len(rules) <= MOST_LINES:
        for rule in _candidates(*next(iter(left.items()))):
            found = _found_by(rule, names)
            if all(pairs[name] == new if name in pairs else new not in wanted and name not in fitting for name, new in found.items()):
                break
        rules.append(rule)
        left = {name: new for name, new in left.items() if name not in found}
    renamed, _ = apply_rules(rules, list(pairs))
    return rules if not left and renamed == list(pairs.values()) else []


def _found_by(rule: tuple[str, str], names: Sequence[str]) -> dict[str, str]:
    pattern = re.compile(rule[0])
    return {name: pattern.sub(rule[1], name) for name in names if pattern.search(name)}


def _candidates(name: str, target: str) -> list[tuple[str, str]]:
    """Return rules from ``name`` to ``target``, the most general first; the last one is for this name alone."""
    parts, others = name.split("."), target.split(".")
    same = 0
    while same < min(len(parts), len(others)) and parts[-1 - same] == others[-1 - same]:
        same += 1
    rules = []
    for kept in range(same, -1, -1):
        head, other = parts[: len(parts) - kept], others[: len(others) - kept]
        for numbers in (_common_numbers(head, other), 0):
            rules.append(_rule(head, other, numbers=numbers, open_end=kept > 0))
    return rules


def _common_numbers(parts: Sequence[str], others: Sequence[str]) -> int:
    """Return how many of the last numbers between the dots of two names agree."""
    first, second = ([part for part in side if part.isdigit()] for side in (parts, others))
    count = 0
    while count < min(len(first), len(second)) and first[-1 - count] == second[-1 - count]:
        count += 1
    return count


def _rule(parts: Sequence[str], others: Sequence[str], *, numbers: int, open_end: bool) -> tuple[str, str]:
    places = [place for place, part in enumerate(parts) if part.isdigit()]
    open_places = set(places[len(places) - numbers :])
    pattern = r"\.".join(r"(\d+)" if place in open_places else re.escape(part) for place, part in enumerate(parts))
    replacement = list(others)
    other_places = [place for place, part in enumerate(others) if part.isdigit()]
    for group, place in enumerate(other_places[len(other_places) - numbers :], start=1):
        replacement[place] = rf"\{group}"
    beginning = f"^{pattern}" + (r"\." if open_end and parts else "")
    rest = r"(.*)" if open_end else ""
    return f"{beginning}{rest}$", ".".join([*replacement, *([rf"\{numbers + 1}"] if open_end else [])])
