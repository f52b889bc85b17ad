"""Renames by the rules of a user, as a program of its own that can be ended: an expression may take for ever, and nothing else stops it.

It reads rules and names as JSON from its input and writes what :func:`apply_rules` returns. Imports only the standard library.
"""

import json
import re
import sys
from collections.abc import Sequence


def apply_rules(rules: Sequence[Sequence[str]], names: Sequence[str], in_turn: bool = False) -> tuple[list[str], list[int]]:
    """Return the names after the rules, in the same order, and how many names each rule has changed or met.

    Args:
        rules: pairs of a regular expression, which is searched in a name, and what takes the place of what it finds. A name goes by
            the first rule that finds something in it.
        names: e.g. those of a state dict.
        in_turn: each name goes by every rule in turn, which replaces all that it finds.
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]
    if in_turn:
        return _apply_in_turn(compiled, names)
    counts = [0] * len(compiled)
    renamed = []
    for name in names:
        number = next((number for number, (pattern, _) in enumerate(compiled) if pattern.search(name)), None)
        if number is None:
            renamed.append(name)
            continue
        pattern, replacement = compiled[number]
        counts[number] += 1
        renamed.append(pattern.sub(replacement, name, count=1))
    return renamed, counts


def _apply_in_turn(rules: Sequence[tuple[re.Pattern[str], str]], names: Sequence[str]) -> tuple[list[str], list[int]]:
    renamed, counts = list(names), []
    for pattern, replacement in rules:
        changed = [pattern.subn(replacement, name) for name in renamed]
        renamed = [name for name, _ in changed]
        counts.append(sum(found > 0 for _, found in changed))
    return renamed, counts


if __name__ == "__main__":
    json.dump(apply_rules(*json.load(sys.stdin)), sys.stdout)
