"""The scripts that train the general CNN: those of projects do what that of ``cfgs/vision`` does, so that no setting is left out."""

import importlib
from pathlib import Path

import pytest

from pet.vision.task import VisionTask

ROOT = Path(__file__).parents[3]
PROJECTS = [path.parent.name for path in sorted((ROOT / "pet" / "projects").glob("*/task.py"))]


def steps_of(script: Path) -> str:
    """Return what a script does between the choice of its task and the end of the run."""
    text = script.read_text(encoding="utf-8")
    return text[text.index("    with engine.open_run") : text.index('if __name__ == "__main__"')]


def is_general_cnn(project: str) -> bool:
    return isinstance(importlib.import_module(f"pet.projects.{project}.task").TASK, VisionTask)


@pytest.mark.parametrize("project", filter(is_general_cnn, PROJECTS))
def test_a_project_trains_as_the_general_cnn(project: str) -> None:
    assert steps_of(ROOT / "tools" / "projects" / project / "train_net.py") == steps_of(ROOT / "tools" / "vision" / "train_net.py")


def test_there_are_such_projects() -> None:
    assert [*filter(is_general_cnn, PROJECTS)] == ["crowdcounting", "densepose", "fairmot"]
