"""Several command lines one after another."""

from collections.abc import Sequence
from pathlib import Path

from tests.integration.conftest import ROOT, Done, environment
from tests.integration.warm_python import warm_python


def run_many(runs: Sequence[tuple[str, Sequence[str | Path]]], folder: Path, timeout: float = 300) -> list[Done]:
    """Run scripts below ``tools``, given with their options, in ``folder``; without launcher, on one rank."""
    python = warm_python()
    return [
        Done(*python.run([ROOT / "tools" / script, *options], folder=folder, environment=environment(), timeout=timeout))
        for script, options in runs
    ]
