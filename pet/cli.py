"""The commands ``pet-train``, ``pet-test``, ``pet-export`` and ``pet-new``."""

from pathlib import Path
from typing import NoReturn

from pet.templates.new_project import main as write_new_project
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


def new() -> NoReturn:
    """Write a project of a template, see :mod:`pet.templates.new_project`, and exit."""
    write_new_project()
