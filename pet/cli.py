"""The commands ``pet-train`` and ``pet-test``."""

from pathlib import Path

from petlib.launch import launch


def train(repository: Path | None = None) -> int:
    """Train with the config of the command line and return the exit code.

    Args:
        repository: root of the checkout whose launcher runs, where ``--type`` looks last.
    """
    return launch("train_net.py", package="pet", repository=repository)


def test(repository: Path | None = None) -> int:
    """Test a trained model with the config of the command line and return the exit code; see :func:`train`."""
    return launch("test_net.py", package="pet", repository=repository)
