"""The commands ``pet-train``, ``pet-test`` and ``pet-export``."""

from pathlib import Path

from petlib.launch import launch, run_tool_of_config


def train(repository: Path | None = None) -> int:
    """Train with the config of the command line and return the exit code.

    Args:
        repository: root of the checkout whose launcher runs, where ``--type`` looks last.
    """
    return launch("train_net.py", package="pet", repository=repository)


def test(repository: Path | None = None) -> int:
    """Test a trained model with the config of the command line and return the exit code; see :func:`train`."""
    return launch("test_net.py", package="pet", repository=repository)


def export(repository: Path | None = None) -> int:
    """Export a trained model with the config of the command line and return the exit code; see :func:`train`."""
    return run_tool_of_config("export_net.py", description="Exports a trained model as ONNX.", repository=repository)
