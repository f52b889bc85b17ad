"""Words of messages: the nearest valid names, and numbers with what they count."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest_names(name: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """Return up to ``count`` candidates that resemble ``name``, the most similar first; neither case nor the dashes of options count."""
    bare = {candidate.lstrip("-").lower(): candidate for candidate in candidates}
    return [bare[match] for match in get_close_matches(name.lstrip("-").lower(), bare, n=count, cutoff=0.6)]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return ``"; did you mean A or B?"`` for the nearest candidates, or an empty string where nothing resembles ``name``."""
    matches = nearest_names(name, candidates)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


def shortened(text: str, length: int = 200) -> str:
    """Return a text of a file, or a name, as messages show it."""
    return text if len(text) <= length else f"{text[:length]}..."


def counted(count: int, word: str) -> str:
    """Return a number and what it counts, ``word`` in the singular: ``1 class``, ``2,000 classes``, ``0 identities``."""
    if count == 1:
        return f"1 {word}"
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word.endswith(("s", "x")) else f"{word}s"
    return f"{count:,} {plural}"
