"""What is left out while the files of a data set are read."""

import logging
from pathlib import Path

logger = logging.getLogger(__name__)


class SkipCounter:
    """Counts, by reason, what a reader leaves out, and reports it once.

    Args:
        path: the file or folder that is read.

    Attributes:
        counts: reason -> how often, in the order in which they came up.
    """

    def __init__(self, path: Path) -> None:
        self.counts: dict[str, int] = {}
        self._path = path
        self._firsts: dict[str, str] = {}

    def add(self, reason: str, record: str) -> None:
        """Count one; ``record`` says where it was, for the first one of each reason."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self._firsts.setdefault(reason, record)

    def described(self) -> str:
        """Return what was left out as the end of a message; empty where nothing was."""
        counted = [f"{count} x {reason}, e.g. {self._firsts[reason]}" for reason, count in self.counts.items()]
        return f"; left out: {'; '.join(counted)}" if counted else ""

    def log(self) -> None:
        """Write a line for each reason."""
        for reason, count in self.counts.items():
            logger.warning("%s: while reading: %d x %s (the first: %s)", self._path, count, reason, self._firsts[reason])
